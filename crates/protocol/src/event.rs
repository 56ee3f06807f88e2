//! What can happen to a saga. The journal is a list of these and nothing else; every state is a
//! fold of them.
//!
//! An event is a fact: it carries what was decided or drawn at the time (the moment to try again,
//! the reason for turning back), so that reading it later decides nothing anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::plan::{StepIndex, StepPlan};
use crate::time::Timestamp;
use crate::words::{Decision, IncidentKind, LegId, Outcome, SagaState};

/// An event with its place and time in its saga's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 1, 2, 3, … within the saga, without holes (I13).
    pub seq: u32,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// One thing that happened to a saga.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The saga was accepted.
    Submitted {
        /// Not settled by then, and before the pivot: compensate.
        deadline_at: Option<Timestamp>,
        /// The W3C trace id of whoever asked, as 32 hexadecimal digits.
        trace: Option<Box<str>>,
    },
    /// A request is about to be sent (R1).
    AttemptStarted {
        /// What it is for.
        leg: LegId,
        /// 1, 2, … within the leg.
        attempt: u32,
        /// What is sent.
        request: Arc<RequestRecord>,
    },
    /// The request was answered, or it is known that no answer will come.
    AttemptEnded {
        /// What it was for.
        leg: LegId,
        /// Which attempt.
        attempt: u32,
        /// What came back.
        answer: AnswerRecord,
        /// When to do whatever the policy asks for next, if anything.
        again_at: Timestamp,
        /// Until then the request may still reach the participant, so that "it did not happen" says
        /// nothing yet.
        arrives_until: Timestamp,
    },
    /// The request cannot be made: its template fails on the values of this saga.
    Unmakeable {
        /// What it would have been for.
        leg: LegId,
        /// Why.
        error: String,
    },
    /// A question is about to be put to the participant.
    CheckStarted {
        /// The leg in doubt.
        leg: LegId,
        /// 1, 2, … within the leg.
        check: u32,
        /// What is sent.
        request: Arc<RequestRecord>,
    },
    /// The question was answered, or it is known that no answer will come.
    CheckEnded {
        /// The leg in doubt.
        leg: LegId,
        /// Which check.
        check: u32,
        /// What the answer says.
        finding: Finding,
        /// What came back.
        answer: AnswerRecord,
        /// When to ask again or to call again.
        again_at: Timestamp,
    },
    /// The participant's later answer to a call.
    CallbackReceived {
        /// The leg that is answered.
        leg: LegId,
        /// Whether it took effect.
        outcome: Answered,
        /// What it returned.
        result: Json,
        /// When to do whatever the policy asks for next, if anything.
        again_at: Timestamp,
    },
    /// No callback came in time.
    CallbackOverdue {
        /// The leg that stays unanswered.
        leg: LegId,
    },
    /// The saga's function came to a step that was not on record.
    StepAdded {
        /// Its place, the next free one.
        step: StepIndex,
        /// How it is to be settled.
        plan: Arc<StepPlan>,
        /// What its action is given.
        input: Json,
    },
    /// The saga's function returned.
    Returned {
        /// Which run of it.
        attempt: u32,
        /// The step whose failure it gave back, where it was one's.
        step: Option<StepIndex>,
        /// `done` with what it returned, or `refused` with its error.
        answer: AnswerRecord,
    },
    /// The saga's function takes these steps back: they are undone while it goes on.
    Withdrawn {
        /// Those that were not taken back before.
        steps: Vec<StepIndex>,
    },
    /// Somebody asked for compensation.
    CancelRequested {
        /// Who, as far as known.
        by: String,
    },
    /// From here the saga goes back.
    Turned {
        /// Why: the first failure (R7).
        reason: Reason,
    },
    /// A person is needed.
    IncidentOpened {
        /// 1, 2, … within the saga.
        incident: u32,
        /// The leg that cannot be settled by the machine.
        leg: LegId,
        /// Why.
        kind: IncidentKind,
        /// The evidence.
        evidence: Evidence,
    },
    /// A person, or the participant itself, settled an incident.
    IncidentResolved {
        /// Which one.
        incident: u32,
        /// The leg it was about.
        leg: LegId,
        /// What was decided.
        resolution: Resolution,
    },
    /// Nothing is left to do.
    Settled {
        /// [`SagaState::Completed`] or [`SagaState::Compensated`].
        state: SagaState,
    },
}

