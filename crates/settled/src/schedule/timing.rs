//! When a schedule is due: the moments themselves, and how many of them have passed.
//!
//! The same schedule names the same moments whenever and by whomever it is asked.

use settled_protocol::{Span, Timestamp};

use super::cron::Cron;
use crate::definition::Invalid;

/// How many due times are counted one by one. Of more than that, only the last ones are looked at.
const MOST_COUNTED: u64 = 10_000;

const HOUR: Span = Span::from_secs(3_600);

/// When a schedule is due.
#[derive(Clone, Debug)]
pub enum Timing {
    /// By a cron pattern in a time zone.
    Cron(Box<CronTiming>),
    /// In steps of so long from the schedule's anchor.
    Every(Span),
}

/// A cron pattern in a time zone.
#[derive(Clone, Debug)]
pub struct CronTiming {
    /// The pattern, as it was given.
    pub pattern: String,
    /// The zone's name.
    pub timezone: String,
    pub(super) cron: Cron,
}

/// The due times of some stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The last of them.
    pub(crate) last: Timestamp,
    /// How many there were before it; of very many, at least so many.
    pub(crate) earlier: u64,
}

impl Timing {
    /// By a cron pattern, in the time zone of this name.
    ///
    /// # Errors
    /// [`Invalid`] names `cron` or `timezone`, and says what was expected.
    pub fn cron(pattern: &str, timezone: &str) -> Result<Self, Invalid> {
        Ok(Self::Cron(Box::new(CronTiming {
            cron: Cron::parse(pattern, timezone)?,
            pattern: pattern.to_owned(),
            timezone: timezone.to_owned(),
        })))
    }

    /// The first due time after a moment; none where none will come. An interval is counted from
    /// `anchor`, and first due one step after it.
    #[must_use]
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(timing) => timing.cron.next_after(after),
            Self::Every(step) => {
                let steps = (after - anchor).0.div_euclid(step.0.max(1)) + 1;
                let from_anchor = steps.max(1).checked_mul(step.0)?;
                anchor.0.checked_add(from_anchor).map(Timestamp)
            }
        }
    }

    /// The due times after `after`, up to and with `until`; none where there are none.
    pub(crate) fn passed(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        until: Timestamp,
    ) -> Option<Passed> {
        let next = |after| {
            let due = self.next_after(anchor, after)?;
            (due <= until).then_some(due)
        };
        let mut last = next(after)?;
        let mut earlier = 0;
        if let Self::Every(step) = self {
            let steps = (until - last).0.div_euclid(step.0.max(1));
            let last = last + Span(steps.saturating_mul(step.0));
            return Some(Passed {
                last,
                earlier: steps.unsigned_abs(),
            });
        }
        while earlier < MOST_COUNTED {
            match next(last) {
                Some(due) => (last, earlier) = (due, earlier + 1),
                None => return Some(Passed { last, earlier }),
            }
        }
        // Nobody wants to know whether it was ten or twenty thousand; the last one still counts.
        let mut window = HOUR;
        while until - window > last {
            if let Some(found) = next(until - window) {
                last = found;
                break;
            }
            window = window + window;
        }
        while let Some(due) = next(last) {
            last = due;
        }
        Some(Passed { last, earlier })
    }
}
