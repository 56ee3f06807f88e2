//! Sagas: submit, list, show, cancel.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use settled::coordinator::{SubmitError, Submitted};
use settled::definition::Submission;
use settled::journal::{ReadError, SagaFilter};
use settled::protocol::{SagaState, Span};

use super::object::Object;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::reveal::{Asker, REVEAL, no_marks, search};
use super::{Api, json};
use crate::access::Bearer;
use crate::audit::ANONYMOUS;
use crate::view;
use crate::view::{SagaView, SagasView, UnreadableView};

/// What an id looks like, for people.
const ID_FORM: &str = "1 to 128 characters of A-Za-z0-9._:-";

/// The longest text to search for, and the longest name.
const LONGEST: usize = 256;

/// Submits a saga.
#[utoipa::path(
    post,
    path = "/v1/sagas",
    tag = "sagas",
    params(("wait" = Option<String>, Query, example = "10s", description =
        "Hold the answer until the saga is settled or stuck, or for this long; at most 5m")),
    request_body(content = super::openapi::Submission, content_type = "application/json"),
    responses(
        (status = 201, description = "A new saga, taken durably", body = SagaView<'static>),
        (status = 200, description = "The same id with the same content was there already", body = SagaView<'static>),
        (status = 202, description = "The time to wait is over; the saga goes on", body = SagaView<'static>),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "The same id with other content is there already", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be taken durably now; see `Retry-After`", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let wait = wait(&api, query.as_deref())?;
    let (parts, body) = request.into_parts();
    let body = api.body(&parts.headers, body).await?;
    no_marks(&body)?;
    let mut submission = api.coordinator().definitions().parse(&body)?;
    let bearer = parts.extensions.get::<Bearer>();
    submission.by = bearer.map(|bearer| bearer.name.to_string());
    let trace = parts.headers.get("traceparent");
    let trace = trace.and_then(|trace| trace.to_str().ok().map(str::to_owned));
    let taken = match wait {
        None => api.coordinator().submit(submission, trace, None).await?,
        Some(wait) => submit_and_wait(&api, submission, trace, wait).await?,
    };
    let status = match taken {
        Submitted {
            still_running: true,
            ..
        } => StatusCode::ACCEPTED,
        Submitted { new: true, .. } => StatusCode::CREATED,
        Submitted { .. } => StatusCode::OK,
    };
    let mut response = json(status, &SagaView::new(&taken.saga, api.now(), api.masked()));
    if taken.new
        && let Ok(location) = HeaderValue::try_from(format!("/v1/sagas/{}", taken.saga.id))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Waits for the saga's end, but not when the server itself is to end.
async fn submit_and_wait(
    api: &Api,
    mut submission: Submission,
    trace: Option<String>,
    wait: Duration,
) -> Result<Submitted, SubmitError> {
    // With an id the same submission can be made again, and finds the saga there (R8).
    submission
        .id
        .get_or_insert_with(|| uuid::Uuid::now_v7().to_string());
    let again = submission.clone();
    let coordinator = api.coordinator();
    tokio::select! {
        biased;
        taken = coordinator.submit(submission, trace.clone(), Some(wait)) => taken,
        () = api.draining() => {
            let taken = coordinator.submit(again, trace, None).await?;
            Ok(Submitted { still_running: true, ..taken })
        }
    }
}

fn wait(api: &Api, query: Option<&str>) -> Result<Option<Duration>, Problem> {
    let query = Query::read(query, &["wait"])?;
    let Some(text) = query.text("wait") else {
        return Ok(None);
    };
    let wait = Span::parse(text).map(Span::to_std).ok_or_else(|| {
        Problem::field(
            "wait",
            "expected a duration such as \"250ms\", \"10s\" or \"1m30s\"",
        )
    })?;
    Ok(Some(wait.min(api.shared.max_wait)))
}

/// Lists sagas, newest first.
#[utoipa::path(
    get,
    path = "/v1/sagas",
    tag = "sagas",
    params(
        ("state" = Option<String>, Query, description = "In this state: running, compensating, completed, compensated, stuck"),
        ("name" = Option<String>, Query, description = "Of this kind"),
        ("since" = Option<String>, Query, description = "Accepted at or after this time (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Accepted before this time (RFC 3339)"),
        ("q" = Option<String>, Query, description = "With this text in id, name or input, in any case"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "A page of sagas", body = SagasView<'static>),
        (status = 400, description = "Malformed; `detail` names the parameter", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = [
        "state", "name", "since", "until", "q", "limit", "cursor", REVEAL,
    ];
    let query = Query::read(query.as_deref(), &known)?;
    let whole = api.shown(api.reveals(&query, &asker)?);
    let states: Vec<&str> = SagaState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = SagaFilter {
        state: query.word("state", SagaState::parse, &states)?,
        name: query.bounded("name", LONGEST)?,
        since: query.time("since")?,
        until: query.time("until")?,
        text: query.bounded("q", LONGEST)?,
        seen: None,
    };
    let (cursor, limit) = (query.cursor(), query.limit()?);
    let page = search(api.coordinator(), filter, cursor, limit, whole).await?;
    let now = api.now();
    let mut shown = SagasView {
        sagas: Vec::with_capacity(page.items.len()),
        next_cursor: page.next_cursor.as_deref(),
        unreadable: Vec::new(),
    };
    for item in &page.items {
        match item {
            Ok(saga) => shown.sagas.push(SagaView::new(saga, now, whole)),
            Err(ReadError::Damaged { saga, .. }) => {
                shown.unreadable.push(UnreadableView { id: saga });
            }
            Err(error) => return Err(error.clone().into()),
        }
    }
    Ok(json(StatusCode::OK, &shown))
}

/// Shows a saga.
#[utoipa::path(
    get,
    path = "/v1/sagas/{id}",
    tag = "sagas",
    params(
        ("id" = String, Path, description = "The saga's id"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "The saga as it stands, durably", body = SagaView<'static>),
        (status = 404, description = "There is no such saga", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
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
    let id = saga_id(id)?;
    let saga = api.coordinator().saga(&id).await?;
    let saga = saga.ok_or_else(|| no_saga(&id))?;
    let view = SagaView::new(&saga, api.now(), shown);
    Ok(json(StatusCode::OK, &view))
}

/// Asks a saga to go back.
#[utoipa::path(
    post,
    path = "/v1/sagas/{id}/cancel",
    tag = "sagas",
    params(("id" = String, Path, description = "The saga's id")),
    request_body(content = Option<super::openapi::Cancellation>, content_type = "application/json"),
    responses(
        (status = 202, description = "It goes back, or is about to", body = SagaView<'static>),
        (status = 404, description = "There is no such saga", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "It is settled, or past its pivot", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let id = saga_id(id)?;
    let bearer = request.extensions().get::<Bearer>().cloned();
    let body = api.body_of(request).await?;
    let mut fields = Object::read_or_empty(&body)?;
    let by = by(&mut fields, bearer)?;
    fields.finish(&["by"])?;
    api.coordinator().cancel(&id, &by).await?;
    let saga = api.coordinator().saga(&id).await?;
    let saga = saga.ok_or_else(|| no_saga(&id))?;
    Ok(json(
        StatusCode::ACCEPTED,
        &view::SagaView::new(&saga, api.now(), api.masked()),
    ))
}

/// Who acts: whom they name, else whose token it is.
pub(super) fn by(fields: &mut Object<'_>, bearer: Option<Bearer>) -> Result<String, Problem> {
    let named = fields.string("by", 200)?;
    Ok(named
        .filter(|by| !by.trim().is_empty())
        .or_else(|| bearer.map(|bearer| bearer.name.to_string()))
        .unwrap_or_else(|| ANONYMOUS.to_owned()))
}

/// The id in the path. One that no saga can have is one that no saga has.
pub(super) fn saga_id(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match id {
        Ok(Path(id)) if (1..=128).contains(&id.len()) && id.bytes().all(sign) => Ok(id),
        _ => Err(Problem::new(
            Kind::NotFound,
            format!("id: there is no saga with this id; an id is {ID_FORM}"),
        )),
    }
}

pub(super) fn no_saga(id: &str) -> Problem {
    Problem::not_found(format!("id: there is no saga {id}"))
}
