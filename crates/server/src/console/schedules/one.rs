//! One schedule: its document, what came of it, and what can be done with it.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use settled::schedule::{Missed, Overlap};

use super::shown::Shown;
use super::words::Words;
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};

/// The longest id of a run that is repeated in a notice.
const LONGEST: usize = 300;

#[derive(Template)]
#[template(path = "console/schedule.html")]
struct OnePage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    schedule: Shown<'a>,
    missed: Option<&'static str>,
    overlap: Option<&'static str>,
    document: String,
    /// What stands in the field to be edited.
    edited: String,
    wrong: Option<&'a str>,
    notice: Option<&'static str>,
    triggered: Option<&'a str>,
    may_operate: bool,
    reveal: bool,
}

pub(in crate::console) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    page(&console, &visitor, &name, &asked, None).await
}

/// The page once more, with what was typed and why it was not taken.
pub(super) async fn again(
    console: &Console,
    visitor: &Visitor,
    name: &str,
    typed: &Form,
    status: StatusCode,
    why: &str,
) -> Response {
    page(console, visitor, name, typed, Some((status, why))).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    name: &str,
    said: &Form,
    wrong: Option<(StatusCode, &str)>,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let coordinator = console.coordinator();
    let view = match coordinator.schedule(name).await {
        Ok(Some(view)) => view,
        Ok(None) => return problem::of(visitor, StatusCode::NOT_FOUND, words.not_there),
        Err(error) => return problem::unreadable(visitor, error),
    };
    let now = coordinator.clock().now();
    let page = Page::new(console, visitor, Place::Schedules, &view.row.name).await;
    let reveal = visitor.reveals(said);
    let payloads = console.api.shown(reveal);
    let document = payloads.json(&view.row.document);
    let document = document.as_str();
    let typed = wrong.and_then(|_| said.text("document"));
    let policies = view.schedule.as_ref().ok();
    let shown = OnePage {
        page: if wrong.is_some() { page } else { page.live() },
        common,
        words,
        missed: policies.map(|said| match said.missed {
            Missed::Skip => words.missed_skip,
            Missed::Once => words.missed_once,
        }),
        overlap: policies.map(|said| match said.overlap {
            Overlap::Skip => words.overlap_skip,
            Overlap::Queue => words.overlap_queue,
        }),
        document: shape::pretty(document),
        edited: typed.map_or_else(|| shape::editable(document), str::to_owned),
        schedule: Shown::new(&view, words, now, payloads),
        wrong: wrong.map(|(_, why)| why),
        notice: match said.text("put") {
            _ if wrong.is_some() => None,
            Some("new") => Some(words.was_made),
            Some("same") => Some(words.was_changed),
            _ => None,
        },
        triggered: said
            .text("triggered")
            .filter(|run| wrong.is_none() && run.len() <= LONGEST),
        may_operate: visitor.may_operate(),
        reveal,
    };
    render(wrong.map_or(StatusCode::OK, |(status, _)| status), &shown)
}
