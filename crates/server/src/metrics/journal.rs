//! What the journal's writer has counted, written as metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use settled::journal::{BATCH_BUCKETS, CommitCounts, LATENCY_BUCKETS_US};

/// The counts at one moment.
#[derive(Debug)]
pub(super) struct Journal(pub(super) CommitCounts);

impl Collector for Journal {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = &self.0;
        for (name, help, value) in [
            (
                "journal_commits",
                "Transactions that were committed.",
                counts.commits,
            ),
            (
                "journal_appends",
                "Appends that were committed.",
                counts.appends,
            ),
            (
                "journal_refused",
                "Appends that were answered with an error.",
                counts.refused,
            ),
            (
                "journal_failures",
                "Transactions that were not committed, or not certainly.",
                counts.failures,
            ),
            (
                "journal_pruned",
                "Settled sagas that were removed because they were old.",
                counts.pruned,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let bounds = LATENCY_BUCKETS_US.map(|micros| micros as f64 / 1e6);
        let mut metric = encoder.encode_descriptor(
            "journal_commit_duration_seconds",
            "How long a transaction took until it was durable.",
            None,
            MetricType::Histogram,
        )?;
        metric.encode_histogram::<NoLabelSet>(
            counts.latency_sum_us as f64 / 1e6,
            counts.latency.iter().sum(),
            &buckets(&bounds, &counts.latency),
            None,
        )?;
        let bounds = BATCH_BUCKETS.map(|size| size as f64);
        let mut metric = encoder.encode_descriptor(
            "journal_batch_size",
            "How many appends were committed together.",
            None,
            MetricType::Histogram,
        )?;
        metric.encode_histogram::<NoLabelSet>(
            counts.appends as f64,
            counts.batch.iter().sum(),
            &buckets(&bounds, &counts.batch),
            None,
        )
    }
}

/// Each bucket with its upper bound; the last one has none.
fn buckets(bounds: &[f64], counts: &[u64]) -> Vec<(f64, u64)> {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    bounds.zip(counts.iter().copied()).collect()
}
