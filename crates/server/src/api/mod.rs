//! The API: which requests there are, who may make them, and what they are answered with.
//!
//! [`ROUTES`] is the list of all of them; the gate lets nothing through that is not in it.

mod audit;
mod body;
mod callbacks;
mod events;
mod gate;
mod incidents;
mod object;
mod openapi;
mod participants;
mod problem;
mod query;
mod resolve;
mod reveal;
mod sagas;
mod schedules;
mod system;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header::{CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use settled::coordinator::Coordinator;
use settled::protocol::Timestamp;
use tokio::sync::watch;

use crate::access::{Bearer, Role, Roles, Tokens};
use crate::metrics::{Metrics, Minute};
use crate::settings::ServerSettings;
use problem::Kind;

pub(crate) use incidents::behind;
pub(crate) use participants::set_limits;
pub(crate) use problem::Problem;
pub(crate) use resolve::{MOST, detail, resolve, resolve_all};
pub(crate) use reveal::{no_marks, search};

/// How far the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything is answered.
    Serving,
    /// What is under way may end.
    Draining,
    /// The time for that is over.
    Over,
}

/// Who may make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Everybody.
    Nothing,
    /// A token with one of these roles, where there are tokens at all.
    Roles(Roles),
}

/// One request that there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// What it is called in the audit log; none for what changes nothing, or is on record itself.
    pub(crate) action: Option<&'static str>,
}

const fn route(method: &'static str, path: &'static str, roles: &[Role]) -> Route {
    let needs = if roles.is_empty() {
        Needs::Nothing
    } else {
        Needs::Roles(Roles::of(roles))
    };
    Route {
        method,
        path,
        needs,
        action: None,
    }
}

impl Route {
    const fn audited(self, action: &'static str) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }
}

use Role::{Admin, Operate, Read, Submit};

/// Every request that there is. The table of roles in [`crate::access`] says the same in words.
pub(crate) const ROUTES: &[Route] = &[
    route("POST", "/v1/sagas", &[Submit, Admin]),
    route("GET", "/v1/sagas", &[Read, Operate, Admin]),
    route("GET", "/v1/sagas/{id}", &[Submit, Read, Operate, Admin]),
    route("GET", "/v1/sagas/{id}/events", &[Read, Operate, Admin]),
    route("POST", "/v1/sagas/{id}/cancel", &[Operate, Admin]).audited("saga.cancel"),
    route("POST", "/v1/callbacks/{token}", &[Submit, Operate, Admin]),
    route("GET", "/v1/incidents", &[Read, Operate, Admin]),
    route("GET", "/v1/incidents/groups", &[Read, Operate, Admin]),
    route("GET", "/v1/incidents/{id}", &[Read, Operate, Admin]),
    route("POST", "/v1/incidents/{id}/resolve", &[Operate, Admin]).audited("incident.resolve"),
    route("POST", "/v1/incidents/resolve", &[Operate, Admin]).audited("incident.resolve.many"),
    route("GET", "/v1/participants", &[Read, Operate, Admin]),
    route("GET", "/v1/participants/{name}", &[Read, Operate, Admin]),
    route("PUT", "/v1/participants/{name}", &[Operate, Admin]).audited("participant.limit"),
    route("GET", "/v1/schedules", &[Read, Operate, Admin]),
    route("GET", "/v1/schedules/{name}", &[Read, Operate, Admin]),
    route("PUT", "/v1/schedules/{name}", &[Operate, Admin]).audited("schedule.put"),
    route("DELETE", "/v1/schedules/{name}", &[Operate, Admin]).audited("schedule.delete"),
    route("POST", "/v1/schedules/{name}/trigger", &[Operate, Admin]).audited("schedule.trigger"),
    route("GET", "/v1/audit", &[Admin]),
    route("GET", "/healthz", &[]),
    route("GET", "/readyz", &[]),
    route("GET", "/metrics", &[Read, Operate, Admin]),
    route("GET", "/openapi.json", &[]),
];

/// What every handler works with; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    coordinator: Coordinator,
    metrics: Arc<Metrics>,
    tokens: Option<Tokens>,
    /// Whether the server is open to those on this machine only, because nobody needs a token.
    local_only: bool,
    /// Whether people come in through TLS only.
    secure: bool,
    phase: watch::Receiver<Phase>,
    max_body: usize,
    body_timeout: Duration,
    max_wait: Duration,
    keep_alive: Duration,
}

