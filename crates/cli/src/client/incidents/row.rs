//! An incident as the server's lists show it: what is known of it by itself.

use serde::Deserialize;
use serde_json::Value;

use crate::output::{self, Tint, paint, plain, plain_lines};

/// An incident, as far as it is shown.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) step: String,
    pub(super) direction: String,
    pub(super) kind: String,
    request_url: Option<String>,
    request: Option<Value>,
    response: Option<Value>,
    pub(super) error: String,
    attempts: u32,
    pub(super) opened_at: String,
    pub(super) state: String,
    decision: Option<String>,
    note: Option<String>,
    resolved_by: Option<String>,
    resolved_at: Option<String>,
}

impl Row {
    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// What was decided and by whom, in a few words.
    pub(super) fn decided(&self) -> Option<String> {
        let by = self.resolved_by.as_deref().unwrap_or("nobody named");
        self.decision
            .as_ref()
            .map(|decision| format!("{decision} by {by}"))
    }

    /// What it is about, as others may be too.
    pub(super) fn kind_of_call(&self) -> String {
        let (kind, direction, step) = (&self.kind, &self.direction, &self.step);
        plain(&format!("{kind}, {direction} of {step}"))
    }

    /// Which incident, what it is about, and what went wrong.
    pub(super) fn heading(&self) -> String {
        let attempts = if self.attempts == 1 {
            "attempt"
        } else {
            "attempts"
        };
        format!(
            "{}  {}  {}\n{} · {} of {} · opened {} after {} {attempts}\n\n{}\n",
            paint(Tint::Head, &plain(&self.id)),
            plain(&self.name),
            paint(Tint::of_state(&self.state), &plain(&self.state)),
            plain(&self.kind),
            plain(&self.direction),
            plain(&self.step),
            plain(&self.opened_at),
            self.attempts,
            paint(Tint::Bad, &plain(&self.error)),
        )
    }

    /// The last request and what came back: side by side where there is room.
    pub(super) fn exchange(&self, width: Option<usize>) -> String {
        let request = match (&self.request_url, &self.request) {
            (None, _) => "no request could be made".to_owned(),
            (Some(url), None) => plain(url),
            (Some(url), Some(request)) => {
                let method = request["method"].as_str().unwrap_or_default();
                let first = format!("{} {}", plain(method), plain(url));
                message(first.trim_start(), request)
            }
        };
        let response = match &self.response {
            None => "nothing came back".to_owned(),
            Some(response) => {
                let status = response["status"].as_u64();
                let first = status.map_or_else(String::new, |status| status.to_string());
                message(&first, response)
            }
        };
        output::beside(("request", &request), ("response", &response), width)
    }

    /// What was decided, once it was.
    pub(super) fn resolution(&self) -> String {
        self.decision.as_ref().map_or_else(String::new, |decision| {
            format!(
                "\nresolved as {} by {} at {}: {}\n",
                paint(Tint::Good, &plain(decision)),
                plain(self.resolved_by.as_deref().unwrap_or("nobody named")),
                plain(self.resolved_at.as_deref().unwrap_or_default()),
                plain(self.note.as_deref().unwrap_or_default()),
            )
        })
    }
}

/// A request or response as text: its first line, its headers, its body.
fn message(first: &str, message: &Value) -> String {
    let mut lines = vec![first.to_owned()];
    for (name, value) in message["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        lines.push(format!("{}: {}", plain(name), plain(value)));
    }
    let body = match &message["body"] {
        Value::Null => None,
        Value::String(text) => Some(plain_lines(text)),
        body => serde_json::to_string_pretty(body)
            .ok()
            .map(|text| plain_lines(&text)),
    };
    if let Some(body) = body {
        lines.push(String::new());
        lines.push(body);
    }
    lines.join("\n").trim_start().to_owned()
}
