//! A page that says no, in words for people.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use settled::journal::ReadError;

use super::Console;
use super::page::{Page, render};
use super::visitor::Visitor;
use crate::api::Problem;

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage<'a> {
    page: Page<'a>,
    status: u16,
    why: &'a str,
}

/// Why not.
pub(super) fn of(visitor: &Visitor, status: StatusCode, why: &str) -> Response {
    let page = Page::bare(visitor, visitor.words().not_possible);
    let status_number = status.as_u16();
    render(
        status,
        &ProblemPage {
            page,
            status: status_number,
            why,
        },
    )
}

/// What the API would have answered, as a page.
pub(super) fn from(visitor: &Visitor, problem: &Problem) -> Response {
    of(visitor, problem.status(), problem.detail())
}

/// What could not be read, as a page.
pub(super) fn unreadable(visitor: &Visitor, error: ReadError) -> Response {
    from(visitor, &Problem::from(error))
}

/// A place that there is not.
pub(super) async fn nothing_here(State(_): State<Console>, visitor: Visitor) -> Response {
    of(
        &visitor,
        StatusCode::NOT_FOUND,
        visitor.words().nothing_here,
    )
}
