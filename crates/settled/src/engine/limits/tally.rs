//! What is counted of a participant's calls: how many, how many went wrong, how long they took. It
//! takes the same few bytes however many there are.

use settled_protocol::Span;

use super::breaker::CallHealth;

/// Four to a doubling, from 100 µs on: an estimate is at most a fifth too high.
const CLASSES: usize = 84;
const SHORTEST: f64 = 100.0;

/// How much one call moves the present latency.
const WEIGHT: f64 = 1.0 / 16.0;

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) errors: u64,
    timed: u64,
    total: i64,
    present: f64,
    classes: Box<[u32]>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: 0,
            errors: 0,
            timed: 0,
            total: 0,
            present: 0.0,
            classes: Box::default(),
        }
    }
}

impl Tally {
    /// A call was made and is over; `elapsed` where it was timed.
    pub(super) fn add(&mut self, health: CallHealth, elapsed: Option<Span>) {
        self.calls += 1;
        if matches!(health, CallHealth::Failed | CallHealth::Busy) {
            self.errors += 1;
        }
        let Some(elapsed) = elapsed else {
            return;
        };
        let micros = elapsed.0.max(0);
        if self.classes.is_empty() {
            self.classes = vec![0; CLASSES].into();
            self.present = micros as f64;
        }
        self.timed += 1;
        self.total = self.total.saturating_add(micros);
        self.present += (micros as f64 - self.present) * WEIGHT;
        let class = &mut self.classes[class(micros)];
        *class = class.saturating_add(1);
    }

    /// How long calls take at present, in microseconds.
    pub(super) fn present(&self) -> i64 {
        self.present as i64
    }

    /// The mean of all calls.
    pub(super) fn mean(&self) -> Option<Span> {
        let timed = i64::try_from(self.timed).ok().filter(|timed| *timed > 0)?;
        Some(Span(self.total / timed))
    }

    /// What 99 of 100 calls did not take longer than, as near as the classes go.
    pub(super) fn p99(&self) -> Option<Span> {
        let all: u64 = self.classes.iter().map(|count| u64::from(*count)).sum();
        let mut rest = all - all * 99 / 100;
        for (class, count) in self.classes.iter().enumerate().rev() {
            if u64::from(*count) >= rest && *count > 0 {
                return Some(Span(limit(class) as i64));
            }
            rest = rest.saturating_sub(u64::from(*count));
        }
        None
    }
}

fn class(micros: i64) -> usize {
    let doublings = (micros as f64 / SHORTEST).max(1.0).log2();
    ((doublings * 4.0).ceil() as usize).min(CLASSES - 1)
}

fn limit(class: usize) -> f64 {
    SHORTEST * 2.0_f64.powf(class as f64 / 4.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn estimates_are_near(mut times in prop::collection::vec(0_i64..60_000_000, 1..300)) {
            let mut tally = Tally::default();
            for time in &times {
                tally.add(CallHealth::Answered, Some(Span(*time)));
            }
            times.sort_unstable();
            let exact = times[(times.len() * 99 / 100).min(times.len() - 1)] as f64;
            let p99 = tally.p99().unwrap().0 as f64;
            prop_assert!(p99 >= exact.max(100.0) * 0.999 - 1.0, "{} {}", p99, exact);
            prop_assert!(p99 <= exact.max(100.0) * 1.2, "{} {}", p99, exact);
            let mean = times.iter().sum::<i64>() / times.len() as i64;
            prop_assert_eq!(tally.mean(), Some(Span(mean)));
        }
    }
}
