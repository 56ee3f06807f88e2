//! The saga that delivers an alert: one call to an address that stands for the receiver's.
//!
//! Where that is, and how the call is signed, is not in it: it may change, and is nobody's business who
//! reads the journal. Once all attempts are made it is given up: no alert waits for ever.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use settled_protocol::{Json, Retry, Span};

use super::ALERT_SAGA;
use crate::definition::{Definition, Definitions, Invalid, Submission};
use crate::engine::Limits;

/// Stands for the receiver's address.
const ADDRESS: &str = "http://settled.alert/";

/// What the receiver is called among the participants.
pub(super) const PARTICIPANT: &str = "settled.alert:80";

/// An alert that nobody could be reached for in this time is given up, whatever attempts are left.
const DEADLINE: Span = Span::from_secs(36 * 3_600);

/// What the receiver is asked to bear. It is left alone by the waits between attempts: a breaker beside
/// them would keep an alert from ever coming to its end.
pub(super) const fn limits() -> Limits {
    Limits {
        max_concurrent: 4,
        max_per_second: None,
        breaker: None,
    }
}

/// The steps of every alert.
pub(super) fn definition(
    definitions: &Definitions,
    retry: &Retry,
) -> Result<Arc<Definition>, Invalid> {
    let micros = |span: Span| format!("{}us", span.0);
    let document = json!({
        "steps": [{
            "name": "post",
            "action": {
                "url": ADDRESS,
                "headers": {
                    "content-type": "application/cloudevents+json",
                    "webhook-id": "${ saga.id }",
                },
                "body": "${ input.event }",
                "timeout": "15s",
            },
            // Also 202, by which most receivers of webhooks say that they have it.
            "done_when": "response.status >= 200 && response.status < 300",
            // The receiver knows one that comes twice by its `webhook-id`.
            "on_unknown": "retry",
            "callback_timeout": "1m",
            "retry": {
                "max_attempts": retry.max_attempts,
                "first_delay": micros(retry.first_delay),
                "max_delay": micros(retry.max_delay),
                "factor": retry.factor,
            },
        }],
    });
    definitions.compile(&document.to_string())
}

/// What an alert has for its input: what it says, and which incidents it tells of.
#[derive(Serialize)]
struct Input<'a, E> {
    event: E,
    told: &'a [&'a str],
}

/// The alert as a submission.
pub(super) fn submission<E: Serialize>(
    definition: &Arc<Definition>,
    id: &str,
    event: E,
    told: &[&str],
) -> Result<Submission, serde_json::Error> {
    let input = serde_json::to_string(&Input { event, told })?;
    Ok(Submission {
        id: Some(id.to_owned()),
        name: ALERT_SAGA.to_owned(),
        input: Json::from_valid(input),
        deadline: Some(DEADLINE),
        by: Some("settled".to_owned()),
        definition: Arc::clone(definition),
    })
}

/// Which incidents an alert on record tells of.
pub(super) fn told(input: &Json) -> Vec<String> {
    #[derive(Deserialize)]
    struct Told {
        told: Vec<String>,
    }
    serde_json::from_str::<Told>(input.as_str()).map_or_else(|_| Vec::new(), |input| input.told)
}
