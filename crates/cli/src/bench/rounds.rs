//! The main measurement: bare calls and sagas in turns.

use std::sync::Arc;

use settled::journal::{CommitCounts, LATENCY_BUCKETS_US};

use super::child::Child;
use super::error::BenchError;
use super::load::{Sample, Work, drive, median};
use super::process::{Cpu, Meter};
use super::report::{JournalReport, Report};
use super::subject::{Durable, Served, participants, serve};
use super::workload::{Bare, Workload};
use super::{BenchArgs, Place};
use crate::error::CliError;

/// What came of one kind of work over all rounds.
#[derive(Debug, Default)]
pub(super) struct Side {
    rates: Vec<f64>,
    medians: Vec<f64>,
    tails: Vec<f64>,
    done: usize,
    /// This process, the server where there is one, the participant.
    own: Cpu,
    server: Cpu,
    participant: Cpu,
}

impl Side {
    pub(super) fn add(&mut self, sample: &Sample, count: usize) {
        self.rates.push(sample.per_second());
        self.medians.push(sample.quantile_ms(0.5));
        self.tails.push(sample.quantile_ms(0.99));
        self.done += count;
    }

    pub(super) fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    pub(super) fn rates(&self) -> &[f64] {
        &self.rates
    }

    pub(super) fn p50(&self) -> f64 {
        median(self.medians.clone())
    }

    pub(super) fn p99(&self) -> f64 {
        median(self.tails.clone())
    }

    fn per_1000(&self, cpu: Cpu) -> f64 {
        cpu.total() * 1_000.0 / self.done.max(1) as f64
    }
}

/// Whose time on the processor is counted.
struct Meters {
    own: Meter,
    server: Option<Meter>,
    participant: Meter,
}

impl Meters {
    fn read(&self) -> Result<[Cpu; 3], BenchError> {
        let server = self.server.as_ref().map(Meter::cpu).transpose()?;
        Ok([
            self.own.cpu()?,
            server.unwrap_or_default(),
            self.participant.cpu()?,
        ])
    }

    async fn measure<W: Work>(
        &self,
        side: &mut Side,
        work: &Arc<W>,
        (first, count): (usize, usize),
        concurrency: usize,
    ) -> Result<(), BenchError> {
        let before = self.read()?;
        let sample = drive(work, first, count, concurrency).await?;
        let after = self.read()?;
        side.own += after[0] - before[0];
        side.server += after[1] - before[1];
        side.participant += after[2] - before[2];
        side.add(&sample, count);
        Ok(())
    }
}

/// Measures, against a coordinator in this process or in one of its own.
pub(super) async fn measure(args: &BenchArgs, place: &Place) -> Result<Report, CliError> {
    let participant = start_participant(place).await?;
    let workload = workload(args, &participant);
    let mut meters = Meters {
        own: Meter::own(),
        server: None,
        participant: Meter::of(participant.id()),
    };
    if args.http {
        let serve = serve(place, &place.journal, args.threads).await?;
        let served = Served::start(serve, workload.clone(), args.concurrency)?;
        let server = Meter::of(served.server.id());
        meters.server = Some(server.clone());
        let mut report = turns(args, &meters, &server, workload, &served).await?;
        report.ready_ms = Some(served.server.ready_in.as_secs_f64() * 1_000.0);
        return Ok(report);
    }
    let durable = Durable::start(&place.journal, workload.clone(), args.concurrency)?;
    let own = Meter::own();
    let counts = || durable.coordinator.journal_stats().counts();
    let before = counts();
    let mut report = turns(args, &meters, &own, workload, &durable).await?;
    let all = args.sagas + warm_up(args);
    report.journal = Some(journal_report(&before, &counts(), all));
    durable.stop().await;
    let size = std::fs::metadata(&place.journal.path).map_or(0, |file| file.len());
    if let Some(journal) = report.journal.as_mut().filter(|_| args.journal.is_none()) {
        journal.file_kib_per_saga = Some(size as f64 / 1024.0 / all as f64);
    }
    Ok(report)
}