/// A definite answer: the only ones that a callback may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// It took effect.
    Done,
    /// A definite business no.
    Refused,
}

/// What a check found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The operation with this key happened; the answer's body is its result.
    Happened,
    /// It did not happen.
    DidNotHappen,
    /// The answer does not tell.
    Inconclusive,
}

impl Answered {
    /// A callback as the answer that it is.
    pub(crate) fn as_answer(self, result: &Json) -> AnswerRecord {
        let (outcome, error) = match self {
            Self::Done => (Outcome::Done, "a callback says that it is done"),
            Self::Refused => (Outcome::Refused, "a callback says that it was refused"),
        };
        AnswerRecord {
            outcome,
            status: None,
            headers: Vec::new(),
            body: Some(result.clone()),
            error: Some(error.to_owned()),
        }
    }
}

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The HTTP method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The step's own headers; those that every request carries follow from the saga.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
}

/// What came back from one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// What it means.
    pub outcome: Outcome,
    /// The status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The headers of an answer that is not `done`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body as JSON (text that is not JSON, as a string).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
    /// What went wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a saga went back: the original error, whatever happens on the way (R7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The step that failed; none for a cancelled saga or a passed deadline.
    pub step: Option<StepIndex>,
    /// What it failed with.
    pub cause: Cause,
    /// In words.
    pub message: String,
    /// The participant's answer, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
}

/// What made a saga go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step was refused.
    Refused,
    /// A step never got through.
    NotSent,
    /// A step's outcome cannot be found out, and it is compensated all the same.
    Unknown,
    /// A person accepted a step as it is, so that the saga cannot go on.
    Abandoned,
    /// Somebody asked for it.
    Cancelled,
    /// It was not settled in time.
    Deadline,
}

impl Cause {
    /// The word, as `reason.outcome` in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }
}

/// What a person needs before them to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The last request, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<RequestRecord>>,
    /// The last answer, where one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
    /// What went wrong, in words.
    pub error: String,
    /// How many attempts were made.
    pub attempts: u32,
}

/// How an incident was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// What was decided.
    pub decision: Decision,
    /// Why.
    #[serde(default)]
    pub note: String,
    /// By whom.
    #[serde(default)]
    pub by: String,
    /// For `done`: what the call returned, as far as the person knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// For `retry`: the body to send instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
}

impl Event {
    /// The event's name, as in the journal's `kind` column.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "submitted",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::Unmakeable { .. } => "unmakeable",
            Self::CheckStarted { .. } => "check_started",
            Self::CheckEnded { .. } => "check_ended",
            Self::CallbackReceived { .. } => "callback_received",
            Self::CallbackOverdue { .. } => "callback_overdue",
            Self::StepAdded { .. } => "step_added",
            Self::Returned { .. } => "returned",
            Self::Withdrawn { .. } => "withdrawn",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Turned { .. } => "turned",
            Self::IncidentOpened { .. } => "incident_opened",
            Self::IncidentResolved { .. } => "incident_resolved",
            Self::Settled { .. } => "settled",
        }
    }

    /// The leg that the event is about, if it is about one.
    #[must_use]
    pub const fn leg(&self) -> Option<LegId> {
        match self {
            Self::AttemptStarted { leg, .. }
            | Self::AttemptEnded { leg, .. }
            | Self::Unmakeable { leg, .. }
            | Self::CheckStarted { leg, .. }
            | Self::CheckEnded { leg, .. }
            | Self::CallbackReceived { leg, .. }
            | Self::CallbackOverdue { leg }
            | Self::IncidentOpened { leg, .. }
            | Self::IncidentResolved { leg, .. } => Some(*leg),
            Self::Returned { .. } => Some(LegId::FUNCTION),
            Self::Submitted { .. }
            | Self::StepAdded { .. }
            | Self::Withdrawn { .. }
            | Self::CancelRequested { .. }
            | Self::Turned { .. }
            | Self::Settled { .. } => None,
        }
    }
}
