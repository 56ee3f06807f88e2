//! One incident: what was sent, what came back, and the decision.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use settled::journal::IncidentRow;

use super::words::Words;
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};

#[derive(Template)]
#[template(path = "console/incident.html")]
struct IncidentPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    row: &'a IncidentRow,
    kind: &'a str,
    typed: &'a Form,
    wrong: Option<&'a str>,
    may_operate: bool,
}

pub(in crate::console) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    page(&console, &visitor, &id, &Form::read(""), None).await
}

/// The page once more, with what was typed and why it was not taken.
pub(super) async fn again(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    typed: &Form,
    status: StatusCode,
    why: &str,
) -> Response {
    page(console, visitor, id, typed, Some((status, why))).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    typed: &Form,
    wrong: Option<(StatusCode, &str)>,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let row = match console.coordinator().incident(id).await {
        Ok(Some(row)) => row,
        Ok(None) => return problem::of(visitor, StatusCode::NOT_FOUND, words.nothing_found),
        Err(error) => return problem::unreadable(visitor, error),
    };
    let page = Page::new(console, visitor, Place::Incidents, &row.id).await;
    let shown = IncidentPage {
        page: page.live_of(&row.saga),
        common,
        words,
        row: &row,
        kind: words.kind(&row.kind),
        typed,
        wrong: wrong.map(|(_, why)| why),
        may_operate: visitor.may_operate(),
    };
    render(wrong.map_or(StatusCode::OK, |(status, _)| status), &shown)
}
