//! The HTTP API of Settled: sagas, incidents, health and metrics over one [`Coordinator`].
//!
//! [`Server`] listens, limits and drains; the API turns requests into questions to the coordinator
//! and its answers into JSON. Nothing is decided here: what is durable, what fits and what happens
//! next is the coordinator's to say. [`Metrics`] counts and logs what the engine tells it.
//!
//! ```text
//!   socket ── server ── gate ─────── api ───────── Coordinator
//!            (limits)   (who may)    (read, show)
//! ```
//!
//! [`Coordinator`]: settled::coordinator::Coordinator

mod access;
mod api;
mod audit;
mod connection;
mod console;
mod metrics;
mod server;
mod settings;
mod view;

pub use access::{AccessError, BadTokenFile, Role, TOKEN_FILE_FORMAT, Tokens, check_access};
pub use metrics::Metrics;
pub use server::{BindError, Server};
pub use settings::ServerSettings;
pub use view::saga_json;
