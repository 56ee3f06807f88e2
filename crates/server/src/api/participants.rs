//! Participants: list, show, change their limits. Limits that are set here last until the process
//! ends.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use http::StatusCode;
use settled::coordinator::{SetLimitsError, Stopped};
use settled::engine::{BreakerLimits, Limits, ParticipantView as Participant};
use settled::protocol::Span;

use super::object::Object;
use super::problem::Problem;
use super::query::Query;
use super::{Api, json};
use crate::view::{ParticipantView, ParticipantsView};

/// Lists the participants that were called since the start, or have limits of their own.
#[utoipa::path(
    get,
    path = "/v1/participants",
    tag = "participants",
    responses(
        (status = 200, description = "Every participant", body = ParticipantsView<'static>),
        (status = 503, description = "The coordinator has stopped", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let all = api.coordinator().participants().await?;
    Ok(json(StatusCode::OK, &ParticipantsView::new(&all)))
}

/// Shows a participant.
#[utoipa::path(
    get,
    path = "/v1/participants/{name}",
    tag = "participants",
    params(("name" = String, Path, example = "stock.local:80", description = "`host:port`, or the name that a function's steps give")),
    responses(
        (status = 200, description = "The participant", body = ParticipantView<'static>),
        (status = 404, description = "It was never called and has no limits of its own", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "The coordinator has stopped", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let Path(name) = name.map_err(|_| no_participant())?;
    let view = api.coordinator().participant(&name).await?;
    let view = view.ok_or_else(no_participant)?;
    Ok(json(StatusCode::OK, &ParticipantView::new(&view)))
}

/// Changes what a participant may be asked to bear: at once, also for what waits for it, and until
/// the process ends.
#[utoipa::path(
    put,
    path = "/v1/participants/{name}",
    tag = "participants",
    params(("name" = String, Path, example = "stock.local:80", description = "`host:port`, or the name that a function's steps give; it need not have been called yet")),
    request_body(content = super::openapi::LimitsDocument, content_type = "application/json"),
    responses(
        (status = 200, description = "The participant as it is now", body = ParticipantView<'static>),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 503, description = "The coordinator has stopped", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let Path(name) = name.map_err(|_| no_participant())?;
    let body = api.body_of(request).await?;
    let view = set_limits(&api, &name, &body).await?;
    Ok(json(StatusCode::OK, &ParticipantView::new(&view)))
}

/// Changes a participant's limits as a document says. Gives the participant as it is then.
pub(crate) async fn set_limits(
    api: &Api,
    name: &str,
    document: &[u8],
) -> Result<Participant, Problem> {
    let mut fields = Object::read(document)?;
    let now = api.coordinator().participant(name).await?;
    let mut limits = match now {
        Some(view) => view.limits,
        None => api.coordinator().default_limits().clone(),
    };
    change(&mut limits, &mut fields)?;
    fields.finish(&["max_concurrent", "max_per_second", "breaker"])?;
    Ok(api.coordinator().set_limits(name, limits).await?)
}

/// What is left out stays as it is.
fn change(limits: &mut Limits, fields: &mut Object<'_>) -> Result<(), Problem> {
    if let Some(raw) = fields.take("max_concurrent") {
        limits.max_concurrent = serde_json::from_str(raw.get()).map_err(|_| {
            Problem::field("max_concurrent", "expected a whole number of at least 1")
        })?;
    }
    if let Some(raw) = fields.take("max_per_second") {
        limits.max_per_second = serde_json::from_str(raw.get()).map_err(|_| {
            Problem::field(
                "max_per_second",
                "expected a number above 0, or null for none",
            )
        })?;
    }
    let Some(raw) = fields.take("breaker") else {
        return Ok(());
    };
    if raw.get() == "null" {
        limits.breaker = None;
        return Ok(());
    }
    let mut fields = Object::within(raw, "breaker")?;
    let mut breaker = limits.breaker.clone().unwrap_or_default();
    if let Some(raw) = fields.take("failures") {
        breaker.failures = serde_json::from_str(raw.get()).map_err(|_| {
            Problem::field("breaker.failures", "expected a whole number of at least 1")
        })?;
    }
    pause(&mut fields, "first_pause", &mut breaker)?;
    pause(&mut fields, "max_pause", &mut breaker)?;
    fields.finish(&["failures", "first_pause", "max_pause"])?;
    limits.breaker = Some(breaker);
    Ok(())
}

fn pause(fields: &mut Object<'_>, field: &str, breaker: &mut BreakerLimits) -> Result<(), Problem> {
    let Some(text) = fields.string(field, 64)? else {
        return Ok(());
    };
    let span = Span::parse(&text).ok_or_else(|| {
        Problem::field(
            format!("breaker.{field}"),
            "expected a duration such as \"500ms\", \"3s\" or \"10m\"",
        )
    })?;
    match field {
        "first_pause" => breaker.first_pause = span,
        _ => breaker.max_pause = span,
    }
    Ok(())
}

fn no_participant() -> Problem {
    Problem::not_found(
        "name: this participant was never called and has no limits of its own; see GET \
         /v1/participants",
    )
}

impl From<Stopped> for Problem {
    fn from(stopped: Stopped) -> Self {
        Self::unavailable(stopped.to_string())
    }
}

impl From<SetLimitsError> for Problem {
    fn from(error: SetLimitsError) -> Self {
        match error {
            SetLimitsError::Name => Self::field(
                "name",
                "expected `host:port`, or the name that a step gives; 1 to 256 characters",
            ),
            SetLimitsError::Limits(error) => Self::field(error.field, error.message),
            SetLimitsError::Stopped(stopped) => stopped.into(),
        }
    }
}
