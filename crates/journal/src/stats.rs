//! What the writer counts, for whoever wants to publish it. Nothing in here is ever reset.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the batch-size buckets; one more is for everything above.
pub const BATCH_BUCKETS: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// The upper bounds of the latency buckets in microseconds; one more is for everything above.
pub const LATENCY_BUCKETS_US: [u64; 13] = [
    250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000,
    1_024_000,
];

/// Counts commits. Reading is possible at any time and from any thread.
#[derive(Debug, Default)]
pub struct CommitStats {
    appends: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    pruned: AtomicU64,
    batch: Histogram<{ BATCH_BUCKETS.len() + 1 }>,
    latency: Histogram<{ LATENCY_BUCKETS_US.len() + 1 }>,
}

/// The counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitCounts {
    /// Transactions that were committed.
    pub commits: u64,
    /// Appends that they held.
    pub appends: u64,
    /// Appends that were answered with an error.
    pub refused: u64,
    /// Transactions that were not committed, or not certainly.
    pub failures: u64,
    /// Sagas that were removed because they were old.
    pub pruned: u64,
    /// How many transactions held at most as many appends as [`BATCH_BUCKETS`] says; not cumulative.
    pub batch: [u64; BATCH_BUCKETS.len() + 1],
    /// How many took at most as long as [`LATENCY_BUCKETS_US`] says; not cumulative.
    pub latency: [u64; LATENCY_BUCKETS_US.len() + 1],
    /// How long they took together, in microseconds.
    pub latency_sum_us: u64,
}

impl CommitStats {
    pub(crate) fn committed(&self, appends: usize, took: Duration) {
        self.appends.fetch_add(appends as u64, Relaxed);
        self.batch.add(&BATCH_BUCKETS, appends as u64);
        self.latency
            .add(&LATENCY_BUCKETS_US, took.as_micros() as u64);
    }

    pub(crate) fn refused(&self, appends: usize) {
        self.refused.fetch_add(appends as u64, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn pruned(&self, sagas: usize) {
        self.pruned.fetch_add(sagas as u64, Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> CommitCounts {
        let batch = self.batch.read();
        CommitCounts {
            commits: batch.iter().sum(),
            appends: self.appends.load(Relaxed),
            refused: self.refused.load(Relaxed),
            failures: self.failures.load(Relaxed),
            pruned: self.pruned.load(Relaxed),
            batch,
            latency: self.latency.read(),
            latency_sum_us: self.latency.sum.load(Relaxed),
        }
    }
}

#[derive(Debug)]
struct Histogram<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Histogram<N> {
    fn add(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    fn read(&self) -> [u64; N] {
        std::array::from_fn(|index| self.counts[index].load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_bucket_that_holds_it() {
        let stats = CommitStats::default();
        stats.committed(1, Duration::from_micros(250));
        stats.committed(2, Duration::from_micros(251));
        stats.committed(129, Duration::from_secs(9));
        let counts = stats.counts();
        assert_eq!((counts.commits, counts.appends), (3, 132));
        assert_eq!(counts.batch, [1, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            (counts.latency[0], counts.latency[1], counts.latency[13]),
            (1, 1, 1)
        );
        assert_eq!(counts.latency_sum_us, 9_000_501);
    }
}
