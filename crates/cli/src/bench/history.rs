//! What settled sagas cost new ones: a journal full of them beside an empty journal, in turns.

use super::load::drive;
use super::report::HistoryReport;
use super::rounds::{Side, start_participant, workload};
use super::subject::Durable;
use super::{BenchArgs, Place};
use crate::error::CliError;
use crate::journal::JournalUrl;

/// Settles `history` sagas in the journal, then measures there and on an empty one.
pub(super) async fn measure(
    args: &BenchArgs,
    place: &Place,
    history: usize,
) -> Result<HistoryReport, CliError> {
    let participant = start_participant(place).await?;
    let workload = workload(args, &participant);
    let full = Durable::start(&place.journal, workload.clone(), args.concurrency)?;
    drive(&full, 0, history, args.concurrency.max(256)).await?;
    let size = std::fs::metadata(&place.journal.path).map_or(0, |file| file.len());
    let beside = JournalUrl {
        path: place.directory.join("empty.db"),
    };
    let empty = Durable::start(&beside, workload, args.concurrency)?;
    drive(&empty, 0, args.concurrency, args.concurrency).await?;
    let (mut over, mut plain) = (Side::default(), Side::default());
    let rounds = usize::from(args.rounds);
    let count = args.sagas.div_ceil(rounds);
    let mut first = history.max(args.concurrency);
    for _ in 0..rounds {
        let sample = drive(&empty, first, count, args.concurrency).await?;
        plain.add(&sample, count);
        let sample = drive(&full, first, count, args.concurrency).await?;
        over.add(&sample, count);
        first += count;
    }
    full.stop().await;
    empty.stop().await;
    Ok(HistoryReport {
        history,
        sagas_per_s: over.rate(),
        p50_ms: over.p50(),
        p99_ms: over.p99(),
        empty_sagas_per_s: plain.rate(),
        empty_p50_ms: plain.p50(),
        empty_p99_ms: plain.p99(),
        ratio: over.rate() / plain.rate().max(1e-9),
        journal_mib: size as f64 / 1024.0 / 1024.0,
        sagas: count * rounds,
        concurrency: args.concurrency,
        rounds_sagas_per_s: over.rates().to_vec(),
        rounds_empty_sagas_per_s: plain.rates().to_vec(),
    })
}
