//! Incidents: list and show.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::{IncidentFilter, ReadError};

use super::problem::Problem;
use super::query::Query;
use super::{Api, json};
use crate::view::{Behind, IncidentDetailView, IncidentView, IncidentsView};

/// The longest name to look for.
const LONGEST: usize = 256;

/// Lists incidents, the one that came up last first.
#[utoipa::path(
    get,
    path = "/v1/incidents",
    tag = "incidents",
    params(
        ("state" = Option<String>, Query, description = "`open` or `resolved`; both where it is left out"),
        ("saga" = Option<String>, Query, description = "Of the saga with this id"),
        ("step" = Option<String>, Query, description = "Of the step with this name"),
        ("participant" = Option<String>, Query, description = "Whose request went to this `host` or `host:port`"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of incidents", body = IncidentsView<'static>),
        (status = 400, description = "Malformed; `detail` names the parameter", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = ["state", "saga", "step", "participant", "limit", "cursor"];
    let query = Query::read(query.as_deref(), &known)?;
    let filter = IncidentFilter {
        open: query.word("state", is_open, &["open", "resolved"])?,
        saga: query.bounded("saga", LONGEST)?,
        step: query.bounded("step", LONGEST)?,
        participant: query.bounded("participant", LONGEST)?,
    };
    let page = api
        .coordinator()
        .incidents(filter, query.cursor(), query.limit()?)
        .await?;
    let shown = IncidentsView {
        incidents: page.items.iter().map(IncidentView::new).collect(),
        next_cursor: page.next_cursor.as_deref(),
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Shows an incident with all that a person needs to decide it.
#[utoipa::path(
    get,
    path = "/v1/incidents/{id}",
    tag = "incidents",
    params(("id" = String, Path, example = "order-1001~1", description = "The incident's id")),
    responses(
        (status = 200, description = "The incident", body = IncidentDetailView<'static>),
        (status = 404, description = "There is no such incident", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let Path(id) = id.map_err(|_| no_incident())?;
    let row = api.coordinator().incident(&id).await?;
    let row = row.ok_or_else(no_incident)?;
    let behind = behind(&api, &row.saga).await?;
    let shown = IncidentDetailView::new(&row, behind.as_ref(), api.now());
    Ok(json(StatusCode::OK, &shown))
}

/// What is on record of a saga; none where its record is damaged, as the incident itself is not.
async fn behind(api: &Api, saga: &str) -> Result<Option<Behind>, Problem> {
    match api.coordinator().history(saga).await {
        Ok(history) => Ok(history.map(Behind::new)),
        Err(ReadError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a state is `open`; none for a word that is no state.
pub(super) fn is_open(state: &str) -> Option<bool> {
    match state {
        "open" => Some(true),
        "resolved" => Some(false),
        _ => None,
    }
}

pub(super) fn no_incident() -> Problem {
    Problem::not_found("id: there is no such incident; expected an id such as order-1001~1")
}
