//! A saga as it is shown.

use std::borrow::Cow;

use serde::Serialize;
use settled::protocol::{AnswerRecord, Json, Reason, StepView as Step, Timestamp};
use settled::snapshot::SagaSnapshot;
use utoipa::ToSchema;

use super::{Shown, Time, words};

/// A saga as it stands, durably.
#[derive(Serialize, ToSchema)]
#[schema(as = Saga)]
pub(crate) struct SagaView<'a> {
    /// Chosen by the caller.
    #[schema(example = "order-1001")]
    id: &'a str,
    /// The kind, for search and metrics.
    #[schema(example = "create-order")]
    name: &'a str,
    /// What became of it so far.
    #[schema(schema_with = words::saga_state)]
    state: &'static str,
    /// The caller's input.
    #[schema(value_type = serde_json::Value)]
    input: Json,
    /// The first failure; null where there was none.
    reason: Option<ReasonView<'a>>,
    /// The steps in the order in which they were declared.
    steps: Vec<StepView<'a>>,
    /// What needed a person, in the order in which it came up.
    incidents: Vec<SagaIncidentView<'a>>,
    /// Who submitted it: the name of the token, or the schedule; left out where nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted_by: Option<&'a str>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When nothing was left to do.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    settled_at: Option<Time>,
    /// Not settled by then and before the pivot: it is compensated.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    deadline_at: Option<Time>,
}

/// The first failure of a saga: the original error, not the compensation's.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonView<'a> {
    /// The step that failed; null for a saga that was cancelled or ran out of time.
    #[schema(required)]
    step: Option<&'a str>,
    /// What it failed with: `refused`, `not_sent`, `unknown`, `abandoned`, `cancelled`, `deadline`.
    outcome: &'static str,
    /// In words.
    #[schema(value_type = String)]
    message: Cow<'a, str>,
    /// What the participant answered; null where it did not.
    #[schema(required)]
    response: Option<StatusAndBody>,
}

/// A participant's answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Answer)]
pub(crate) struct StatusAndBody {
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// The body as JSON; text that is not JSON, as a string.
    #[schema(value_type = serde_json::Value)]
    body: Option<Json>,
}

/// One step of a saga.
#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepView<'a> {
    /// Its name.
    #[schema(example = "stock")]
    name: &'a str,
    /// What became of it so far.
    #[schema(schema_with = words::step_state)]
    state: &'static str,
    /// How many attempts its action had.
    attempts: u32,
    /// How many attempts its compensation had.
    compensation_attempts: u32,
    /// What its action returned.
    #[schema(value_type = serde_json::Value)]
    result: Option<Json>,
    /// What last went wrong.
    #[schema(value_type = Option<String>, required)]
    error: Option<Cow<'a, str>>,
}

/// One incident of a saga.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaIncident)]
pub(crate) struct SagaIncidentView<'a> {
    /// Its id: ask `/v1/incidents/{id}` for all of it.
    #[schema(example = "order-1001~1")]
    id: String,
    /// The step.
    step: &'a str,
    /// Which call of the step.
    #[schema(schema_with = words::direction)]
    direction: &'static str,
    /// Why a person is needed.
    #[schema(schema_with = words::incident_kind)]
    kind: &'static str,
    /// Whether somebody still has to decide.
    #[schema(schema_with = words::incident_state)]
    state: &'static str,
}

/// A page of sagas.
#[derive(Serialize, ToSchema)]
#[schema(as = Sagas)]
pub(crate) struct SagasView<'a> {
    /// Newest first.
    pub(crate) sagas: Vec<SagaView<'a>>,
    /// Where to go on; null at the end. A search may give a short page, or an empty one, and go on.
    #[schema(required)]
    pub(crate) next_cursor: Option<&'a str>,
    /// Sagas of this page whose record is damaged; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) unreadable: Vec<UnreadableView<'a>>,
}

/// A saga whose record is damaged.
#[derive(Serialize, ToSchema)]
#[schema(as = UnreadableSaga)]
pub(crate) struct UnreadableView<'a> {
    /// Its id.
    pub(crate) id: &'a str,
}

impl<'a> SagaView<'a> {
    /// The saga at a moment.
    pub(crate) fn new(at: &'a SagaSnapshot, now: Timestamp, shown: Shown<'_>) -> Self {
        let saga = &at.saga;
        let incidents = saga.incidents().iter().enumerate();
        Self {
            id: &at.id,
            name: &at.name,
            state: saga.state(now).as_str(),
            input: shown.json(&at.input),
            reason: (saga.reason()).map(|reason| ReasonView::new(at, reason, shown)),
            steps: (saga.steps())
                .map(|step| StepView::new(step, shown))
                .collect(),
            incidents: incidents
                .map(|(index, incident)| SagaIncidentView {
                    id: format!("{}~{}", at.id, index + 1),
                    step: step_name(at, incident.leg.step),
                    direction: incident.leg.direction.as_str(),
                    kind: incident.kind.as_str(),
                    state: if incident.open { "open" } else { "resolved" },
                })
                .collect(),
            submitted_by: at.submitted_by.as_deref(),
            created_at: Time(at.created_at),
            settled_at: Time::some(saga.settled_at()),
            deadline_at: Time::some(saga.deadline_at()),
        }
    }
}

impl<'a> ReasonView<'a> {
    pub(crate) fn new(at: &'a SagaSnapshot, reason: &'a Reason, shown: Shown<'_>) -> Self {
        Self {
            step: reason.step.map(|step| step_name(at, step)),
            outcome: reason.cause.as_str(),
            message: shown.text(&reason.message),
            response: (reason.answer.as_ref()).and_then(|answer| StatusAndBody::new(answer, shown)),
        }
    }
}

impl StatusAndBody {
    fn new(answer: &AnswerRecord, shown: Shown<'_>) -> Option<Self> {
        answer.status.map(|status| Self {
            status,
            body: answer.body.as_ref().map(|body| shown.json(body)),
        })
    }
}

impl<'a> StepView<'a> {
    fn new(step: Step<'a>, shown: Shown<'_>) -> Self {
        Self {
            name: step.name,
            state: step.state.as_str(),
            attempts: step.attempts,
            compensation_attempts: step.compensation_attempts,
            result: step.result.map(|result| shown.json(result)),
            error: step.error.map(|error| shown.text(error)),
        }
    }
}

/// A step's name; a saga has no leg without a step.
pub(super) fn step_name(at: &SagaSnapshot, step: settled::protocol::StepIndex) -> &str {
    let steps = &at.saga.plan().steps;
    steps.get(usize::from(step)).map_or("", |step| &step.name)
}
