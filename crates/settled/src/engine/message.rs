//! What goes into the engine and what comes out of it: the whole of its contact with the world.

use std::sync::Arc;

use settled_journal::{Append, Appended, Due, DueCursor, ReadError, SagaNo, StoredSaga};
use settled_protocol::{
    Answered, Json, LegId, Record, Refusal, Resolution, StepEnd, StepIndex, Timestamp,
};

use super::functions::{CallEnd, Invocation, Launch, RunId, Yielded};
use super::limits::{Limits, ParticipantView};
use crate::definition::{Invalid, Submission};
use crate::participant::{Answer, Request};
use crate::snapshot::SagaSnapshot;

/// Names one call to a participant; never used twice in the life of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Something that happened, for the engine to act on. `R` is whatever carries a [`Reply`] back.
#[derive(Debug)]
pub enum Incoming<R> {
    /// Somebody asks for a saga.
    Submit {
        /// Checked and compiled.
        submission: Box<Submission>,
        /// The id: the caller's, or one made for them.
        id: String,
        /// The `traceparent` that the request came with.
        trace: Option<String>,
        /// Hold the answer until the saga is settled or stuck, but no longer than this.
        wait_until: Option<Timestamp>,
        /// Who asks.
        reply: R,
    },
    /// Somebody speaks to a saga that is there already.
    Command {
        /// The saga's id.
        saga: String,
        /// What they say.
        command: Command,
        /// Who asks.
        reply: R,
    },
    /// Somebody wants to see this saga's records from now on, in [`Outgoing::Publish`].
    Watch {
        /// The saga's id.
        saga: String,
    },
    /// One who watched has left.
    Unwatch {
        /// The saga's id.
        saga: String,
    },
    /// The fate of an [`Outgoing::Append`].
    Appended {
        /// Whose.
        saga: SagaNo,
        /// What became of it.
        result: Result<Appended, AppendRefused>,
    },
    /// The answer to an [`Outgoing::Load`].
    Loaded {
        /// What was asked for.
        key: LoadKey,
        /// What was found.
        result: Result<Option<Box<StoredSaga>>, ReadError>,
    },
    /// The answer to an [`Outgoing::FindDue`].
    DueFound(Result<Due, ReadError>),
    /// The answer to an [`Outgoing::Send`].
    Answered {
        /// Which call.
        call: CallId,
        /// What came back.
        answer: Answer,
    },
    /// The answer to an [`Outgoing::Invoke`].
    Finished {
        /// Which call.
        call: CallId,
        /// What came of it.
        end: CallEnd,
    },
    /// What a run wants, after an [`Outgoing::Launch`], after each [`Outgoing::Resume`], and
    /// whenever it goes on by itself.
    Yielded {
        /// Whose.
        saga: SagaNo,
        /// Which run.
        run: RunId,
        /// What it wants.
        yielded: Yielded,
    },
    /// Somebody wants to see the participants.
    Participants {
        /// Only this one.
        name: Option<String>,
        /// Who asks.
        reply: R,
    },
    /// Somebody changes what a participant may be asked to bear; at once, and for what waits.
    SetLimits {
        /// `host:port`, or the name that a function's steps give; it need not have been called yet.
        participant: String,
        /// From now on.
        limits: Limits,
        /// Who asks.
        reply: R,
    },
    /// Take nothing new, let what is under way end.
    Drain,
}

/// What can be said to a saga.
#[derive(Clone, Debug)]
pub enum Command {
    /// Go back.
    Cancel {
        /// Who asks.
        by: String,
    },
    /// A participant's later answer.
    Callback {
        /// For which leg.
        leg: LegId,
        /// What became of it.
        outcome: Answered,
        /// What it returned.
        result: Json,
    },
    /// A person's decision.
    Resolve {
        /// The incident's number in its saga.
        incident: u32,
        /// The decision.
        resolution: Resolution,
    },
}

/// Why an append was not written, and never will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendRefused(pub String);

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoadKey {
    /// By the caller's id.
    Id(String),
    /// By number.
    No(SagaNo),
}

/// Something for the world to do.
#[derive(Debug)]
pub enum Outgoing<R> {
    /// Make these events durable; answer with [`Incoming::Appended`].
    Append(Append),
    /// Read a saga; answer with [`Incoming::Loaded`].
    Load(LoadKey),
    /// Find sagas to wake; answer with [`Incoming::DueFound`].
    FindDue {
        /// After the last one found.
        after: Option<DueCursor>,
        /// Whose time has come by then.
        until: Timestamp,
        /// At most so many.
        limit: usize,
    },
    /// Send a request, once; answer with [`Incoming::Answered`].
    Send {
        /// Its name.
        call: CallId,
        /// What to send.
        request: Request,
    },
    /// Run a saga's function; answer with [`Incoming::Yielded`].
    Launch(Box<Launch>),
    /// Tell a run what happened; answer with [`Incoming::Yielded`].
    Resume {
        /// Whose.
        saga: SagaNo,
        /// Which run.
        run: RunId,
        /// Steps that ended or were taken back, in order.
        told: Vec<(StepIndex, StepEnd)>,
    },
    /// Call a closure, once; answer with [`Incoming::Finished`].
    Invoke {
        /// Its name.
        call: CallId,
        /// Which closure, and what to give it.
        invocation: Invocation,
    },
    /// Let a run's function go no further; its closures are still needed.
    Stop {
        /// Whose.
        saga: SagaNo,
        /// Which run.
        run: RunId,
    },
    /// Forget a run.
    Halt {
        /// Whose.
        saga: SagaNo,
        /// Which run.
        run: RunId,
    },
    /// Answer somebody.
    Reply(R, Reply),
    /// Hand records to those who watch.
    Publish {
        /// The saga's id.
        saga: Arc<str>,
        /// The records that became durable.
        records: Vec<Record>,
    },
    /// Nothing is under way any more, after [`Incoming::Drain`].
    Drained,
}

/// An answer to somebody who asked.
#[derive(Debug)]
pub enum Reply {
    /// The saga is taken, durably.
    Taken(Box<SagaSnapshot>),
    /// The same id with the same content is there already.
    Known(SagaNo),
    /// The same id with other content is there already.
    Conflict,
    /// The saga cannot be taken durably now.
    Unavailable(String),
    /// The saga that was waited for is settled, or stuck.
    Ended {
        /// As it stands.
        saga: Box<SagaSnapshot>,
        /// Whether this submission made it.
        new: bool,
    },
    /// The time to wait is over, and the saga is not settled.
    StillRunning {
        /// Which saga.
        saga: SagaNo,
        /// Whether this submission made it.
        new: bool,
    },
    /// What was said is on record (or was already).
    Accepted,
    /// What was said does not fit.
    Refused(Refusal),
    /// A field of what was said cannot be used.
    Invalid(Invalid),
    /// There is no such saga.
    NotFound,
    /// The participants, in the order of their names.
    Participants(Vec<ParticipantView>),
    /// The saga's record cannot be read.
    Broken(String),
}
