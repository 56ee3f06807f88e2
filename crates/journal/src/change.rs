//! What is written beside the sagas' events: schedules, the audit log, and what was told of
//! incidents.

use settled_protocol::Timestamp;

use crate::audit::AuditEntry;
use crate::schedule::ScheduleChange;

/// A change beside the events. To make the same one again does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of the table of schedules; answered with whether there was a row of that name before.
    Schedule(ScheduleChange),
    /// More entries for the audit log, in order; answered with whether all of them are new.
    Audit(Vec<AuditEntry>),
    /// Incidents were told of; answered with whether all of them are there.
    Told(Vec<Told>),
}

impl From<ScheduleChange> for Change {
    fn from(change: ScheduleChange) -> Self {
        Self::Schedule(change)
    }
}

/// That an incident was told of to whoever is to hear of incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The incident's id.
    pub incident: String,
    /// What was told.
    pub telling: Telling,
    /// When.
    pub at: Timestamp,
}

/// What there is to tell of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Telling {
    /// It was opened.
    Opened,
    /// It is still open.
    Reminder,
    /// It was resolved.
    Resolved,
}

impl Telling {
    /// The state that the incident is in when this is told.
    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Opened | Self::Reminder => "open",
            Self::Resolved => "resolved",
        }
    }
}
