//! What people decide about incidents: one, or many alike.
//!
//! Whether a decision fits an incident is the coordinator's to say; only what fits no incident at
//! all is refused here.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use http::StatusCode;
use serde::Serialize;
use settled::coordinator::CommandError;
use settled::journal::{IncidentFilter, IncidentRow};
use settled::protocol::{Decision, Refusal, Resolution};
use utoipa::ToSchema;

use super::incidents::{is_open, kind, no_incident};
use super::object::Object;
use super::problem::{Problem, ProblemView};
use super::query::Query;
use super::sagas::by;
use super::{Api, json};
use crate::access::Bearer;
use crate::audit::Detail;
use crate::view::{IncidentView, Shown};

/// How many incidents one request may decide.
pub(crate) const MOST: usize = 500;

/// How many of them are on their way to the journal side by side: it commits in groups.
const TOGETHER: usize = 64;

const FIELDS: [&str; 5] = ["decision", "note", "by", "request", "result"];

/// Decides an incident.
#[utoipa::path(
    post,
    path = "/v1/incidents/{id}/resolve",
    tag = "incidents",
    params(("id" = String, Path, example = "order-1001~1", description = "The incident's id")),
    request_body(content = super::openapi::ResolutionDocument, content_type = "application/json"),
    responses(
        (status = 200, description = "The incident with the decision on record", body = IncidentView<'static>),
        (status = 400, description = "Malformed, or a decision that does not fit", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 404, description = "There is no such incident", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "It is resolved already", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let bearer = request.extensions().get::<Bearer>().cloned();
    let body = api.body_of(request).await?;
    let mut fields = Object::read(&body)?;
    let resolution = resolution(&mut fields, bearer)?;
    fields.finish(&FIELDS)?;
    let Path(id) = id.map_err(|_| no_incident())?;
    let detail = detail(&resolution);
    let row = resolve(&api, &id, resolution).await?;
    let mut response = json(StatusCode::OK, &IncidentView::new(&row, api.masked()));
    response.extensions_mut().insert(detail);
    Ok(response)
}

/// What became of each incident.
#[derive(Serialize, ToSchema)]
#[schema(as = Resolutions)]
pub(super) struct ResolutionsView<'a> {
    /// In the order of the list, or the one that came up last first.
    results: Vec<ResolvedView<'a>>,
    /// Whether the filter matches more than were decided at once; send the same again.
    more: bool,
}

/// What became of one incident.
#[derive(Serialize, ToSchema)]
#[schema(as = ResolutionResult)]
pub(super) struct ResolvedView<'a> {
    /// The incident's id.
    id: &'a str,
    /// The status that it would have been answered with alone.
    status: u16,
    /// The incident with the decision on record; null where there was a problem.
    #[schema(required)]
    incident: Option<IncidentView<'a>>,
    /// Why not; null where the decision is on record.
    #[schema(required)]
    problem: Option<ProblemView<'a>>,
}

/// Decides many incidents alike.
#[utoipa::path(
    post,
    path = "/v1/incidents/resolve",
    tag = "incidents",
    request_body(content = super::openapi::ManyResolutionsDocument, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of each", body = ResolutionsView<'static>),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn many(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let bearer = request.extensions().get::<Bearer>().cloned();
    let body = api.body_of(request).await?;
    let mut fields = Object::read(&body)?;
    let resolution = resolution(&mut fields, bearer)?;
    let ids = fields.strings("ids", MOST)?;
    let filter = fields.object("filter")?;
    let filter = filter
        .map(|fields| filter_of(fields, api.masked()))
        .transpose()?;
    fields.finish(&[&FIELDS[..], &["ids", "filter"]].concat())?;
    let (ids, more) = match (ids, filter) {
        (Some(ids), None) => (ids, false),
        (None, Some(filter)) => matching(&api, filter).await?,
        _ => {
            let message = "expected either `ids`, a list of incidents, or `filter`";
            return Err(Problem::field("ids", message));
        }
    };
    let (answers, detail) = resolve_all(&api, &ids, &resolution).await;
    let results = ids.iter().zip(&answers);
    let shown = ResolutionsView {
        results: results
            .map(|(id, answer)| ResolvedView {
                id,
                status: match answer {
                    Ok(_) => StatusCode::OK.as_u16(),
                    Err(problem) => problem.status().as_u16(),
                },
                incident: (answer.as_ref().ok()).map(|row| IncidentView::new(row, api.masked())),
                problem: answer.as_ref().err().map(Problem::view),
            })
            .collect(),
        more,
    };
    let mut response = json(StatusCode::OK, &shown);
    response.extensions_mut().insert(detail);
    Ok(response)
}

