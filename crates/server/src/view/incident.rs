//! An incident as it is shown: the row of the incident table.

use std::borrow::Cow;

use serde::Serialize;
use settled::journal::IncidentRow;
use settled::protocol::Json;
use utoipa::ToSchema;

use super::{Shown, Time, words};

/// What needs a person, with its request, response and history.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentView<'a> {
    /// The saga's id, `~`, and 1, 2, … within the saga.
    #[schema(example = "order-1001~1")]
    pub(crate) id: &'a str,
    /// The saga's id.
    pub(crate) saga: &'a str,
    /// The saga's kind.
    pub(crate) name: &'a str,
    /// The step.
    pub(crate) step: &'a str,
    /// Which call of the step.
    #[schema(schema_with = words::direction)]
    pub(crate) direction: &'a str,
    /// Why a person is needed.
    #[schema(schema_with = words::incident_kind)]
    pub(crate) kind: &'a str,
    /// Where the last request went; null where none could be made.
    #[schema(value_type = Option<String>, required)]
    pub(crate) request_url: Option<Cow<'a, str>>,
    /// The last request: `method`, `headers`, `body`.
    #[schema(value_type = serde_json::Value)]
    pub(crate) request: Option<Json>,
    /// The last answer: `status`, `headers`, `body`; null where none came.
    #[schema(value_type = serde_json::Value)]
    pub(crate) response: Option<Json>,
    /// What went wrong.
    #[schema(value_type = String)]
    pub(crate) error: Cow<'a, str>,
    /// How many attempts were made.
    pub(crate) attempts: u32,
    /// When it came up.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) opened_at: Time,
    /// Whether somebody still has to decide.
    #[schema(schema_with = words::incident_state)]
    pub(crate) state: &'a str,
    /// What was decided.
    #[schema(schema_with = words::decision_or_none, required)]
    pub(crate) decision: Option<&'a str>,
    /// Why.
    #[schema(value_type = Option<String>, required)]
    pub(crate) note: Option<Cow<'a, str>>,
    /// By whom.
    #[schema(required)]
    pub(crate) resolved_by: Option<&'a str>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) resolved_at: Option<Time>,
}

impl<'a> IncidentView<'a> {
    pub(crate) fn new(row: &'a IncidentRow, shown: Shown<'_>) -> Self {
        Self {
            id: &row.id,
            saga: &row.saga,
            name: &row.name,
            step: &row.step,
            direction: &row.direction,
            kind: &row.kind,
            request_url: row.request_url.as_deref().map(|url| shown.url(url)),
            request: row.request.as_ref().map(|request| shown.json(request)),
            response: row.response.as_ref().map(|response| shown.json(response)),
            error: shown.text(&row.error),
            attempts: row.attempts,
            opened_at: Time(row.opened_at),
            state: &row.state,
            decision: row.decision.as_deref(),
            note: row.note.as_deref().map(|note| shown.text(note)),
            resolved_by: row.resolved_by.as_deref(),
            resolved_at: Time::some(row.resolved_at),
        }
    }
}

/// A page of incidents.
#[derive(Serialize, ToSchema)]
#[schema(as = Incidents)]
pub(crate) struct IncidentsView<'a> {
    /// The one that came up last first.
    pub(crate) incidents: Vec<IncidentView<'a>>,
    /// Where to go on; null at the end.
    #[schema(required)]
    pub(crate) next_cursor: Option<&'a str>,
}
