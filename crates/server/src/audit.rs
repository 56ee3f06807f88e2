//! Puts on record who asked for which change, and what became of it.
//!
//! Submissions and callbacks have no entry of their own: the saga says who submitted it, and its
//! history what it was told. Entries hold no payloads. What is allowed is not decided here.

use std::net::SocketAddr;

use settled::coordinator::Coordinator;
use settled::journal::{AuditEntry, Change};

use crate::access::{Bearer, Role};

/// Who acts where nobody says.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// The longest target that is put on record; longer ones are nobody's names.
const LONGEST: usize = 300;

/// The address at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What a change came to in particular, such as the decision; put into the answer's extensions by
/// whoever knows it.
#[derive(Clone, Debug)]
pub(crate) struct Detail(pub(crate) String);

/// What a change was about, where the address does not say it; put into the answer's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Target(pub(crate) String);

/// What a request is about: the part of its path that the route's has a name for.
pub(crate) fn target(route: &str, path: &str) -> Option<String> {
    let mut parts = route.split('/').zip(path.split('/'));
    let (_, part) = parts.find(|(name, _)| name.starts_with('{'))?;
    let text = percent_encoding::percent_decode_str(part);
    Some(text.decode_utf8_lossy().into_owned())
}

/// A change that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) bearer: Option<Bearer>,
    pub(crate) action: &'static str,
    pub(crate) target: Option<String>,
    pub(crate) status: u16,
    pub(crate) peer: Option<Peer>,
    pub(crate) detail: Option<String>,
}

/// Writes an entry, and returns when it is durable. One that cannot be written is in the log: the
/// change itself, which was made already, is on record where it belongs.
pub(crate) async fn write(coordinator: &Coordinator, asked: Asked) {
    let entry = AuditEntry {
        id: uuid::Uuid::now_v7().to_string(),
        at: coordinator.clock().now(),
        who: asked
            .bearer
            .as_ref()
            .map_or(ANONYMOUS, |bearer| &bearer.name)
            .to_owned(),
        roles: asked
            .bearer
            .map(|bearer| bearer.roles.iter().map(Role::as_str).collect::<Vec<_>>())
            .unwrap_or_default()
            .join(","),
        action: asked.action.to_owned(),
        target: asked.target.map(|mut target| {
            target.truncate(target.floor_char_boundary(LONGEST));
            target
        }),
        status: asked.status,
        remote: asked.peer.map(|Peer(address)| address.ip().to_string()),
        detail: asked.detail,
    };
    let (who, action, status) = (entry.who.clone(), entry.action.clone(), entry.status);
    if let Err(error) = coordinator.change(Change::Audit(vec![entry])).await {
        tracing::error!(%error, who, action, status, "an entry is missing in the audit log");
    }
}