/// The first of many ids, for the audit log.
fn first_few(ids: &[String]) -> String {
    let mut text = ids.iter().take(10).map(String::as_str).collect::<Vec<_>>();
    if ids.len() > text.len() {
        text.push("…");
    }
    text.join(" ")
}

/// What the audit log says of a decision.
pub(crate) fn detail(resolution: &Resolution) -> Detail {
    let edited = if resolution.body.is_some() {
        ", edited"
    } else {
        ""
    };
    let (decision, by) = (resolution.decision.as_str(), &resolution.by);
    Detail(format!("{decision}{edited}, by {by:?}"))
}

/// Puts the same decision on record for many, and gives what became of each, in order, and what the
/// audit log says of them.
pub(crate) async fn resolve_all(
    api: &Api,
    ids: &[String],
    resolution: &Resolution,
) -> (Vec<Result<IncidentRow, Problem>>, Detail) {
    let answers: Vec<_> = stream::iter(ids.to_vec())
        .map(|id| {
            let (api, resolution) = (api.clone(), resolution.clone());
            async move { resolve(&api, &id, resolution).await }
        })
        .buffered(TOGETHER)
        .collect()
        .await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    let said = detail(resolution).0;
    let text = format!("{said} ({done} of {}): {}", ids.len(), first_few(ids));
    (answers, Detail(text))
}

/// Puts a decision on record and gives the incident as it is then.
pub(crate) async fn resolve(
    api: &Api,
    id: &str,
    resolution: Resolution,
) -> Result<IncidentRow, Problem> {
    match api.coordinator().resolve(id, resolution).await {
        Ok(()) => {}
        Err(CommandError::NotFound | CommandError::Refused(Refusal::NoIncident)) => {
            return Err(no_incident());
        }
        Err(error) => return Err(error.into()),
    }
    let row = api.coordinator().incident(id).await?;
    row.ok_or_else(no_incident)
}

/// The open incidents that match, as many as one request may decide, and whether there are more.
async fn matching(api: &Api, filter: IncidentFilter) -> Result<(Vec<String>, bool), Problem> {
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let room = MOST - ids.len();
        let page = api
            .coordinator()
            .incidents(filter.clone(), cursor, room)
            .await?;
        ids.extend(page.items.into_iter().map(|row| row.id));
        cursor = page.next_cursor;
        if cursor.is_none() || ids.len() >= MOST {
            return Ok((ids, cursor.is_some()));
        }
    }
}

fn filter_of(mut fields: Object<'_>, shown: Shown<'_>) -> Result<IncidentFilter, Problem> {
    let state = fields.string("state", 20)?;
    if state.is_some_and(|state| is_open(&state) != Some(true)) {
        let message = "expected \"open\": only open incidents can be decided";
        return Err(Problem::field("filter.state", message));
    }
    let filter = IncidentFilter {
        open: Some(true),
        saga: fields.string("saga", 256)?,
        name: fields.string("name", 256)?,
        step: fields.string("step", 256)?,
        kind: kind(fields.string("kind", 256)?, "filter.kind")?,
        participant: fields.string("participant", 256)?,
        fault: fields.string("fault", 10_000)?,
        seen: shown.seen(),
    };
    fields.finish(&[
        "state",
        "saga",
        "name",
        "step",
        "kind",
        "participant",
        "fault",
    ])?;
    Ok(filter)
}

fn resolution(fields: &mut Object<'_>, bearer: Option<Bearer>) -> Result<Resolution, Problem> {
    let decision = fields.string("decision", 20)?;
    let decision = decision
        .as_deref()
        .and_then(Decision::parse)
        .ok_or_else(|| {
            Problem::field(
                "decision",
                "expected \"retry\", \"done\", \"not_done\" or \"abandon\"",
            )
        })?;
    let note = fields.string("note", 10_000)?.unwrap_or_default();
    if decision == Decision::Abandon && note.trim().is_empty() {
        return Err(Problem::field(
            "note",
            "`abandon` needs a note that says why",
        ));
    }
    let by = by(fields, bearer)?;
    let body = match fields.object("request")? {
        None => None,
        Some(mut request) => {
            let body = request.json("body")?;
            request.finish(&["body"])?;
            if body.is_none() {
                return Err(Problem::field(
                    "request.body",
                    "expected the body to send instead; leave `request` out to send it as it was",
                ));
            }
            body
        }
    };
    if body.is_some() && decision != Decision::Retry {
        return Err(Problem::field(
            "request",
            "goes with the decision \"retry\" only; leave it out",
        ));
    }
    let result = fields.json("result")?.filter(|result| !result.is_null());
    if result.is_some() && decision != Decision::Done {
        return Err(Problem::field(
            "result",
            "goes with the decision \"done\" only; leave it out",
        ));
    }
    Ok(Resolution {
        decision,
        note,
        by,
        result,
        body,
    })
}
