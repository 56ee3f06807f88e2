//! What clients were told, and what surprised them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use settled::protocol::Timestamp;
use settled_sim::auditor::Told;

/// Something that somebody was told.
#[derive(Clone, Debug)]
pub struct Heard {
    pub saga: String,
    pub at: Timestamp,
    pub told: Told,
}

/// Everything that clients know.
#[derive(Debug, Default)]
pub struct Book {
    notes: Mutex<Notes>,
}

/// See [`Book`].
#[derive(Debug, Default)]
pub struct Notes {
    pub heard: Vec<Heard>,
    /// Answers that no client may ever get.
    pub surprises: Vec<String>,
    /// Requests without an answer.
    pub unanswered: u64,
    /// 503.
    pub turned_away: u64,
    /// Sagas whose end was seen.
    pub ended: u64,
    /// Sagas whose end is awaited, and what was last heard of each.
    pub awaited: BTreeMap<String, String>,
}

impl Book {
    /// The notes.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what somebody was told.
    pub fn hear(&self, saga: &str, at: Timestamp, told: Told) {
        let saga = saga.to_owned();
        let mut notes = self.notes();
        notes.awaited.insert(saga.clone(), format!("{told:?}"));
        notes.heard.push(Heard { saga, at, told });
    }

    /// Notes what should not be.
    pub fn wonder(&self, what: String) {
        self.notes().surprises.push(what);
    }
}
