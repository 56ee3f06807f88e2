//! What happens, told to whoever counts or logs it. Telling changes nothing.

use settled_protocol::{Event, IncidentKind, LegId, Reason, SagaState, Span};

use crate::snapshot::SagaSnapshot;

/// What became of a schedule's due time, or of a wish for a run out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// Its run was submitted durably.
    Ran,
    /// It was left out because nobody ran.
    Missed,
    /// It was left out because an earlier run was not settled.
    Overlapped,
    /// A run out of turn was submitted durably.
    Triggered,
}

/// Is told what happens in the engine, on the engine's own thread: it must not wait for anything.
pub trait Observer: Send + Sync {
    /// A submission became durable.
    fn accepted(&self, _saga: &SagaSnapshot) {}
    /// A call ended; `event` is its `attempt_ended` or `check_ended`.
    fn answered(&self, _saga: &SagaSnapshot, _event: &Event, _elapsed: Span) {}
    /// A saga began to go back.
    fn turned(&self, _saga: &SagaSnapshot, _reason: &Reason) {}
    /// A person is needed.
    fn incident(&self, _saga: &SagaSnapshot, _leg: LegId, _kind: IncidentKind) {}
    /// Somebody spoke to a saga.
    fn told(&self, _saga: &SagaSnapshot, _event: &Event) {}
    /// A saga came to its end, `elapsed` after it was accepted.
    fn settled(&self, _saga: &SagaSnapshot, _state: SagaState, _elapsed: Span) {}
    /// Something became of `count` due times of a schedule.
    fn scheduled(&self, _schedule: &str, _what: Scheduled, _count: u64) {}
    /// Something is wrong with the journal or with one saga in it.
    fn trouble(&self, _what: &str) {}
}

/// Listens to nothing.
#[derive(Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
