//! The durable, ordered record of sagas: one trait, and the stores that keep it.
//!
//! A [`Journal`] writes and a [`Reader`] reads; a [`Keeper`] hands out readers. [`Writer`] owns the
//! journal on a thread of its own and commits in groups; what it does about errors is in
//! [`Committer`], which a simulator can drive without a thread. [`SqliteJournal`] keeps it in one
//! file; [`MemoryJournal`] is the plain model that the stores are compared with.

#[cfg(test)]
extern crate self as settled_journal;

mod audit;
mod chain;
mod change;
mod committer;
#[cfg(test)]
mod committer_tests;
mod cursor;
mod decode;
mod encode;
mod entry;
pub mod failpoint;
mod incident;
mod memory;
#[cfg(test)]
mod round_trip;
mod schedule;
mod seen;
mod sqlite;
mod stats;
mod step_text;
mod store;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod time_text;
mod writer;

pub use audit::{AuditEntry, AuditFilter, AuditRow, audit_hash};
pub use chain::chain_after;
pub use change::{Change, Telling, Told};
pub use committer::{Committer, Fate, MAX_BATCH, Next, Refused, Step};
pub use cursor::reached;
pub use entry::{Append, Appended, Misplaced, NewSaga, SagaNo, SagaRow};
pub use incident::{
    IncidentFilter, IncidentGroup, IncidentRow, IncidentTally, Untold, alike, fault,
};
pub use memory::MemoryJournal;
pub use schedule::{ScheduleChange, ScheduleRow};
pub use seen::Seen;
pub use sqlite::{OpenError, SqliteJournal, SqliteKeeper};
pub use stats::{BATCH_BUCKETS, CommitCounts, CommitStats, LATENCY_BUCKETS_US};
pub use store::{
    CommitError, Due, DueCursor, DueSaga, Ended, Journal, Keeper, Opened, Page, ReadError, Reader,
    SagaFilter, SagaKey, Snapshot, StoredSaga,
};
pub use writer::{ChangeReply, Deliver, PruneReply, Writer};
