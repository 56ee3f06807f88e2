//! Callbacks: the later answer of a participant that said `pending`.
//!
//! The token in the path is what proves that the answer may be given; a bearer token, where they
//! are in use, only lets the caller in.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use http::StatusCode;
use settled::coordinator::CallbackError;
use settled::protocol::{Answered, Json};

use super::object::Object;
use super::openapi::Taken;
use super::problem::Problem;
use super::query::Query;
use super::{Api, json};

/// Takes the later answer of a pending step.
#[utoipa::path(
    post,
    path = "/v1/callbacks/{token}",
    tag = "sagas",
    params(("token" = String, Path, description = "The `Settled-Callback` header of the request that is answered")),
    request_body(content = super::openapi::Callback, content_type = "application/json"),
    responses(
        (status = 202, description = "The answer is on record, or was already", body = Taken),
        (status = 400, description = "Malformed; `detail` names the field", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 404, description = "The token is not one that was given out", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
        (status = 409, description = "The answer does not fit the saga", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn callback(
    State(api): State<Api>,
    token: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let Path(token) = token.map_err(|_| CallbackError::Token)?;
    let body = api.body_of(request).await?;
    let mut fields = Object::read(&body)?;
    let outcome = match fields.string("outcome", 20)?.as_deref() {
        Some("done") => Answered::Done,
        Some("refused") => Answered::Refused,
        _ => {
            return Err(Problem::field(
                "outcome",
                "expected \"done\" or \"refused\"",
            ));
        }
    };
    let result = fields.json("result")?.unwrap_or_else(Json::null);
    fields.finish(&["outcome", "result"])?;
    api.coordinator().callback(&token, outcome, result).await?;
    Ok(json(StatusCode::ACCEPTED, &Taken { taken: true }))
}
