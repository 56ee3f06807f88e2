//! One call of a closure: what it is given, and what came of it.
//!
//! Only the words; who calls, and what follows, is elsewhere.

use settled_journal::SagaNo;
use settled_protocol::{Json, LegId, Span};

use super::functions::RunId;

/// A closure to call, once; answered with [`super::Incoming::Finished`].
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The saga whose run has the closure.
    pub saga: SagaNo,
    /// That run.
    pub run: RunId,
    /// What it is for.
    pub leg: LegId,
    /// Whether the leg is asked about rather than called.
    pub is_check: bool,
    /// 1, 2, … within the leg.
    pub attempt: u32,
    /// The leg's idempotency key.
    pub key: String,
    /// What the action was given; in the action's own direction it may be edited by a person.
    pub input: Json,
    /// For a compensation: what the action returned, or what a person put in its place.
    pub result: Json,
    /// The time limit.
    pub timeout: Span,
    /// Answers a call that is pending, later.
    pub callback: String,
    /// The W3C `traceparent`.
    pub traceparent: String,
}

/// What came of a closure's call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallEnd {
    /// It took effect and returned this.
    Done(Json),
    /// A definite business no.
    Refused(String),
    /// Certainly never executed.
    NotSent {
        /// Why.
        error: String,
        /// How long the participant asks to be left alone.
        retry_after: Option<Span>,
    },
    /// Nobody here knows.
    Unknown(String),
    /// Accepted; the participant answers later.
    Pending,
    /// It certainly took no effect and never will: trying again is of no use.
    Broken(String),
    /// What is on record does not fit the types in the code; nothing was called.
    Mismatch {
        /// In words.
        error: String,
        /// The piece of the record that does not fit.
        stored: Json,
    },
    /// The answer to a check.
    Found(Option<Json>),
}
