//! How the process is: for load balancers, supervisors and whoever measures.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use settled::coordinator::Health;
use utoipa::ToSchema;

use super::problem::Problem;
use super::{Api, Phase, json};
use crate::metrics::Scrape;

/// How the process is.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Tells that the process is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "system",
    responses((status = 200, description = "The process answers", body = Status))
)]
pub(super) async fn healthz() -> Response {
    json(StatusCode::OK, &Status { status: "ok" })
}

/// Tells whether sagas are taken.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "system",
    responses(
        (status = 200, description = "Sagas are taken and driven", body = Status),
        (status = 503, description = "They are not; `detail` says why", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(api): State<Api>) -> Result<Response, Problem> {
    if api.phase() != Phase::Serving {
        return Err(Problem::unavailable("the server is shutting down"));
    }
    match api.coordinator().health() {
        Health::Running => Ok(json(StatusCode::OK, &Status { status: "ready" })),
        Health::Draining => Err(Problem::unavailable("the coordinator is shutting down")),
        Health::Stopped => Err(Problem::unavailable("the coordinator has stopped")),
        Health::Failed(why) => {
            tracing::warn!(why, "not ready: the journal failed");
            Err(Problem::unavailable(
                "the journal failed and nothing is driven; the log says why; restart when it is \
                 mended",
            ))
        }
    }
}

/// Shows what was counted.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "system",
    responses((status = 200, description = "In the OpenMetrics text format", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let counts = match api.coordinator().counts().await {
        Ok(counts) => Some(counts),
        Err(error) => {
            // The rest is worth showing all the more.
            tracing::error!(%error, "the journal cannot be counted");
            None
        }
    };
    let (in_flight, open_calls) = api.coordinator().load();
    let text = api.shared.metrics.text(&Scrape {
        now: api.now(),
        counts,
        in_flight,
        open_calls,
        journal: api.coordinator().journal_stats().counts(),
        ready: api.phase() == Phase::Serving && api.coordinator().health() == Health::Running,
    });
    let mut response = text.into_response();
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(format));
    response
}
