//! An incident as the server shows it alone: with its place, its history, and what each decision
//! would come to.

use serde::Deserialize;
use serde_json::Value;

use super::row::Row;

/// An incident with what is behind it; none of that where the saga's record cannot be read.
#[derive(Deserialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) row: Row,
    #[serde(default)]
    pub(super) place: Option<Place>,
    #[serde(default)]
    pub(super) history: Option<Vec<Exchange>>,
    #[serde(default)]
    pub(super) earlier_decisions: Option<Vec<Earlier>>,
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
    #[serde(default)]
    pub(super) decisions: Option<Vec<Foreseen>>,
}

#[derive(Deserialize)]
pub(super) struct Place {
    pub(super) step: usize,
    pub(super) of: usize,
    pub(super) step_state: String,
    pub(super) before: Vec<Neighbour>,
    pub(super) after: Vec<Neighbour>,
    pub(super) saga_state: String,
}

#[derive(Deserialize)]
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) state: String,
}

#[derive(Deserialize)]
pub(super) struct Exchange {
    pub(super) number: u32,
    pub(super) kind: String,
    pub(super) started_at: String,
    pub(super) duration_ms: Option<f64>,
    pub(super) outcome: Option<String>,
    pub(super) finding: Option<String>,
    pub(super) response: Option<Value>,
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Earlier {
    pub(super) incident: String,
    pub(super) at: String,
    pub(super) by: String,
    pub(super) decision: String,
    pub(super) note: String,
}

#[derive(Deserialize)]
pub(super) struct Foreseen {
    pub(super) decision: String,
    pub(super) allowed: bool,
    pub(super) needs_note: bool,
    pub(super) text: String,
}
