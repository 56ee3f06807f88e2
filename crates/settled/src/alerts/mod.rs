//! Alerts: somebody is told of incidents that are opened, still open, and resolved, and once a day of
//! how things stand.
//!
//! The truth is the incident table, which also says what was told of each. An alert is an operation of
//! Settled itself: a saga of one call, `POST` to the receiver, that is on record before it is sent and
//! is repeated until the receiver has it. Its id is made of what it tells, so that to submit it again is
//! to find it there (R8): whatever is interrupted is simply done again.
//!
//! ```text
//!   incident table ── untold ──▶ pace ──▶ event ──▶ saga settled.alert ──▶ told
//!                              (storms) (CloudEvents)  durable            durable
//! ```
//!
//! Nothing here sends anything: the address and the secret are known to [`AlertPost`] alone, which signs
//! each attempt. No alert is ever about an alert, and none has anything of a request or an answer in it
//! but the error's text.
//!
//! [`AlertPost`]: crate::participant::AlertPost

mod digest;
mod event;
mod id;
mod pace;
mod saga;
mod task;

#[cfg(test)]
mod tests;

use settled_protocol::{Retry, Span};

use crate::coordinator::Coordinator;
use crate::definition::Invalid;
use crate::schedule::Timing;

/// What the sagas are named that deliver alerts.
pub const ALERT_SAGA: &str = "settled.alert";

/// Whether a saga of this name and id delivers an alert. Both are refused to others; a record from
/// before they were may have one of them.
#[must_use]
pub fn is_alert(name: &str, id: &str) -> bool {
    let rest = id.strip_prefix(ALERT_SAGA);
    name == ALERT_SAGA && rest.is_some_and(|rest| rest.starts_with('.'))
}

/// What is told, and when.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// How long after it was last told of somebody is reminded of an open incident; never where there
    /// is none. A second at least.
    pub remind_every: Option<Span>,
    /// When to send a digest; never where there is none. See [`Timing::cron`].
    pub digest: Option<Timing>,
    /// Who tells: the `source` of every event, such as the server's public URL.
    pub source: String,
    /// Where people look at incidents; an incident is at `/incidents/<id>` below it.
    pub console_url: Option<String>,
    /// How a delivery is repeated.
    pub retry: Retry,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            remind_every: Some(Span::from_secs(4 * 3_600)),
            digest: None,
            source: "settled".to_owned(),
            console_url: None,
            // Seventeen minutes to come to the longest wait, then a day of those, less what is drawn
            // from each.
            retry: Retry {
                max_attempts: 200,
                first_delay: Span::from_secs(1),
                max_delay: Span::from_secs(600),
                factor: 2.0,
            },
        }
    }
}

/// Alerts at work beside a coordinator.
#[derive(Debug)]
pub struct Alerts {
    task: tokio::task::JoinHandle<()>,
}

impl Alerts {
    /// Tells of incidents from now on, those included that nobody was told of yet, until the
    /// coordinator begins to drain. The coordinator's [`HttpParticipants`] must know where alerts go.
    /// Must be called within a tokio runtime; dropping what it returns stops nothing.
    ///
    /// [`HttpParticipants`]: crate::participant::HttpParticipants::with_alerts
    ///
    /// # Errors
    /// Where deliveries cannot be repeated as the settings say.
    pub fn start(coordinator: &Coordinator, settings: AlertSettings) -> Result<Self, Invalid> {
        let definition = saga::definition(coordinator.definitions(), &settings.retry)?;
        let teller = task::Teller::new(coordinator.clone(), settings, definition);
        Ok(Self {
            task: tokio::spawn(teller.run()),
        })
    }

    /// Waits until nothing is told any more. Cancel-safe.
    pub async fn stopped(&mut self) {
        // It was told nothing that could be interrupted, and a panic is told of by the runtime.
        let _ = (&mut self.task).await;
    }
}