async fn turns<W: Work>(
    args: &BenchArgs,
    meters: &Meters,
    coordinator: &Meter,
    workload: Workload,
    work: &Arc<W>,
) -> Result<Report, BenchError> {
    let bare = Arc::new(Bare {
        workload,
        participants: participants(args.concurrency)?,
    });
    let warm_up = warm_up(args);
    drive(&bare, 0, warm_up, args.concurrency).await?;
    drive(work, 0, warm_up, args.concurrency).await?;
    let written = coordinator.written()?;
    let (mut plain, mut sagas) = (Side::default(), Side::default());
    let mut first = warm_up;
    for round in 0..usize::from(args.rounds) {
        let count = share(args.sagas, usize::from(args.rounds), round);
        if count == 0 {
            continue;
        }
        let stretch = (first, count);
        meters
            .measure(&mut plain, &bare, stretch, args.concurrency)
            .await?;
        meters
            .measure(&mut sagas, work, stretch, args.concurrency)
            .await?;
        first += count;
    }
    let written = coordinator.written()?.saturating_sub(written);
    let memory = coordinator.memory()?;
    Ok(Report {
        sagas_per_s: sagas.rate(),
        p50_ms: sagas.p50(),
        p99_ms: sagas.p99(),
        bare_sagas_per_s: plain.rate(),
        ratio: sagas.rate() / plain.rate().max(1e-9),
        cpu_s_per_1000: sagas.per_1000(if args.http { sagas.server } else { sagas.own }),
        peak_rss_mib: memory.peak_mib,
        bare_p50_ms: plain.p50(),
        bare_p99_ms: plain.p99(),
        kernel_share: {
            let cpu = if args.http { sagas.server } else { sagas.own };
            cpu.kernel / cpu.total().max(1e-9)
        },
        client_cpu_s_per_1000: args.http.then(|| sagas.per_1000(sagas.own)),
        participant_cpu_s_per_1000: sagas.per_1000(sagas.participant),
        bare_cpu_s_per_1000: plain.per_1000(plain.own),
        bare_participant_cpu_s_per_1000: plain.per_1000(plain.participant),
        written_kib_per_saga: written as f64 / 1024.0 / sagas.done.max(1) as f64,
        journal: None,
        ready_ms: None,
        rounds_sagas_per_s: sagas.rates().to_vec(),
        rounds_bare_sagas_per_s: plain.rates().to_vec(),
        sagas: sagas.done,
        steps: usize::from(args.steps),
        concurrency: args.concurrency,
        fail_percent: usize::from(args.fail_percent),
        threads: args.threads,
        over_http: args.http,
    })
}

/// Enough for connections, caches and the allocator to be warm.
fn warm_up(args: &BenchArgs) -> usize {
    (args.sagas / 10).clamp(args.concurrency, 2_000)
}

/// How many of `all` fall on a round.
fn share(all: usize, rounds: usize, round: usize) -> usize {
    all / rounds + usize::from(round < all % rounds)
}

/// Starts the participant.
pub(super) async fn start_participant(place: &Place) -> Result<Child, BenchError> {
    let log = place.directory.join("participant.log");
    Child::start("the participant", &["bench-participant"], &log).await
}

/// The workload that the arguments ask for.
pub(super) fn workload(args: &BenchArgs, participant: &Child) -> Workload {
    Workload::new(
        &participant.url,
        usize::from(args.steps),
        usize::from(args.fail_percent),
    )
}

/// What the journal's writer did for so many sagas.
fn journal_report(before: &CommitCounts, after: &CommitCounts, sagas: usize) -> JournalReport {
    let commits = (after.commits - before.commits).max(1);
    let mut latency = after.latency;
    for (bucket, was) in latency.iter_mut().zip(before.latency) {
        *bucket -= was;
    }
    JournalReport {
        commits_per_saga: commits as f64 / sagas.max(1) as f64,
        appends_per_saga: (after.appends - before.appends) as f64 / sagas.max(1) as f64,
        mean_batch: (after.appends - before.appends) as f64 / commits as f64,
        commit_mean_ms: (after.latency_sum_us - before.latency_sum_us) as f64
            / 1_000.0
            / commits as f64,
        commit_p50_ms: quantile_ms(&latency, 0.5),
        commit_p99_ms: quantile_ms(&latency, 0.99),
        file_kib_per_saga: None,
    }
}

/// A quantile of a histogram, evenly spread within its bucket.
fn quantile_ms(buckets: &[u64], share: f64) -> f64 {
    let all: u64 = buckets.iter().sum();
    let wanted = all as f64 * share;
    let (mut seen, mut from) = (0.0, 0.0);
    for (index, count) in buckets.iter().enumerate() {
        let to = LATENCY_BUCKETS_US
            .get(index)
            .map_or(from * 2.0, |bound| *bound as f64);
        let count = *count as f64;
        if count > 0.0 && seen + count >= wanted {
            return (from + (to - from) * (wanted - seen) / count) / 1_000.0;
        }
        seen += count;
        from = to;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_share_everything() {
        let shares: Vec<_> = (0..3).map(|round| share(20, 3, round)).collect();
        assert_eq!(shares, [7, 7, 6]);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut buckets = [0; LATENCY_BUCKETS_US.len() + 1];
        buckets[1] = 100;
        assert!((quantile_ms(&buckets, 0.5) - 0.375).abs() < 1e-9);
        assert!((quantile_ms(&buckets, 1.0) - 0.5).abs() < 1e-9);
        assert!(quantile_ms(&[0; 3], 0.5).abs() < 1e-9);
    }
}
