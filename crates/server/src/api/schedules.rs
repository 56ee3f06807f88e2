//! Schedules: put, list, show, delete, trigger.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::object::Object;
use super::problem::Problem;
use super::query::Query;
use super::reveal::{Asker, REVEAL, no_marks};
use super::{Api, json};
use crate::view::{SagaView, ScheduleView, SchedulesView};

/// The longest id of a run out of turn that is read at all.
const LONGEST: usize = 128;

/// Makes a schedule, or puts another document in the place of the one that it has.
#[utoipa::path(
    put,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, example = "shelve", description = "1 to 64 characters of `A-Za-z0-9_-`")),
    request_body(content = super::openapi::ScheduleDocument, content_type = "application/json"),
    responses(
        (status = 201, description = "A new schedule, taken durably", body = ScheduleView<'static>),
        (status = 200, description = "The schedule was there, and is as the document says", body = ScheduleView<'static>),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "There are as many schedules as there may be", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be taken durably now; see `Retry-After`", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = schedule_name(name)?;
    let body = api.body_of(request).await?;
    no_marks(&body)?;
    let (view, new) = api.coordinator().put_schedule(&name, &body).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(status, &ScheduleView::new(&view, api.masked())))
}

/// Lists every schedule, in order of their names.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "schedules",
    params(("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens")),
    responses((status = 200, description = "Every schedule", body = SchedulesView<'static>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &[REVEAL])?;
    let shown = api.shown(api.reveals(&query, &asker)?);
    let all = api.coordinator().schedules().await?;
    Ok(json(StatusCode::OK, &SchedulesView::new(&all, shown)))
}

/// Shows a schedule.
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(
        ("name" = String, Path, description = "The schedule's name"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "The schedule as it stands, durably", body = ScheduleView<'static>),
        (status = 404, description = "There is no such schedule", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &[REVEAL])?;
    let shown = api.shown(api.reveals(&query, &asker)?);
    let name = schedule_name(name)?;
    let view = api.coordinator().schedule(&name).await?;
    let view = view.ok_or_else(no_schedule)?;
    Ok(json(StatusCode::OK, &ScheduleView::new(&view, shown)))
}

/// Removes a schedule. Sagas that it has started go on.
#[utoipa::path(
    delete,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name")),
    responses(
        (status = 204, description = "It is no more"),
        (status = 404, description = "There is no such schedule", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be removed durably now; see `Retry-After`", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = schedule_name(name)?;
    api.coordinator().delete_schedule(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs a schedule's saga now, out of turn.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/trigger",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name")),
    request_body(content = Option<super::openapi::TriggerDocument>, content_type = "application/json"),
    responses(
        (status = 201, description = "A new run, taken durably", body = SagaView<'static>),
        (status = 200, description = "A run with this id was there already", body = SagaView<'static>),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 404, description = "There is no such schedule", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "A run with this id and another saga is there already, or the schedule is broken", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be taken durably now; see `Retry-After`", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn trigger(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = schedule_name(name)?;
    let body = api.body_of(request).await?;
    let mut fields = Object::read_or_empty(&body)?;
    let id = fields.string("id", LONGEST)?;
    fields.finish(&["id"])?;
    let run = api
        .coordinator()
        .trigger_schedule(&name, id.as_deref())
        .await?;
    let status = if run.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = json(status, &SagaView::new(&run.saga, api.now(), api.masked()));
    if run.new
        && let Ok(location) = HeaderValue::try_from(format!("/v1/sagas/{}", run.saga.id))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn schedule_name(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(name) = name.map_err(|_| no_schedule())?;
    Ok(name)
}

pub(super) fn no_schedule() -> Problem {
    Problem::not_found("name: there is no such schedule; see GET /v1/schedules")
}
