//! What every request passes on its way in: is it known, is it from a program that may ask, and
//! what did it come to.
//!
//! With tokens a request proves who it is from. Without any the server trusts this machine, and a
//! browser on this machine runs the scripts of strangers: a page elsewhere may not speak through it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

use super::problem::{Kind, Problem};
use super::{Api, Needs, ROUTES, Route};
use crate::access::{Bearer, Role, Roles};
use crate::audit::{self, Asked, Detail, Peer};

/// Stands for every path that is not known, so that made-up paths make no metrics.
const NO_ROUTE: &str = "none";

/// Lets a request through or says why not, and counts it.
pub(super) async fn gate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map(MatchedPath::as_str);
    let route = path.and_then(|path| known(request.method(), path));
    let label = path
        .and_then(|path| ROUTES.iter().find(|route| route.path == path))
        .map_or(NO_ROUTE, |route| route.path);
    let method = method_label(request.method());
    let change = route.and_then(|route| {
        Some(Change {
            action: route.action?,
            target: audit::target(route.path, request.uri().path()),
            peer: request.extensions().get::<Peer>().copied(),
        })
    });
    let response = match admit(&api, route, &request) {
        Ok(bearer) => {
            if let Some(bearer) = &bearer {
                request.extensions_mut().insert(bearer.clone());
            }
            answer(&api, request, next, change, bearer).await
        }
        Err(Refused(problem, bearer)) => {
            let response = problem.into_response();
            // Whoever has no token that is known here has no name to put on record.
            if let (Some(change), Some(_)) = (change, &bearer) {
                let asked = change.asked(bearer, &response);
                audit::write(api.coordinator(), asked).await;
            }
            response
        }
    };
    let metrics = &api.shared.metrics;
    metrics.answered(method, label, response.status(), started.elapsed());
    response
}

/// A call that changes something.
struct Change {
    action: &'static str,
    target: Option<String>,
    peer: Option<Peer>,
}

impl Change {
    /// What is put on record of it.
    fn asked(self, bearer: Option<Bearer>, response: &Response) -> Asked {
        let detail = response.extensions().get::<Detail>();
        Asked {
            bearer,
            action: self.action,
            target: self.target,
            status: response.status().as_u16(),
            peer: self.peer,
            detail: detail.map(|detail| detail.0.clone()),
        }
    }
}

/// Lets a request be answered. One that changes something is answered to its end, and put on record,
/// also when nobody waits for the answer any more.
async fn answer(
    api: &Api,
    request: Request,
    next: Next,
    change: Option<Change>,
    bearer: Option<Bearer>,
) -> Response {
    let Some(change) = change else {
        return checked(next.run(request).await);
    };
    let api = api.clone();
    let answered = tokio::spawn(async move {
        let response = checked(next.run(request).await);
        let asked = change.asked(bearer, &response);
        audit::write(api.coordinator(), asked).await;
        response
    });
    answered.await.unwrap_or_else(|_| {
        let why = "the request broke off, which is a bug; see whether what it asked for was done";
        Problem::unavailable(why).into_response()
    })
}

/// An answer that the router gave by itself, as all others are.
fn checked(response: Response) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers().get(http::header::ALLOW).cloned();
        return Problem::method_not_allowed(allow).into_response();
    }
    response
}

/// The route of a request; `HEAD` is asked where `GET` is.
fn known(method: &Method, path: &str) -> Option<&'static Route> {
    let method = match method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    ROUTES
        .iter()
        .find(|route| route.path == path && route.method == method)
}

pub(super) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// Why a request is not let through, and whose it is where that is known.
struct Refused(Problem, Option<Bearer>);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem, None)
    }
}

fn admit(api: &Api, route: Option<&Route>, request: &Request) -> Result<Option<Bearer>, Refused> {
    // What is not known is answered with 404 or 405, to whoever may know that much.
    let needs = match route {
        Some(route) => route.needs,
        None if request.uri().path().starts_with("/v1") => Needs::Roles(Roles::of(&Role::ALL)),
        None => Needs::Nothing,
    };
    let Needs::Roles(needed) = needs else {
        return Ok(None);
    };
    let Some(tokens) = &api.shared.tokens else {
        if api.shared.local_only {
            from_this_machine(request)?;
        }
        not_from_a_strange_page(request)?;
        return Ok(None);
    };
    let token = bearer_token(request.headers())?;
    let bearer = tokens
        .bearer(token)
        .ok_or_else(|| Problem::unauthorized("the bearer token is not one that is known here"))?;
    if bearer.roles.any_of(needed) {
        return Ok(Some(bearer.clone()));
    }
    let roles: Vec<&str> = needed.iter().map(Role::as_str).collect();
    let detail = format!(
        "the token's role does not allow this; it needs one of: {}",
        roles.join(", ")
    );
    let problem = Problem::new(Kind::Forbidden, detail);
    Err(Refused(problem, Some(bearer.clone())))
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorized(
            "expected one header `Authorization: Bearer TOKEN`",
        ));
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            Problem::unauthorized("expected the header `Authorization` to say `Bearer TOKEN`")
        })
}

/// A name that leads here may be anybody's: a page can have its own name lead to this machine. An
/// address cannot be made to.
pub(super) fn from_this_machine(request: &Request) -> Result<(), Problem> {
    let local = named(request).is_none_or(|named| {
        let host = match named.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => named,
        };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost")
            || address.parse::<std::net::IpAddr>().is_ok()
    });
    if local {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        "without tokens this server answers only to `localhost` or an address; expected one of \
         these in the header `Host`",
    ))
}

fn not_from_a_strange_page(request: &Request) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    if origin.is_some_and(|(_, from)| named(request) == Some(from)) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        "a page of another origin may not ask this server; ask from a program, or set tokens",
    ))
}

/// Whom the request is to: the header `Host`, or what HTTP/2 has instead.
fn named(request: &Request) -> Option<&str> {
    match request.headers().get(HOST) {
        // What cannot be read is nobody's name.
        Some(host) => Some(host.to_str().unwrap_or("?")),
        None => request.uri().authority().map(http::uri::Authority::as_str),
    }
}
