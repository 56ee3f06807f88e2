//! A token bucket, kept as the moment up to which tokens are spoken for. It reads no clock and
//! counts in whole nanoseconds: the same moments always give the same answers.
//!
//! It holds one second's worth of tokens, and at least one, and is full at first.

use settled_protocol::Timestamp;

const SECOND: f64 = 1e9;

/// Says when the next call may begin.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Nanoseconds from one token to the next.
    interval: i128,
    /// The most tokens it holds.
    burst: i128,
    /// Every token that comes before this moment (in nanoseconds) is taken.
    taken_until: i128,
}

impl Bucket {
    /// A full bucket; the rate is of calls per second, and above 0.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            // Upwards, so that the rate is never exceeded.
            interval: ((SECOND / rate).ceil() as i128).max(1),
            burst: (rate.floor() as i128).max(1),
            taken_until: i128::MIN / 2,
        }
    }

    /// A bucket of another rate that has no more tokens than this one.
    pub(super) fn with_rate(&self, rate: f64, now: Timestamp) -> Self {
        let mut other = Self::new(rate);
        let tokens = i128::from(self.tokens(now)).min(other.burst);
        other.taken_until = nanos(now) + (other.burst - tokens) * other.interval;
        other
    }

    /// How many calls may begin at this moment.
    pub(super) fn tokens(&self, now: Timestamp) -> u32 {
        let since = nanos(now) - (self.taken_until - self.burst * self.interval);
        (since / self.interval).clamp(0, self.burst) as u32
    }

    /// A call begins.
    pub(super) fn take(&mut self, now: Timestamp) {
        self.taken_until = self.taken_until.max(nanos(now)) + self.interval;
    }

    /// The first moment from `now` on at which a call may begin.
    pub(super) fn next_at(&self, now: Timestamp) -> Timestamp {
        let at = self.taken_until - (self.burst - 1) * self.interval;
        let micros = at.div_euclid(1_000) + i128::from(at.rem_euclid(1_000) != 0);
        let bounded = micros.clamp(i128::from(now.0), i128::from(i64::MAX));
        Timestamp(bounded as i64)
    }

    /// Microseconds from one token to the next.
    pub(super) fn interval(&self) -> i64 {
        (self.interval / 1_000) as i64
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.0) * 1_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In no window do more calls begin than its length times the rate, and a bucketful.
        #[test]
        fn the_rate_is_never_exceeded(
            rate in prop_oneof![0.01..2.0, 2.0..50.0, 50.0..5_000.0],
            tries in prop::collection::vec((0_i64..3_000_000, 1_usize..40), 1..60),
            changed in prop::option::of((0_usize..60, 0.1..100.0_f64)),
        ) {
            let (mut bucket, mut fastest) = (Bucket::new(rate), rate);
            let mut now = Timestamp(1_700_000_000_000_000);
            let mut begun: Vec<Timestamp> = Vec::new();
            for (index, (later, calls)) in tries.into_iter().enumerate() {
                now = Timestamp(now.0 + later);
                if let Some((at, other)) = changed && at == index {
                    bucket = bucket.with_rate(other, now);
                    fastest = fastest.max(other);
                }
                for _ in 0..calls {
                    let tokens = bucket.tokens(now);
                    let next = bucket.next_at(now);
                    prop_assert_eq!(tokens > 0, next == now);
                    if tokens == 0 {
                        // It says when, to the microsecond.
                        prop_assert!(bucket.tokens(next) > 0);
                        prop_assert_eq!(bucket.tokens(Timestamp(next.0 - 1)), 0);
                        break;
                    }
                    bucket.take(now);
                    begun.push(now);
                }
            }
            for (first, from) in begun.iter().enumerate() {
                for (last, to) in begun.iter().enumerate().skip(first) {
                    let window = (to.0 - from.0) as f64 / 1e6;
                    let allowed = fastest * window + fastest.floor().max(1.0) + 1e-6;
                    prop_assert!((last - first + 1) as f64 <= allowed);
                }
            }
        }

        /// Whoever takes each token as it comes gets the rate.
        #[test]
        fn the_rate_is_reached(rate in 0.5..2_000.0_f64) {
            let mut bucket = Bucket::new(rate);
            let begin = Timestamp(1_700_000_000_000_000);
            let (mut now, mut calls) = (begin, 0_u32);
            while now.0 < begin.0 + 10_000_000 {
                bucket.take(now);
                calls += 1;
                now = bucket.next_at(now);
            }
            prop_assert!(f64::from(calls) >= (rate * 10.0).floor());
        }
    }
}
