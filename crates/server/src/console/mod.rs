//! The console: what a person on duty sees and does, as pages over the same coordinator as the API.
//!
//! Pages are made here whole and work without a script; the script only puts newer pieces in their
//! place while one looks at them. Every text that came from elsewhere is escaped, and what runs in a
//! page is limited to our own two files by the content security policy. The console never decides
//! anything, and the API never believes a cookie.
//!
//! ```text
//!   request ── guard ─────────── a page's handler ── template
//!             (session, role,    (asks the           (escapes)
//!              own origin)        coordinator)
//! ```

mod assets;
mod form;
mod guard;
mod incidents;
mod live;
mod login;
mod page;
mod problem;
mod session;
mod shape;
mod visitor;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use settled::coordinator::Coordinator;

use crate::api::Api;
use session::Sessions;

/// Where the console stands.
pub(crate) const ROOT: &str = "/console";

/// What every page works with; cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    api: Api,
    sessions: Arc<Sessions>,
}

impl Console {
    fn coordinator(&self) -> &Coordinator {
        self.api.coordinator()
    }
}

/// A call that changes something, and what the audit log calls it.
const CHANGES: &[(&str, &str)] = &[
    ("/console/login", "console.login"),
    ("/console/logout", "console.logout"),
    ("/console/incidents/{id}/resolve", "incident.resolve"),
    ("/console/incidents/resolve", "incident.resolve.many"),
];

/// Every page behind the guard.
pub(crate) fn router(api: Api) -> Router {
    let console = Console {
        api,
        sessions: Arc::new(Sessions::default()),
    };
    Router::new()
        .route("/console", get(incidents::list))
        .route("/console/", get(incidents::list))
        .route("/console/login", get(login::show).post(login::enter))
        .route("/console/logout", post(login::leave))
        .route("/console/settings", post(visitor::settings))
        .route("/console/incidents", get(incidents::list))
        .route(
            "/console/incidents/resolve",
            post(incidents::resolve_many).get(incidents::list),
        )
        .route("/console/incidents/{id}", get(incidents::show))
        .route(
            "/console/incidents/{id}/resolve",
            post(incidents::resolve_one).get(incidents::show),
        )
        .route("/console/live", get(live::live))
        .route("/console/assets/{name}", get(assets::asset))
        .route("/console/{*rest}", get(problem::nothing_here))
        .layer(axum::middleware::from_fn_with_state(
            console.clone(),
            guard::guard,
        ))
        .with_state(console)
}
