//! A participant as it is shown to people.

use settled_protocol::{Span, Timestamp};

use super::settings::Limits;

/// How a participant is, and what it was asked since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct ParticipantView {
    /// `host:port`, or the name that a function's steps give.
    pub name: String,
    /// What it may be asked to bear.
    pub limits: Limits,
    /// Calls under way.
    pub under_way: u32,
    /// Sagas that stand in line in memory.
    pub waiting: usize,
    /// Sagas that wait in the journal, as far as this process has put them there.
    pub parked: usize,
    /// Calls that ended since the start, checks included.
    pub calls: u64,
    /// Those of them without a definite answer: not sent, unknown, asked to come later.
    pub errors: u64,
    /// How long calls took, in the mean.
    pub latency_mean: Option<Span>,
    /// What 99 of 100 did not take longer than; at most a fifth too high.
    pub latency_p99: Option<Span>,
    /// Calls that may begin at this moment, by all limits.
    pub room: u32,
    /// The circuit breaker.
    pub breaker: BreakerView,
    /// Calls without a definite answer, in a row.
    pub failures: u32,
    /// The participant has asked to be left alone until then.
    pub held_until: Option<Timestamp>,
}

/// What the circuit breaker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerView {
    /// There is none.
    Off,
    /// Calls go through.
    Closed,
    /// The participant is left alone until then.
    Open {
        /// The first moment at which it is called again.
        until: Timestamp,
    },
    /// One call finds out whether it is back.
    Probing,
}
