//! The rules of Settled as pure code: what a saga is, what happened to it, and what is next.
//!
//! There is no clock, no randomness, no network and no database in here. A [`Saga`] is the fold of
//! its [`Event`]s; everything else is three questions put to it:
//!
//! * [`Saga::receive`]: something came from outside. Which event is it, if any?
//! * [`Saga::apply`]: that event is on record. What is known now?
//! * [`Saga::decide`]: what is next?
//!
//! Whoever drives a saga records an event before acting on it, and starts again from the record
//! after a crash; there is no other way to recover.

mod apply;
mod course;
mod decide;
mod event;
mod foresee;
mod json;
mod plan;
mod receive;
mod saga;
mod time;
mod told;
mod view;
mod words;

pub use apply::Misfit;
pub use decide::{Next, Task};
pub use event::{
    AnswerRecord, Answered, Cause, Event, Evidence, Finding, Reason, Record, RequestRecord,
    Resolution,
};
pub use foresee::{Consequence, Foreseen};
pub use json::Json;
pub use plan::{
    CallPlan, CompensateOrder, FUNCTION_STEP, MAX_STEPS, OnUnknown, Plan, Retry, StepIndex,
    StepPlan,
};
pub use receive::{Input, Refusal};
pub use saga::{Incident, Saga};
pub use time::{Span, Timestamp};
pub use told::StepEnd;
pub use view::StepView;
pub use words::{
    Decision, Direction, IncidentKind, LegId, Outcome, SagaState, StepState, idempotency_key,
};
