//! A person who looks at a stuck saga, finds out what really happened, and decides.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use settled_sim::auditor::Told;

use super::client::Office;
use super::document::LIMIT_MILLIS;
use super::wire::Answer;

/// Decides every open incident of a saga by the truth.
pub async fn decide(office: &Office, saga: &str, shown: &Answer) -> Option<()> {
    // Whatever is still on its way has arrived by then.
    tokio::time::sleep(Duration::from_millis(LIMIT_MILLIS + 200)).await;
    let incidents = shown.body["incidents"].as_array().cloned();
    let mut open = 0;
    for incident in incidents.into_iter().flatten() {
        if incident["state"] != "open" {
            continue;
        }
        open += 1;
        resolve(office, saga, &incident).await?;
    }
    if open == 0 {
        let what = format!("{saga}: stuck without an open incident: {shown:?}");
        office.book.wonder(what);
    }
    Some(())
}

async fn resolve(office: &Office, saga: &str, incident: &Value) -> Option<()> {
    let word = |name: &str| incident[name].as_str().unwrap_or_default();
    let (id, step, direction) = (word("id"), word("step"), word("direction"));
    let key = format!("{saga}/{step}/{direction}");
    let result = office.participant.books().happened(&key).cloned();
    // What was in the way of it is gone.
    office.participant.books().relent(&key);
    let mut decision = match (&result, direction, word("kind")) {
        (Some(_), _, _) => json!({"decision": "done", "result": result}),
        (None, _, "contradiction") | (None, "action", _) => json!({"decision": "not_done"}),
        (None, _, _) => json!({"decision": "retry"}),
    };
    decision["note"] = json!("looked it up");
    decision["by"] = json!("ada");
    let path = format!("/v1/incidents/{id}/resolve");
    let answer = office.insist(Method::POST, &path, Some(&decision)).await?;
    let number = id.rsplit('~').next().and_then(|number| number.parse().ok());
    match (answer.status, number) {
        // Resolved already: a callback was quicker, or an answer got lost.
        (200 | 409, Some(number)) => {
            let told = Told::Resolved(number);
            office.book.hear(saga, office.clock.now(), told);
        }
        _ => office.book.wonder(format!("{id}: {answer:?}")),
    }
    Some(())
}
