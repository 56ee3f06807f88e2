//! A schedule's document, read and checked: when it is due, what it runs, and by which policies.

use settled_protocol::{Json, Span};

use super::timing::Timing;
use crate::definition::{Definitions, Invalid, ScheduleFields, Submission};

/// The shortest interval. Due times are whole seconds.
const SECOND: Span = Span::from_secs(1);

/// What becomes of due times at which no coordinator was at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// One run for all of them, at once.
    Once,
}

/// What becomes of a due time at which an earlier run is not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// Its run waits until the earlier one is settled. One run waits at most.
    Queue,
}

/// A schedule, ready to be asked when it is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When it is due.
    pub timing: Timing,
    /// What becomes of due times at which no coordinator was at work.
    pub missed: Missed,
    /// What becomes of a due time at which an earlier run is not settled.
    pub overlap: Overlap,
    /// The saga's document, as it was given.
    pub saga: Json,
    /// The saga to run; it has no id.
    pub submission: Submission,
}

impl Missed {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::Skip, Self::Once];

    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
        }
    }
}

impl Overlap {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::Skip, Self::Queue];

    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

impl Schedule {
    /// Reads a schedule's document.
    ///
    /// # Errors
    /// [`Invalid`] names the field, and says what was expected of it.
    pub fn parse(definitions: &Definitions, document: &[u8]) -> Result<Self, Invalid> {
        let fields = definitions.schedule_fields(document)?;
        Ok(Self {
            timing: timing(&fields)?,
            missed: fields.missed,
            overlap: fields.overlap,
            saga: fields.saga,
            submission: fields.submission,
        })
    }
}

fn timing(fields: &ScheduleFields) -> Result<Timing, Invalid> {
    match (&fields.cron, fields.every) {
        (Some(pattern), None) => Timing::cron(pattern, fields.timezone.as_deref().unwrap_or("UTC")),
        (None, Some(_)) if fields.timezone.is_some() => Err(Invalid::new(
            "timezone",
            "an interval passes alike in every time zone; leave it out, or use `cron`",
        )),
        (None, Some(step)) if step < SECOND || step.0 % SECOND.0 != 0 => Err(Invalid::new(
            "every",
            "expected whole seconds, one at least, such as \"30s\" or \"4h\"",
        )),
        (None, Some(step)) => Ok(Timing::Every(step)),
        (Some(_), Some(_)) => Err(Invalid::new(
            "every",
            "expected either `cron` or `every`, not both; leave one of them out",
        )),
        (None, None) => Err(Invalid::new(
            "cron",
            "expected `cron`, such as \"0 */4 * * *\", or `every`, such as \"4h\"; both are missing",
        )),
    }
}
