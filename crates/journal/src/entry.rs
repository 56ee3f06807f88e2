//! What is appended: the events of one saga, with the row that lists and wake-ups read.

use std::sync::Arc;

use settled_protocol::{Json, Plan, Record, SagaState, Timestamp};

/// A saga's number in one journal: given by the coordinator in order of submission, never reused.
/// Shorter than the id that the caller chose, and in the order in which pages fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SagaNo(pub i64);

/// The events that one saga appends in one go: all of them become durable, or none does.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose events these are.
    pub saga: SagaNo,
    /// For the names of steps in the event table.
    pub plan: Arc<Plan>,
    /// Set for a saga that is being submitted; then the first record has `seq` 1.
    pub new: Option<Box<NewSaga>>,
    /// The events, in order, continuing the saga's history without a hole; there may be none where
    /// only the row changes.
    pub records: Vec<Record>,
    /// The chain hash of the record before the first one; 0 for a new saga.
    pub chain: u64,
    /// What the saga's row says after these events, where that has changed; always set for a new
    /// saga.
    pub row: Option<SagaRow>,
}

/// What is kept of a submission besides its events.
#[derive(Clone, Debug)]
pub struct NewSaga {
    /// Chosen by the caller.
    pub id: String,
    /// The kind of saga, for search and metrics.
    pub name: String,
    /// The caller's input.
    pub input: Json,
    /// The compiled definition's canonical document; stored once per distinct text.
    pub definition: Json,
    /// SHA-256 of the definition's document.
    pub definition_digest: [u8; 32],
    /// SHA-256 over everything that makes the submission what it is (R8).
    pub fingerprint: [u8; 32],
    /// Who submitted it, where that is known.
    pub submitted_by: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Not settled by then, and before the pivot: compensate.
    pub deadline_at: Option<Timestamp>,
}

/// The part of a saga's row that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaRow {
    /// Its state after these events.
    pub state: SagaState,
    /// When a coordinator must look at it again; a time in the past for a saga that is being worked
    /// on, so that a restart takes it up; none where nothing is left for the machine to do.
    pub wake_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// What became of one [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable.
    Stored {
        /// The chain hash of the last record.
        chain: u64,
    },
    /// Nothing was written: a saga with this id is there already.
    Exists {
        /// That saga.
        saga: SagaNo,
        /// Whether it was submitted with the same content.
        same: bool,
    },
}

/// An append whose events do not follow what is stored. Nothing of it was written, and it is of no
/// use to try it again; the other appends of its batch are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saga number {}: an append does not fit: {why}; it was not written", saga.0)]
pub struct Misplaced {
    /// Whose append it is.
    pub saga: SagaNo,
    /// What is wrong with it.
    pub why: &'static str,
}
