//! What a closure is given of its call, and what it may say to it.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use settled_protocol::{Direction, Span};

use crate::engine::{CallEnd, Invocation};

/// One call of a step's closure: who calls, with which key. `S` is the program's state.
#[derive(Clone, Debug)]
pub struct Call<S = ()> {
    state: S,
    saga: String,
    step: String,
    key: String,
    attempt: u32,
    direction: Direction,
    callback: String,
    traceparent: String,
}

impl<S> Call<S> {
    pub(super) fn new(state: S, saga: &str, step: &str, invocation: &Invocation) -> Self {
        Self {
            state,
            saga: saga.to_owned(),
            step: step.to_owned(),
            key: invocation.key.clone(),
            attempt: invocation.attempt,
            direction: invocation.leg.direction,
            callback: invocation.callback.clone(),
            traceparent: invocation.traceparent.clone(),
        }
    }

    /// The program's state, as it was given to the builder.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The saga's id.
    pub fn saga(&self) -> &str {
        &self.saga
    }

    /// The step's name.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// The idempotency key, `<saga>/<step>/<direction>` such as `order-1001/stock/action`: the same in
    /// every attempt, and another one for the compensation. Send it
    /// with the request; the participant is asked by it later. In a check it is the key of what is
    /// asked about.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// 1 for the first attempt (or check), 2 for the next, …
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the action or the compensation is called, or asked about.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Answers this call later, for an action that gives back [`CallError::pending`]: whoever decides
    /// brings it to [`Coordinator::callback`](crate::coordinator::Coordinator::callback). It is signed,
    /// and of characters that need no escaping in a URL.
    pub fn callback_token(&self) -> &str {
        &self.callback
    }

    /// The W3C `traceparent` for requests that this call makes.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }
}

/// What came of a call that was not simply done. Say only what is certain: where nobody knows
/// whether it took effect, it is [`CallError::unknown`].
///
/// An error type of your own becomes one by `impl From<MyError> for CallError`; that is where each of
/// its cases is told apart, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    kind: Kind,
    message: String,
    retry_after: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Refused,
    NotSent,
    Unknown,
    Broken,
    Pending,
}

impl CallError {
    /// A definite business no: it did not take effect, and will not.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Certainly never executed; it is tried again by the step's policy.
    pub fn not_sent(message: impl fmt::Display) -> Self {
        Self::new(Kind::NotSent, message)
    }

    /// Nobody here knows whether it took effect: a time-out, a connection that broke after the
    /// request had left. It is asked about, repeated with the same key, or put before a person, as
    /// the step's policy says.
    pub fn unknown(message: impl fmt::Display) -> Self {
        Self::new(Kind::Unknown, message)
    }

    /// It certainly did not take effect, and calling it again would be of no use: a mistake in the
    /// program or its settings.
    pub fn broken(message: impl fmt::Display) -> Self {
        Self::new(Kind::Broken, message)
    }

    /// It was accepted and will be answered later, by [`Call::callback_token`] or when it is asked
    /// about.
    pub fn pending() -> Self {
        Self::new(Kind::Pending, "pending")
    }

    /// The participant asks to be left alone for so long, before it is called again. It counts with
    /// [`CallError::not_sent`] and means nothing with the others.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(Span::from(wait));
        self
    }

    /// In words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether this is a definite business no.
    pub fn is_refused(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// Whether it certainly did not take effect.
    pub(crate) fn is_certain(&self) -> bool {
        !matches!(self.kind, Kind::Unknown | Kind::Pending)
    }

    fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            retry_after: None,
        }
    }

    /// A refusal as something that is tried again.
    pub(super) fn tried_again(mut self) -> Self {
        if self.kind == Kind::Refused {
            self.kind = Kind::NotSent;
        }
        self
    }

    pub(super) fn into_end(self) -> CallEnd {
        match self.kind {
            Kind::Refused => CallEnd::Refused(self.message),
            Kind::NotSent => CallEnd::NotSent {
                error: self.message,
                retry_after: self.retry_after,
            },
            Kind::Unknown => CallEnd::Unknown(self.message),
            Kind::Broken => CallEnd::Broken(self.message),
            Kind::Pending => CallEnd::Pending,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

impl From<Infallible> for CallError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
