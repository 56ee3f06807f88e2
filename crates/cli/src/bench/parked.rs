//! What sagas cost that only wait: how soon a coordinator is ready over them, and its memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::BenchError;
use super::load::{Work, drive};
use super::process::Meter;
use super::report::ParkedReport;
use super::rounds::{start_participant, workload};
use super::subject::{Durable, serve};
use super::{BenchArgs, Place};
use crate::error::CliError;
use crate::journal::JournalUrl;

/// How often the coordinator is started over them.
const STARTS: usize = 5;

/// How long the last calls may take until everything is parked.
const PARKED_WITHIN: Duration = Duration::from_mins(1);

/// Submits sagas whose first call is told to come back in an hour.
struct Parking(Arc<Durable>);

impl Work for Parking {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let durable = &self.0;
        let document = durable
            .workload
            .submission(&durable.workload.id(number), "later");
        let submission = durable
            .coordinator
            .definitions()
            .parse(document.as_bytes())?;
        durable.coordinator.submit(submission, None, None).await?;
        // Memory must follow the work in flight here too: what is taken is also parked.
        while durable.coordinator.load().0 > 5_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// Parks so many sagas, then starts a coordinator over them, again and again.
pub(super) async fn measure(
    args: &BenchArgs,
    place: &Place,
    parked: usize,
) -> Result<ParkedReport, CliError> {
    let participant = start_participant(place).await?;
    let mut workload = workload(args, &participant);
    // The one step is the last step, which answers as the input says.
    workload = super::workload::Workload::new(&workload.participant, 1, 0);
    let durable = Durable::start(&place.journal, workload, args.concurrency)?;
    let began = Instant::now();
    let parking = Arc::new(Parking(Arc::clone(&durable)));
    drive(&parking, 0, parked, args.concurrency.max(256)).await?;
    while durable.coordinator.load().0 > 0 {
        if began.elapsed() > PARKED_WITHIN + Duration::from_millis(parked as u64) {
            let (left, _) = durable.coordinator.load();
            return Err(BenchError::Late(format!("{left} sagas were not parked in time")).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed().as_secs_f64();
    durable.stop().await;
    let size = std::fs::metadata(&place.journal.path).map_or(0, |file| file.len());
    let over = start_over(place, &place.journal, args.threads).await?;
    let empty = JournalUrl {
        path: place.directory.join("empty.db"),
    };
    let beside = start_over(place, &empty, args.threads).await?;
    Ok(ParkedReport {
        parked,
        parked_per_s: parked as f64 / took,
        ready_ms: over.best_ms,
        ready_worst_ms: over.worst_ms,
        rss_mib: over.rss_mib,
        peak_rss_mib: over.peak_mib,
        cpu_s: over.cpu_s,
        empty_ready_ms: beside.best_ms,
        empty_rss_mib: beside.rss_mib,
        journal_mib: size as f64 / 1024.0 / 1024.0,
    })
}

struct Started {
    best_ms: f64,
    worst_ms: f64,
    rss_mib: f64,
    peak_mib: f64,
    cpu_s: f64,
}

async fn start_over(
    place: &Place,
    journal: &JournalUrl,
    threads: usize,
) -> Result<Started, BenchError> {
    let mut started = Started {
        best_ms: f64::MAX,
        worst_ms: 0.0,
        rss_mib: 0.0,
        peak_mib: 0.0,
        cpu_s: 0.0,
    };
    for _ in 0..STARTS {
        let server = serve(place, journal, threads).await?;
        let ready = server.ready_in.as_secs_f64() * 1_000.0;
        started.best_ms = started.best_ms.min(ready);
        started.worst_ms = started.worst_ms.max(ready);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let meter = Meter::of(server.id());
        let memory = meter.memory()?;
        started.rss_mib = started.rss_mib.max(memory.now_mib);
        started.peak_mib = started.peak_mib.max(memory.peak_mib);
        started.cpu_s = started.cpu_s.max(meter.cpu()?.total());
    }
    Ok(started)
}
