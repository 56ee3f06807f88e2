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
mod audit;
mod chart;
mod form;
mod guard;
mod incidents;
mod link;
mod live;
mod login;
mod overview;
mod page;
mod participants;
mod problem;
mod saga;
mod sagas;
mod schedules;
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
    ("/console/participants/{name}", "participant.limit"),
    ("/console/schedules", "schedule.put"),
    ("/console/schedules/{name}", "schedule.put"),
    ("/console/schedules/{name}/trigger", "schedule.trigger"),
    ("/console/schedules/{name}/delete", "schedule.delete"),
    ("/console/sagas/{id}/cancel", "saga.cancel"),
];

/// Every page behind the guard.
pub(crate) fn router(api: Api) -> Router {
    let console = Console {
        api,
        sessions: Arc::new(Sessions::default()),
    };
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/", get(overview::show))
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
        .route("/console/participants", get(participants::list))
        .route(
            "/console/participants/{name}",
            post(participants::set).get(participants::list),
        )
        .route(
            "/console/schedules",
            get(schedules::list).post(schedules::make),
        )
        .route(
            "/console/schedules/{name}",
            get(schedules::show).post(schedules::put),
        )
        .route(
            "/console/schedules/{name}/trigger",
            post(schedules::trigger).get(schedules::show),
        )
        .route(
            "/console/schedules/{name}/delete",
            post(schedules::delete).get(schedules::show),
        )
        .route("/console/audit", get(audit::list))
        .route("/console/sagas", get(sagas::list))
        .route("/console/sagas/{id}", get(saga::show))
        .route(
            "/console/sagas/{id}/cancel",
            post(saga::cancel).get(saga::show),
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
