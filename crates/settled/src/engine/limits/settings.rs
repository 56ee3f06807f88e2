//! What a participant may be asked to bear, in the words of those who set it. Nothing here counts.

use settled_protocol::Span;

/// What one participant may be asked to bear.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most calls under way at a time; at least 1.
    pub max_concurrent: u32,
    /// The most calls begun in a second; unlimited where there is none. After a pause as many as
    /// one second's worth (and at least one) may begin at once.
    pub max_per_second: Option<f64>,
    /// When to leave the participant alone because it does not answer; never where there is none.
    pub breaker: Option<BreakerLimits>,
}

/// When a participant that does not answer is left alone, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// So many calls in a row without a definite answer; at least 1.
    pub failures: u32,
    /// How long it is left alone then. Each time that it does not answer after that, twice as long.
    pub first_pause: Span,
    /// But no longer than this.
    pub max_pause: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent: 256,
            max_per_second: None,
            breaker: Some(BreakerLimits::default()),
        }
    }
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            failures: 20,
            first_pause: Span::from_secs(1),
            max_pause: Span::from_secs(60),
        }
    }
}

/// What is wrong with limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct LimitsError {
    /// Which one, as it is named in [`Limits`].
    pub field: &'static str,
    /// What was expected.
    pub message: &'static str,
}

/// The highest rate that can be kept to.
const FASTEST: f64 = 1_000_000.0;

/// The lowest: a call in eleven days.
const SLOWEST: f64 = 0.000_001;

impl Limits {
    /// Says what is wrong, where anything is.
    ///
    /// # Errors
    /// [`LimitsError`] with the first field that is wrong, and what was expected of it.
    pub fn check(&self) -> Result<(), LimitsError> {
        let wrong = |field, message| Err(LimitsError { field, message });
        if self.max_concurrent == 0 {
            return wrong("max_concurrent", "expected a whole number of at least 1");
        }
        let may_be = |rate: f64| (SLOWEST..=FASTEST).contains(&rate);
        if self.max_per_second.is_some_and(|rate| !may_be(rate)) {
            return wrong(
                "max_per_second",
                "expected a number from 0.000001 to 1000000; leave it out for no limit",
            );
        }
        let Some(breaker) = &self.breaker else {
            return Ok(());
        };
        if breaker.failures == 0 {
            return wrong("breaker.failures", "expected a whole number of at least 1");
        }
        if !(Span::from_millis(1)..=LONGEST).contains(&breaker.first_pause) {
            return wrong("breaker.first_pause", "expected a duration of 1ms to 24h");
        }
        if !(breaker.first_pause..=LONGEST).contains(&breaker.max_pause) {
            return wrong(
                "breaker.max_pause",
                "expected a duration from `first_pause` to 24h",
            );
        }
        Ok(())
    }

    /// The same, with what could not be kept to brought within bounds.
    pub(super) fn within_bounds(mut self) -> Self {
        self.max_concurrent = self.max_concurrent.max(1);
        self.max_per_second = self
            .max_per_second
            .filter(|rate| rate.is_finite())
            .map(|rate| rate.clamp(SLOWEST, FASTEST));
        if let Some(breaker) = &mut self.breaker {
            breaker.failures = breaker.failures.max(1);
            breaker.first_pause = breaker.first_pause.clamp(Span::from_millis(1), LONGEST);
            breaker.max_pause = breaker.max_pause.clamp(breaker.first_pause, LONGEST);
        }
        self
    }
}

/// The longest that a participant is left alone, for whatever reason; then it is asked again.
pub(super) const LONGEST: Span = Span::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_to_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let breaker = |failures, first: i64, max: i64| Limits {
            breaker: Some(BreakerLimits {
                failures,
                first_pause: Span::from_secs(first),
                max_pause: Span::from_secs(max),
            }),
            ..Limits::default()
        };
        let rate = |rate| Limits {
            max_per_second: Some(rate),
            ..Limits::default()
        };
        let none = Limits {
            max_concurrent: 0,
            ..Limits::default()
        };
        for (limits, field) in [
            (none, "max_concurrent"),
            (rate(0.0), "max_per_second"),
            (rate(-1.0), "max_per_second"),
            (rate(f64::NAN), "max_per_second"),
            (rate(f64::INFINITY), "max_per_second"),
            (breaker(0, 1, 1), "breaker.failures"),
            (breaker(1, 0, 1), "breaker.first_pause"),
            (breaker(1, 2, 1), "breaker.max_pause"),
            (breaker(1, 1, 86_401), "breaker.max_pause"),
        ] {
            let error = limits.check().unwrap_err();
            assert_eq!(error.field, field, "{limits:?}");
            assert_eq!(limits.within_bounds().check(), Ok(()));
        }
    }
}
