//! A closed loop: so many at once, each begins its next as soon as its last has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::error::BenchError;

/// One thing that is done over and over.
pub(super) trait Work: Send + Sync + 'static {
    /// Does it once; every number is given out once.
    fn once(&self, number: usize) -> impl Future<Output = Result<(), BenchError>> + Send;
}

/// What was measured in one stretch.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) elapsed: Duration,
    /// Microseconds from begin to end of each, in order of length.
    latencies: Vec<u32>,
}

impl Sample {
    pub(super) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that so much of all stay within, in milliseconds.
    pub(super) fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies
            .get(index.min(last))
            .map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Does it `count` times, the first with the number `first`.
pub(super) async fn drive<W: Work>(
    work: &Arc<W>,
    first: usize,
    count: usize,
    concurrency: usize,
) -> Result<Sample, BenchError> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..concurrency.min(count))
        .map(|_| {
            let (work, next) = (Arc::clone(work), Arc::clone(&next));
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(count / concurrency + 16);
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count {
                        return Ok::<_, BenchError>(latencies);
                    }
                    let began = Instant::now();
                    work.once(first + number).await?;
                    latencies.push(began.elapsed().as_micros() as u32);
                }
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(count);
    for worker in workers {
        let done = worker
            .await
            .map_err(|error| BenchError::Late(error.to_string()))?;
        latencies.append(&mut done?);
    }
    let elapsed = began.elapsed();
    latencies.sort_unstable();
    Ok(Sample { elapsed, latencies })
}

/// The middle one; the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median(vec![]).abs() < 1e-9);
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_taken_from_all() {
        let sample = Sample {
            elapsed: Duration::from_secs(2),
            latencies: (1..=100).map(|ms| ms * 1_000).collect(),
        };
        assert!((sample.per_second() - 50.0).abs() < 1e-9);
        assert!((sample.quantile_ms(0.5) - 51.0).abs() < 1e-9);
        assert!((sample.quantile_ms(0.99) - 100.0).abs() < 1e-9);
        assert!((sample.quantile_ms(1.0) - 100.0).abs() < 1e-9);
    }
}