impl Api {
    pub(crate) fn new(
        coordinator: Coordinator,
        metrics: Arc<Metrics>,
        phase: watch::Receiver<Phase>,
        settings: &ServerSettings,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                coordinator,
                metrics,
                tokens: settings.tokens.clone(),
                local_only: settings.tokens.is_none() && !settings.insecure,
                secure: settings.secure,
                phase,
                max_body: settings.max_body,
                body_timeout: settings.body_timeout,
                max_wait: settings.max_wait,
                keep_alive: settings.keep_alive,
            }),
        }
    }

    /// Everything behind its gate.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/v1/sagas", post(sagas::submit).get(sagas::list))
            .route("/v1/sagas/{id}", get(sagas::show))
            .route("/v1/sagas/{id}/events", get(events::events))
            .route("/v1/sagas/{id}/cancel", post(sagas::cancel))
            .route("/v1/callbacks/{token}", post(callbacks::callback))
            .route("/v1/incidents", get(incidents::list))
            .route("/v1/incidents/groups", get(incidents::groups))
            .route("/v1/incidents/{id}", get(incidents::show))
            .route("/v1/incidents/{id}/resolve", post(resolve::one))
            .route("/v1/incidents/resolve", post(resolve::many))
            .route("/v1/participants", get(participants::list))
            .route(
                "/v1/participants/{name}",
                put(participants::put).get(participants::show),
            )
            .route("/v1/schedules", get(schedules::list))
            .route(
                "/v1/schedules/{name}",
                put(schedules::put)
                    .get(schedules::show)
                    .delete(schedules::delete),
            )
            .route("/v1/schedules/{name}/trigger", post(schedules::trigger))
            .route("/v1/audit", get(audit::list))
            .route("/healthz", get(system::healthz))
            .route("/readyz", get(system::readyz))
            .route("/metrics", get(system::metrics))
            .route("/openapi.json", get(openapi::openapi))
            .fallback(|| async {
                Problem::not_found("there is nothing at this path; see /openapi.json")
            })
            .layer(axum::middleware::from_fn_with_state(
                self.clone(),
                gate::gate,
            ))
            .with_state(self)
    }

    pub(crate) fn coordinator(&self) -> &Coordinator {
        &self.shared.coordinator
    }

    fn now(&self) -> Timestamp {
        self.shared.coordinator.clock().now()
    }

    /// Whether nobody is answered who has no token.
    pub(crate) fn needs_tokens(&self) -> bool {
        self.shared.tokens.is_some()
    }

    /// Whether people come in through TLS only.
    pub(crate) fn is_secure(&self) -> bool {
        self.shared.secure
    }

    /// Whose token this is.
    pub(crate) fn bearer(&self, token: &str) -> Option<Bearer> {
        self.shared.tokens.as_ref()?.bearer(token).cloned()
    }

    /// Whether a request is meant for this server by name, where that is all that keeps strangers
    /// out.
    pub(crate) fn is_meant(&self, request: &Request) -> Result<(), Problem> {
        if self.shared.local_only {
            gate::from_this_machine(request)?;
        }
        Ok(())
    }

    /// Counts a request that was answered elsewhere than here.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: &'static str,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let method = gate::method_label(method);
        let metrics = &self.shared.metrics;
        metrics.answered(method, route, status, elapsed);
    }

    /// Counts up whenever anything changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.metrics.changes()
    }

    /// The last hour, minute by minute.
    pub(crate) fn minutes(&self) -> Vec<Minute> {
        self.shared.metrics.minutes(self.now())
    }

    /// Since when this process counts.
    pub(crate) fn began(&self) -> Timestamp {
        self.shared.metrics.began(self.now())
    }

    fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Ends when the server does not serve any more.
    pub(crate) async fn draining(&self) {
        let mut phase = self.shared.phase.clone();
        // A server that is gone drains no more, but nobody is left to be answered either.
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }

    pub(crate) async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let asks_first = headers.contains_key(EXPECT);
        let shared = &self.shared;
        body::read(body, shared.max_body, shared.body_timeout, asks_first).await
    }

    async fn body_of(&self, request: Request) -> Result<Bytes, Problem> {
        let (parts, body) = request.into_parts();
        self.body(&parts.headers, body).await
    }
}

/// An answer in JSON.
fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = (status, body).into_response();
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        // Only text in the journal that is not the JSON it was can do this.
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            Problem::new(Kind::Damaged, "the record cannot be shown; see the log").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_and_the_routes_are_the_same() {
        let document: serde_json::Value = serde_json::from_slice(openapi::document()).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        let routes: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| (route.method.to_owned(), route.path.to_owned()))
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn what_changes_something_is_on_record() {
        for route in ROUTES {
            let itself = ["/v1/sagas", "/v1/callbacks/{token}"].contains(&route.path);
            assert_eq!(
                route.action.is_some(),
                route.method != "GET" && !itself,
                "{route:?}"
            );
        }
    }

    #[test]
    fn what_changes_something_needs_a_role() {
        for route in ROUTES {
            let open = route.needs == Needs::Nothing;
            assert!(
                !open || (route.method == "GET" && !route.path.starts_with("/v1")),
                "{route:?}"
            );
        }
    }
}
