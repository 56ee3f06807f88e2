//! The sagas that tests submit.

use serde_json::{Value, json};

use crate::participant::{Answer, Call};
use crate::world::World;

/// Why the compensation of [`order`] is refused.
pub(crate) const WHY: &str = "the field `amount` is missing";

/// An order whose payment is refused, and whose stock cannot be given back: what is sent calls a field
/// `amuont`, and the participant wants `amount`.
pub(crate) fn order(world: &World, id: &str) -> Value {
    world.participant.answers(
        "/pay",
        Answer::json(409, r#"{"error": "the card is declined"}"#),
    );
    world.participant.on("/stock/give-back", |call: &Call| {
        let sent: Value = serde_json::from_str(&call.body).unwrap_or_default();
        if sent["amount"].is_number() {
            Answer::json(200, r#"{"given_back": true}"#)
        } else {
            Answer::json(422, &json!({"error": WHY}).to_string())
        }
    });
    let url = |path| world.participant.url(path);
    json!({
        "id": id,
        "name": "create-order",
        "input": {"customer": "c-77", "amount": 3},
        "steps": [
            {
                "name": "stock",
                "action": {"url": url("/stock/take"), "body": {"amount": 3}},
                "compensation": {"url": url("/stock/give-back"), "body": {"item": "SKU-1", "amuont": 3}},
            },
            {"name": "pay", "action": {"url": url("/pay"), "body": {"customer": "${ input.customer }"}}},
        ],
    })
}

/// Submits it and waits until it is stuck.
pub(crate) fn stuck(world: &World, id: &str) {
    world.submit(&order(world, id));
    world.until(id, "stuck");
}

/// A world with something on every page: sagas in each state, a schedule, a decided incident.
pub(crate) fn furnish(world: &World) {
    stuck(world, "order-stuck");
    stuck(world, "order-decided");
    let path = "/v1/incidents/order-decided~1/resolve";
    world.api(
        "POST",
        path,
        &json!({"decision": "done", "note": "counted by hand"}),
    );
    let step = |name: &str, path: &str| json!({"name": name, "action": {"url": world.participant.url(path)}});
    world.submit(&json!({"id": "order-done", "name": "create-order", "steps": [step("stock", "/ok"), step("ship", "/ok")]}));
    world.until("order-done", "completed");
    world.participant.answers("/later", Answer::json(202, "{}"));
    world.submit(
        &json!({"id": "order-waits", "name": "create-order", "steps": [step("carrier", "/later")]}),
    );
    let saga = json!({"name": "sweep", "steps": [step("sweep", "/ok")]});
    let schedule = json!({"cron": "0 */4 * * *", "timezone": "Asia/Shanghai", "saga": saga});
    world.api("PUT", "/v1/schedules/sweep", &schedule);
    world.api("POST", "/v1/schedules/sweep/trigger", &json!({}));
}
