//! The list of schedules, and the form of a new one.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::shown::Shown;
use super::words::Words;
use crate::console::form::Form;
use crate::console::page::{Page, Place, render};
use crate::console::visitor::Visitor;
use crate::console::words::Common;
use crate::console::{Console, problem, shape};

/// What a new schedule's document may look like.
const EXAMPLE: &str = r#"{
  "cron": "0 4 * * *",
  "timezone": "UTC",
  "missed": "skip",
  "overlap": "skip",
  "saga": {
    "name": "nightly",
    "steps": [
      {"name": "begin", "action": {"url": "http://stock.local/begin"}}
    ]
  }
}"#;

#[derive(Template)]
#[template(path = "console/schedules.html")]
struct ListPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    schedules: Vec<Shown<'a>>,
    unreadable: Vec<String>,
    typed: &'a Form,
    wrong: Option<&'a str>,
    deleted: Option<&'a str>,
    may_operate: bool,
}

pub(in crate::console) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    let typed = Form::read("");
    page(&console, &visitor, asked.text("deleted"), &typed, None).await
}

/// The page once more, with what was typed and why it was not taken.
pub(super) async fn again(
    console: &Console,
    visitor: &Visitor,
    typed: &Form,
    status: StatusCode,
    why: &str,
) -> Response {
    page(console, visitor, None, typed, Some((status, why))).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    deleted: Option<&str>,
    typed: &Form,
    wrong: Option<(StatusCode, &str)>,
) -> Response {
    let (common, words) = (visitor.words(), Words::of(visitor.language));
    let coordinator = console.coordinator();
    let all = match coordinator.schedules().await {
        Ok(all) => all,
        Err(error) => return problem::unreadable(visitor, error),
    };
    let (now, payloads) = (coordinator.clock().now(), console.api.masked());
    let page = Page::new(console, visitor, Place::Schedules, common.schedules).await;
    let mut schedules = Vec::with_capacity(all.len());
    let mut unreadable = Vec::new();
    for item in &all {
        match item {
            Ok(view) => schedules.push(Shown::new(view, words, now, payloads)),
            Err(error) => unreadable.push(shape::visible(&payloads.text(&error.to_string()))),
        }
    }
    let shown = ListPage {
        // What was typed stays while it is mended.
        page: if wrong.is_some() { page } else { page.live() },
        common,
        words,
        deleted: deleted.filter(|name| schedules.iter().all(|one| one.of.row.name != *name)),
        schedules,
        unreadable,
        typed,
        wrong: wrong.map(|(_, why)| why),
        may_operate: visitor.may_operate(),
    };
    render(wrong.map_or(StatusCode::OK, |(status, _)| status), &shown)
}
