//! An independent judge of what a run did, by the evidence that it left.
//!
//! It reads the journal's records, what clients were told, what was sent, and the participants'
//! own books. It never asks the core what it thinks: nothing here calls `Saga::apply`, `decide` or
//! `receive`, so that a mistake in the core is not repeated by its judge. It is the same for the
//! exhaustive runs, the seeded simulator and the real binary under kill.
//!
//! What the auditor cannot see it does not judge: business rows (I6), the hash chain (the other
//! half of I13), secrets (I14) and propagation (I15) have tests of their own. One poison record
//! affecting one saga only (I12) is I10 for every other saga of the run.

mod books;
mod calls;
mod functions;
mod history;
mod leg;
mod people;
mod settlement;
#[cfg(test)]
mod tests;
mod turning;
mod violation;

use settled_protocol::{LegId, Plan, Record, SagaState, Timestamp};

pub use violation::{Invariant, Violation};

/// Everything that is known of a run. All times are by the coordinator's clock, so that they can be
/// held against each other.
#[derive(Clone, Debug, Default)]
pub struct Run<'a> {
    /// The journal, saga by saga.
    pub sagas: Vec<SagaEvidence<'a>>,
    /// What clients and people were told.
    pub acks: Vec<Ack<'a>>,
    /// The log of requests that left.
    pub sends: Vec<Send<'a>>,
    /// The participants' own books.
    pub ledger: Vec<LedgerEntry<'a>>,
    /// The faults are over and there was time enough: every saga must have come to an end (I10),
    /// and the books are complete.
    pub healed: bool,
}

/// One saga's history as the journal durably holds it.
#[derive(Clone, Debug)]
pub struct SagaEvidence<'a> {
    /// Chosen by the caller.
    pub id: &'a str,
    /// What it is to do.
    pub plan: &'a Plan,
    /// Its records in the order of the journal.
    pub records: &'a [Record],
    /// The state in the saga's row, where a store keeps one.
    pub row: Option<SagaState>,
    /// The fencing epoch that each record was written under, where there is one.
    pub epochs: &'a [u64],
    /// Steps whose participant broke its own contract (lied, forgot, acted after its time limit):
    /// their books need not balance.
    pub liars: &'a [u16],
}

/// What somebody was told.
#[derive(Clone, Copy, Debug)]
pub struct Ack<'a> {
    /// Of which saga.
    pub saga: &'a str,
    /// When.
    pub at: Timestamp,
    /// What.
    pub told: Told,
}

/// An answer that must be durable before it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The submission was accepted.
    Accepted,
    /// The saga is in this state.
    State(SagaState),
    /// The cancellation was accepted.
    Cancelled,
    /// The decision over this incident was accepted.
    Resolved(u32),
}

/// A request that left the coordinator.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// For which saga.
    pub saga: &'a str,
    /// For which leg.
    pub leg: LegId,
    /// The number of the attempt, or of the check.
    pub number: u32,
    /// Whether it is a question rather than the call itself.
    pub is_check: bool,
    /// When it left.
    pub at: Timestamp,
}

/// A line of a participant's own books: a call that reached it.
#[derive(Clone, Copy, Debug)]
pub struct LedgerEntry<'a> {
    /// The idempotency key that came with it, where it was noted.
    pub key: Option<&'a str>,
    /// For which saga.
    pub saga: &'a str,
    /// For which leg.
    pub leg: LegId,
    /// Which attempt brought it.
    pub attempt: u32,
    /// When it was executed.
    pub at: Timestamp,
    /// Whether it took effect; a refused or repeated call does not.
    pub effect: bool,
}

/// Judges a run. An empty answer is the only good one.
#[must_use]
pub fn audit(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for saga in &run.sagas {
        let history = history::read(saga, &mut found);
        books::balance(run, saga, &history, &mut found);
        if run.healed && history.settled.is_none() && !history.has_open_incident() {
            found.push(Violation::new(
                Invariant::I10,
                "R5",
                saga.id,
                None,
                "neither settled nor before a person after all faults were over",
            ));
        }
    }
    books::promises(run, &mut found);
    found
}
