//! What every request to the console passes: from where it comes, who is logged in, and what may run
//! in the page that it is answered with.
//!
//! A change needs a session, a page of our own that it was sent from, and that session's form token,
//! which `form` looks at. What the roles allow is for each page to ask.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderName, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::session::{LONGEST, Session};
use super::visitor::Visitor;
use super::{CHANGES, Console, ROOT, problem};
use crate::audit::{self, Asked, Detail, Peer, Target};

/// The cookie's name.
pub(super) const SESSION: &str = "settled-session";

/// Nothing runs, looks or asks in a page but what comes from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Lets a request to the console through, or says why not.
pub(super) async fn guard(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let is_asset = request.uri().path().starts_with("/console/assets/");
    let mut response = admit(&console, request, next).await;
    let api = &console.api;
    api.answered(&method, ROOT, response.status(), started.elapsed());
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_asset {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn admit(console: &Console, mut request: Request, next: Next) -> Response {
    let mut visitor = Visitor::unknown(request.headers());
    visitor.seen = *console.api.changes().borrow();
    if let Err(why) = console.api.is_meant(&request) {
        return problem::from(&visitor, &why);
    }
    let path = request.uri().path().to_owned();
    if path.starts_with("/console/assets/") {
        return next.run(request).await;
    }
    let is_change = request.method() != Method::GET && request.method() != Method::HEAD;
    if is_change && !is_from_own_page(request.headers()) {
        let why = visitor.words().strange_page;
        return problem::of(&visitor, StatusCode::FORBIDDEN, why);
    }
    // What the script asks for by itself keeps nobody logged in.
    let by_itself = path == "/console/live" || request.headers().contains_key("settled-renewal");
    let known = cookie(request.headers(), SESSION)
        .and_then(|cookie| console.sessions.find(cookie, !by_itself));
    let mut new_cookie = None;
    let session = match known {
        Some(session) => Some(session),
        // Nobody has to log in where nobody needs a token; the session is there for its form token.
        None if !console.api.needs_tokens() => match console.sessions.begin(None) {
            Some((cookie, session)) => {
                new_cookie = Some(cookie);
                Some(session)
            }
            None => None,
        },
        None => None,
    };
    if let Some(session) = session {
        visitor.log_in(session);
    } else if path != "/console/login" {
        return if is_change || path == "/console/live" {
            let why = visitor.words().log_in_first;
            problem::of(&visitor, StatusCode::UNAUTHORIZED, why)
        } else {
            let asked = request
                .uri()
                .path_and_query()
                .map_or("", |asked| asked.as_str());
            let next =
                percent_encoding::utf8_percent_encode(asked, percent_encoding::NON_ALPHANUMERIC);
            Redirect::to(&format!("/console/login?next={next}")).into_response()
        };
    }
    let change = is_change.then(|| change(&request)).flatten();
    let peer = request.extensions().get::<Peer>().copied();
    request.extensions_mut().insert(visitor.clone());
    let mut response = match change {
        None => next.run(request).await,
        // To its end, and on record, also when nobody waits for the answer any more.
        Some((action, target)) => {
            let (console, visitor) = (console.clone(), visitor.clone());
            let answered = tokio::spawn(async move {
                let response = next.run(request).await;
                let asked = asked(&visitor, action, target, peer, &response);
                if let Some(asked) = asked {
                    audit::write(console.coordinator(), asked).await;
                }
                response
            });
            answered
                .await
                .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // The address of a form, and nothing to look at.
        let why = visitor.words().nothing_here;
        response = problem::of(&visitor, StatusCode::METHOD_NOT_ALLOWED, why);
    }
    if let Some(cookie) = new_cookie {
        set_session(response.headers_mut(), &cookie, console.api.is_secure());
    }
    response
}

/// What is put on record of a change; nothing where nobody is logged in.
fn asked(
    visitor: &Visitor,
    action: &'static str,
    target: Option<String>,
    peer: Option<Peer>,
    response: &Response,
) -> Option<Asked> {
    let told = response.extensions();
    // Whoever has just logged in is known by what the answer says.
    let session = told.get::<Session>().or(visitor.session())?;
    Some(Asked {
        bearer: session.bearer.clone(),
        action,
        target: target.or_else(|| told.get::<Target>().map(|target| target.0.clone())),
        status: response.status().as_u16(),
        peer,
        detail: told.get::<Detail>().map(|detail| detail.0.clone()),
    })
}

/// What a change is called in the audit log, and what it is about.
fn change(request: &Request) -> Option<(&'static str, Option<String>)> {
    let pattern = request.extensions().get::<MatchedPath>()?.as_str();
    let (_, action) = CHANGES.iter().find(|(path, _)| *path == pattern)?;
    Some((action, audit::target(pattern, request.uri().path())))
}

/// Whether a form was sent from a page of our own. A browser says so; what says nothing is no
/// browser, and then has no form token either.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => match text("origin") {
            Some(origin) => origin
                .split_once("://")
                .is_some_and(|(_, from)| text("host") == Some(from)),
            None => true,
        },
    }
}

/// A cookie's value.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Gives the browser a session's cookie, or takes it back with an empty one. It comes along when a link
/// in an alert is followed (`Lax`), and with no change from elsewhere.
pub(super) fn set_session(headers: &mut HeaderMap, cookie: &str, secure: bool) {
    let age = if cookie.is_empty() {
        0
    } else {
        LONGEST.as_secs()
    };
    let text = format!(
        "{SESSION}={cookie}; Path=/console; HttpOnly; SameSite=Lax; Max-Age={age}{}",
        if secure { "; Secure" } else { "" }
    );
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(SET_COOKIE, value);
    }
}
