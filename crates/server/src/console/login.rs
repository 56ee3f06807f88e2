//! Coming in with a token, and going out.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};

use super::form::Form;
use super::guard::{SESSION, cookie, set_session};
use super::page::{Page, render};
use super::visitor::{Visitor, is_own_place};
use super::{Console, ROOT};
use crate::access::{Role, Roles};
use crate::audit::Detail;

/// Who may look at the console at all.
const MAY_LOOK: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

#[derive(Template)]
#[template(path = "console/login.html")]
struct LoginPage<'a> {
    page: Page<'a>,
    /// Where to go afterwards.
    next: &'a str,
    wrong: Option<&'a str>,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Form::read(query.as_deref().unwrap_or_default());
    let next = asked.text("next").filter(|next| is_own_place(next));
    if visitor.session().is_some() || !console.api.needs_tokens() {
        return Redirect::to(next.unwrap_or(ROOT)).into_response();
    }
    form_page(&visitor, next.unwrap_or(ROOT), None)
}

fn form_page(visitor: &Visitor, next: &str, wrong: Option<&str>) -> Response {
    let words = visitor.words();
    let status = if wrong.is_some() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    let page = Page::bare(visitor, words.log_in);
    render(status, &LoginPage { page, next, wrong })
}

pub(super) async fn enter(
    State(console): State<Console>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let words = visitor.words();
    let next = form.text("next").filter(|next| is_own_place(next));
    let next = next.unwrap_or(ROOT);
    let token = form.text("token").unwrap_or_default().trim();
    // Who has a token comes in, also while somebody else is guessing.
    let Some(bearer) = console.api.bearer(token) else {
        if console.sessions.is_guessing() {
            return form_page(&visitor, next, Some(words.too_many_logins));
        }
        console.sessions.failed();
        tracing::warn!("a login to the console failed: the token is not known");
        return form_page(&visitor, next, Some(words.token_unknown));
    };
    if !bearer.roles.any_of(Roles::of(&MAY_LOOK)) {
        return form_page(&visitor, next, Some(words.token_may_not));
    }
    if let Some(old) = cookie(&headers, SESSION) {
        console.sessions.end(old);
    }
    let Some((cookie, session)) = console.sessions.begin(Some(bearer)) else {
        return form_page(&visitor, next, Some(words.no_session));
    };
    let mut response = Redirect::to(next).into_response();
    set_session(response.headers_mut(), &cookie, console.api.is_secure());
    // For the audit log: the request itself came from nobody.
    response.extensions_mut().insert(session);
    response
        .extensions_mut()
        .insert(Detail("a session begins".to_owned()));
    response
}

pub(super) async fn leave(
    State(console): State<Console>,
    headers: HeaderMap,
    _form: Form,
) -> Response {
    if let Some(cookie) = cookie(&headers, SESSION) {
        console.sessions.end(cookie);
    }
    let mut response = Redirect::to("/console/login").into_response();
    set_session(response.headers_mut(), "", console.api.is_secure());
    response
}
