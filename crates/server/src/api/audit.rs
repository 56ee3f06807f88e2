//! The audit log: who asked for which change.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::AuditFilter;

use super::problem::Problem;
use super::query::Query;
use super::{Api, json};
use crate::view::AuditView;

/// The longest word to look for.
const LONGEST: usize = 300;

/// Lists the entries of the audit log, newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "audit",
    params(
        ("who" = Option<String>, Query, description = "By the bearer of the token with this name"),
        ("action" = Option<String>, Query, description = "What was asked for, such as `incident.resolve`, or what that begins with, such as `incident`"),
        ("target" = Option<String>, Query, description = "What it was about: an id or a name"),
        ("since" = Option<String>, Query, description = "At or after this time (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Before this time (RFC 3339)"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many at most; 50 where it is left out"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of entries", body = AuditView<'static>),
        (status = 400, description = "Malformed; `detail` names the parameter", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let known = [
        "who", "action", "target", "since", "until", "limit", "cursor",
    ];
    let query = Query::read(query.as_deref(), &known)?;
    let filter = AuditFilter {
        who: query.bounded("who", LONGEST)?,
        action: query.bounded("action", LONGEST)?,
        target: query.bounded("target", LONGEST)?,
        since: query.time("since")?,
        until: query.time("until")?,
    };
    let page = api
        .coordinator()
        .audit(filter, query.cursor(), query.limit()?)
        .await?;
    let shown = AuditView::new(&page.items, page.next_cursor.as_deref());
    Ok(json(StatusCode::OK, &shown))
}
