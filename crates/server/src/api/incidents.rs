//! Incidents: list and show.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::{IncidentFilter, ReadError};
use settled::protocol::IncidentKind;

use super::problem::Problem;
use super::query::Query;
use super::reveal::{Asker, REVEAL};
use super::{Api, json};
use crate::view::{
    Behind, IncidentDetailView, IncidentGroupsView, IncidentView, IncidentsView, Shown,
};

/// The longest name to look for.
const LONGEST: usize = 256;

/// The longest fault to look for.
const LONGEST_FAULT: usize = 10_000;

/// Lists incidents, the one that came up last first.
#[utoipa::path(
    get,
    path = "/v1/incidents",
    tag = "incidents",
    params(
        ("state" = Option<String>, Query, description = "`open` or `resolved`; both where it is left out"),
        ("saga" = Option<String>, Query, description = "Of the saga with this id"),
        ("name" = Option<String>, Query, description = "Of sagas of this kind"),
        ("step" = Option<String>, Query, description = "Of the step with this name"),
        ("kind" = Option<String>, Query, description = "Of this kind"),
        ("participant" = Option<String>, Query, description = "Whose request went to this `host` or `host:port`"),
        ("fault" = Option<String>, Query, description = "With this fault, as `/v1/incidents/groups` tells it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "A page of incidents", body = IncidentsView<'static>),
        (status = 400, description = "Malformed; `detail` names the parameter", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = [&FILTER[..], &["state", "limit", "cursor", REVEAL]].concat();
    let query = Query::read(query.as_deref(), &known)?;
    let how = api.shown(api.reveals(&query, &asker)?);
    let filter = IncidentFilter {
        open: query.word("state", is_open, &["open", "resolved"])?,
        ..filter(&query, api.masked())?
    };
    let page = api
        .coordinator()
        .incidents(filter, query.cursor(), query.limit()?)
        .await?;
    let shown = IncidentsView {
        incidents: (page.items.iter())
            .map(|row| IncidentView::new(row, how))
            .collect(),
        next_cursor: page.next_cursor.as_deref(),
    };
    Ok(json(StatusCode::OK, &shown))
}

/// Puts the open incidents together that are alike: those that one decision may settle.
#[utoipa::path(
    get,
    path = "/v1/incidents/groups",
    tag = "incidents",
    params(
        ("saga" = Option<String>, Query, description = "Of the saga with this id"),
        ("name" = Option<String>, Query, description = "Of sagas of this kind"),
        ("step" = Option<String>, Query, description = "Of the step with this name"),
        ("kind" = Option<String>, Query, description = "Of this kind"),
        ("participant" = Option<String>, Query, description = "Whose request went to this `host` or `host:port`"),
        ("fault" = Option<String>, Query, description = "With this fault"),
    ),
    responses(
        (status = 200, description = "The groups, the largest first", body = IncidentGroupsView<'static>),
        (status = 400, description = "Malformed; `detail` names the parameter", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn groups(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &FILTER)?;
    let groups = api
        .coordinator()
        .incident_groups(filter(&query, api.masked())?)
        .await?;
    Ok(json(
        StatusCode::OK,
        &IncidentGroupsView::new(&groups, api.masked()),
    ))
}

/// The parameters that say which incidents are meant, but for their state.
const FILTER: [&str; 6] = ["saga", "name", "step", "kind", "participant", "fault"];

fn filter(query: &Query<'_>, shown: Shown<'_>) -> Result<IncidentFilter, Problem> {
    Ok(IncidentFilter {
        open: None,
        saga: query.bounded("saga", LONGEST)?,
        name: query.bounded("name", LONGEST)?,
        step: query.bounded("step", LONGEST)?,
        kind: kind(query.bounded("kind", LONGEST)?, "kind")?,
        participant: query.bounded("participant", LONGEST)?,
        fault: query.bounded("fault", LONGEST_FAULT)?,
        seen: shown.seen(),
    })
}

/// A kind of incident that there is.
pub(super) fn kind(kind: Option<String>, field: &str) -> Result<Option<String>, Problem> {
    match kind {
        Some(kind) if IncidentKind::parse(&kind).is_none() => {
            let known: Vec<&str> = IncidentKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let message = format!("expected one of {}", known.join(", "));
            Err(Problem::field(field, message))
        }
        kind => Ok(kind),
    }
}

/// Shows an incident with all that a person needs to decide it.
#[utoipa::path(
    get,
    path = "/v1/incidents/{id}",
    tag = "incidents",
    params(
        ("id" = String, Path, example = "order-1001~1", description = "The incident's id"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "The incident", body = IncidentDetailView<'static>),
        (status = 404, description = "There is no such incident", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &[REVEAL])?;
    let shown = api.shown(api.reveals(&query, &asker)?);
    let Path(id) = id.map_err(|_| no_incident())?;
    let row = api.coordinator().incident(&id).await?;
    let row = row.ok_or_else(no_incident)?;
    let behind = behind(&api, &row.saga).await?;
    let detail = IncidentDetailView::new(&row, behind.as_ref(), api.now(), shown);
    Ok(json(StatusCode::OK, &detail))
}

/// What is on record of a saga; none where its record is damaged, as the incident itself is not.
pub(crate) async fn behind(api: &Api, saga: &str) -> Result<Option<Behind>, Problem> {
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
