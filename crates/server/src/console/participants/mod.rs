//! Participants: how each of them is, and what it may be asked to bear.
//!
//! Limits are read and checked by the same code as the API's; here is only the form.

mod limits;
mod row;
mod words;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use self::words::Words;
use super::form::Form;
use super::page::{Page, Place, render};
use super::visitor::Visitor;
use super::words::Common;
use super::{Console, problem, shape};
use crate::api::Problem;

pub(super) use limits::set;
pub(super) use row::{Row, rows};

/// A form that was not taken.
struct Typed<'a> {
    name: &'a str,
    form: &'a Form,
    why: &'a str,
}

#[derive(Template)]
#[template(path = "console/participants.html")]
struct ListPage<'a> {
    page: Page<'a>,
    common: &'static Common,
    words: &'static Words,
    rows: &'a [Row<'a>],
    typed: Option<Typed<'a>>,
    saved: Option<&'a str>,
    may_operate: bool,
}

impl ListPage<'_> {
    /// Whether a participant's form was not taken.
    fn is_typed(&self, name: &str) -> bool {
        self.typed.as_ref().is_some_and(|typed| typed.name == name)
    }

    /// Whose form was not taken, where it is none of those that are listed.
    fn typed_elsewhere(&self) -> Option<&str> {
        let typed = self.typed.as_ref()?;
        let listed = self.rows.iter().any(|row| row.of.name == typed.name);
        (!listed).then_some(typed.name)
    }

    /// What stands in a field: what was typed, or what holds.
    fn value(&self, name: &str, field: &str) -> &str {
        if let Some(typed) = self.typed.as_ref().filter(|typed| typed.name == name) {
            return typed.form.text(field).unwrap_or_default();
        }
        let row = self.rows.iter().find(|row| row.of.name == name);
        row.map_or("", |row| match field {
            "max_concurrent" => &row.max_concurrent,
            "max_per_second" => &row.max_per_second,
            _ => &row.failures,
        })
    }
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    page(&console, &visitor, asked.text("saved"), None).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    saved: Option<&str>,
    wrong: Option<(StatusCode, Typed<'_>)>,
) -> Response {
    let common = visitor.words();
    let all = match console.coordinator().participants().await {
        Ok(all) => all,
        Err(stopped) => return problem::from(visitor, &Problem::from(stopped)),
    };
    let rows = rows(&all, visitor.language);
    let page = Page::new(console, visitor, Place::Participants, common.participants).await;
    let status = wrong.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    let shown = ListPage {
        // What was typed stays while it is mended.
        page: if wrong.is_some() { page } else { page.live() },
        common,
        words: Words::of(visitor.language),
        rows: &rows,
        typed: wrong.map(|(_, typed)| typed),
        saved: saved.filter(|saved| rows.iter().any(|row| row.of.name == *saved)),
        may_operate: visitor.may_operate(),
    };
    render(status, &shown)
}
