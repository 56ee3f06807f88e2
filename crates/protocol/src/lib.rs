//! The rules of Settled as pure code.

mod event;
mod json;
mod plan;
mod time;
mod words;

pub use event::{
    AnswerRecord, Answered, Cause, Event, Evidence, Finding, Reason, Record, RequestRecord,
    Resolution,
};
pub use json::Json;
pub use plan::{
    CallPlan, CompensateOrder, MAX_STEPS, OnUnknown, Plan, Retry, StepIndex, StepPlan,
};
pub use time::{Span, Timestamp};
pub use words::{
    Decision, Direction, IncidentKind, LegId, Outcome, SagaState, StepState, idempotency_key,
};
