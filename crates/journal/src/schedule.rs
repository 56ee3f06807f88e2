//! A schedule as the journal keeps it: what was asked for, and how far it has come.
//!
//! A row is written whole and by one coordinator only, so that what is in it is of one moment. When
//! a run is due, and what a document says, is for others to know.

use settled_protocol::{Json, Timestamp};

/// A row of the schedule table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Chosen by whoever made it.
    pub name: String,
    /// The schedule's document, as it was given.
    pub document: Json,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its document last changed.
    pub updated_at: Timestamp,
    /// Where the due times of an interval are counted from.
    pub anchor_at: Timestamp,
    /// What became of the due times up to here, this one included, is decided.
    pub decided_until: Timestamp,
    /// The first due time after that; none where none will come.
    pub next_due_at: Option<Timestamp>,
    /// A due time whose run is decided on, and not yet submitted durably.
    pub waiting_due_at: Option<Timestamp>,
    /// The due time of the last run.
    pub last_due_at: Option<Timestamp>,
    /// The id of the last run's saga.
    pub last_saga: Option<String>,
    /// The id of the saga that was last started out of turn.
    pub triggered_saga: Option<String>,
    /// When that was.
    pub triggered_at: Option<Timestamp>,
    /// How many runs were submitted for a due time.
    pub runs: u64,
    /// How many due times were left out because nobody ran.
    pub missed: u64,
    /// How many due times were left out because an earlier run was not settled.
    pub overlapped: u64,
    /// Why the last run is not what it should be.
    pub error: Option<String>,
}

/// A change of the schedule table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleChange {
    /// Writes a row, whether or not there is one of its name.
    Put(Box<ScheduleRow>),
    /// Removes the row of this name.
    Remove(String),
}
