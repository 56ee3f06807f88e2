//! An incident tells a person everything that they need to decide it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use settled::journal::SqliteJournal;
use settled_server::ServerSettings;

use crate::support::{Host, LONG};

/// `stock` and `points` are done, `pay` is refused, and then `points` cannot be compensated.
async fn refused_on_the_way_back(host: &Host, id: &str) {
    let mut points = host.undone_step("points", "/ok/points", "/refuse/undo");
    points["retry"] = json!({"max_attempts": 1});
    let steps = json!([
        host.undone_step("stock", "/ok/stock", "/pend"),
        points,
        host.undone_step("pay", "/refuse", "/ok/undo"),
        host.step("ship", "/ok/ship"),
    ]);
    let saga = json!({"id": id, "name": "test", "steps": steps});
    let reply = host.post_json("/v1/sagas", &saga).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    host.until(id, |saga| {
        saga["steps"][0]["compensation_attempts"] == 1 && saga["incidents"][0]["state"] == "open"
    })
    .await;
}

async fn shown(host: &Host, id: &str) -> Value {
    let reply = host.get(&format!("/v1/incidents/{id}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn decision<'a>(incident: &'a Value, decision: &str) -> &'a Value {
    let all = incident["decisions"].as_array().unwrap();
    let mut all = all.iter();
    all.find(|one| one["decision"] == decision).unwrap()
}

/// A step whose outcome nobody knows, between two that are fine.
async fn in_doubt(host: &Host, id: &str) {
    let steps = json!([
        host.undone_step("stock", "/ok/stock", "/ok/add"),
        host.undone_step("points", "/ok/points", "/ok/back"),
        host.undone_step("pay", "/break", "/ok/undo"),
        host.step("ship", "/ok/ship"),
    ]);
    assert_eq!(host.run(id, steps).await["state"], "stuck");
}

#[tokio::test]
async fn an_incident_has_its_place_among_the_steps() {
    let host = Host::start().await;
    in_doubt(&host, "p").await;
    let incident = shown(&host, "p~1").await;
    let place = json!({
        "step": 3, "of": 4, "step_state": "unknown", "saga_state": "stuck",
        "before": [{"name": "stock", "state": "done"}, {"name": "points", "state": "done"}],
        "after": [{"name": "ship", "state": "waiting"}],
    });
    assert_eq!(incident["place"], place);
    assert_eq!(incident["idempotency_key"], "p/pay/action");
    let sent = host.participant.calls("/break");
    assert_eq!(sent[0].headers["idempotency-key"], "p/pay/action");
}

#[tokio::test]
async fn every_attempt_and_check_is_in_its_history() {
    let host = Host::start().await;
    let mut asked = host.undone_step("pay", "/break", "/ok/undo");
    asked["check"] = json!({"url": host.participant.url("/ok/check"),
                            "done_when": "response.status == 404",
                            "not_done_when": "response.status == 405"});
    asked["on_unknown"] = json!("check");
    asked["retry"] = json!({"max_attempts": 2, "first_delay": "1ms"});
    host.run("h", json!([asked])).await;
    let incident = shown(&host, "h~1").await;
    let history = incident["history"].as_array().unwrap();
    let kinds: Vec<(&str, u64)> = history
        .iter()
        .map(|one| {
            (
                one["kind"].as_str().unwrap(),
                one["number"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(kinds, [("attempt", 1), ("check", 1), ("check", 2)]);
    let attempt = &history[0];
    assert_eq!(attempt["outcome"], "unknown");
    assert_eq!(attempt["request"]["url"], host.participant.url("/break"));
    assert_eq!(attempt["response"]["status"], 500);
    assert!(attempt["error"].is_string() && attempt["started_at"].is_string());
    assert!(attempt["duration_ms"].as_f64().unwrap() > 0.0);
    let check = &history[2];
    assert_eq!(check["finding"], "inconclusive");
    assert_eq!(check["request"]["method"], "GET");
    assert_eq!(check["response"]["status"], 200);
}

/// What each decision would come to, and that it does.
#[tokio::test]
async fn what_is_foreseen_is_what_happens() {
    let host = Host::start().await;
    for (word, calls, compensates, after, text) in [
        (
            "retry",
            json!([{"step": "pay", "direction": "action", "kind": "attempt"}]),
            json!([]),
            "running",
            "calls `pay` again (action) with the same idempotency key",
        ),
        (
            "done",
            json!([{"step": "ship", "direction": "action", "kind": "attempt"}]),
            json!([]),
            "running",
            "`pay` counts as done; calls `ship`",
        ),
        (
            "not_done",
            json!([{"step": "points", "direction": "compensation", "kind": "attempt"}]),
            json!(["points", "stock"]),
            "compensating",
            "`pay` counts as not done; the saga goes back: `points`, then `stock` are compensated",
        ),
        (
            "abandon",
            json!([{"step": "points", "direction": "compensation", "kind": "attempt"}]),
            json!(["points", "stock"]),
            "compensating",
            "`pay` is left as it is; the saga goes back: `points`, then `stock` are compensated",
        ),
    ] {
        let id = format!("w-{word}");
        in_doubt(&host, &id).await;
        let incident = shown(&host, &format!("{id}~1")).await;
        let foreseen = decision(&incident, word);
        assert_eq!(foreseen["allowed"], true, "{foreseen}");
        assert_eq!(foreseen["refused_because"], Value::Null);
        assert_eq!(foreseen["needs_note"], word == "abandon");
        assert_eq!(foreseen["calls"], calls, "{foreseen}");
        assert_eq!(foreseen["compensates"], compensates);
        assert_eq!(foreseen["turns_back"], after == "compensating");
        assert_eq!(foreseen["state_after"], after);
        assert_eq!(foreseen["open_incidents"], json!([]));
        assert_eq!(foreseen["up_to_function"], false);
        assert_eq!(foreseen["text"], text);
        let taken = json!({"decision": word, "note": "seen"});
        let reply = host
            .post_json(&format!("/v1/incidents/{id}~1/resolve"), &taken)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        // What was called first after the decision is what was foreseen.
        let saga = host
            .until(&id, |saga| {
                saga["settled_at"].is_string() || saga["incidents"][1]["state"] == "open"
            })
            .await;
        let events = host.get(&format!("/v1/sagas/{id}/events")).await.json();
        let events = events["events"].as_array().unwrap().clone();
        let mut events = events.iter();
        events
            .find(|event| event["kind"] == "incident_resolved")
            .unwrap();
        let first = events
            .find(|event| event["kind"] == "attempt_started")
            .unwrap();
        assert_eq!(first["step"], calls[0]["step"], "{saga}");
        assert_eq!(first["direction"], calls[0]["direction"]);
    }
}

#[tokio::test]
async fn what_may_not_be_decided_says_why() {
    let host = Host::start().await;
    refused_on_the_way_back(&host, "r").await;
    let incident = shown(&host, "r~1").await;
    assert_eq!(incident["step"], "points");
    assert_eq!(incident["place"]["saga_state"], "compensating");
    let done = decision(&incident, "done");
    assert_eq!(done["step_state_after"], "compensated");
    assert_eq!(
        done["text"],
        "`points` counts as compensated; `stock` is compensated"
    );
    let again = decision(&incident, "not_done");
    assert_eq!(
        again["text"],
        "`points` counts as not compensated; it must be, so it is called again (compensation) with \
         the same idempotency key; `stock` is compensated"
    );
    // A settled saga, and an answer that contradicts it.
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    let callback = format!("/v1/callbacks/{token}");
    let left = json!({"decision": "abandon", "note": "so be it"});
    host.post_json("/v1/incidents/r~1/resolve", &left).await;
    host.post(&callback, r#"{"outcome": "done"}"#).await;
    host.until("r", |saga| saga["state"] == "compensated").await;
    host.post(&callback, r#"{"outcome": "refused"}"#).await;
    host.until("r", |saga| saga["incidents"][1]["state"] == "open")
        .await;
    let incident = shown(&host, "r~2").await;
    assert_eq!(incident["kind"], "contradiction");
    let kinds: Vec<&Value> = incident["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["attempt", "callback", "callback"]);
    let retry = decision(&incident, "retry");
    assert_eq!(retry["allowed"], false);
    assert_eq!(retry["state_after"], Value::Null);
    assert_eq!(retry["needs_note"], false);
    let why = retry["refused_because"].as_str().unwrap();
    assert!(why.contains("not called again"), "{why}");
    assert_eq!(retry["text"], format!("cannot be taken: {why}"));
    let reply = host
        .post("/v1/incidents/r~2/resolve", r#"{"decision": "retry"}"#)
        .await;
    assert!(reply.problem(400).contains(why));
    let done = decision(&incident, "done");
    assert_eq!(
        done["text"],
        "is put on record; nothing is called, and the saga stays compensated"
    );
}

#[tokio::test]
async fn what_was_decided_before_is_there_and_what_is_resolved_asks_nothing() {
    let host = Host::start().await;
    in_doubt(&host, "e").await;
    let again = json!({"decision": "retry", "note": "it is up again", "by": "ann"});
    host.post_json("/v1/incidents/e~1/resolve", &again).await;
    host.until("e", |saga| saga["incidents"][1]["state"] == "open")
        .await;
    let incident = shown(&host, "e~2").await;
    assert_eq!(incident["history"].as_array().unwrap().len(), 2);
    let earlier = incident["earlier_decisions"].as_array().unwrap();
    assert_eq!(earlier.len(), 1);
    assert_eq!(earlier[0]["incident"], "e~1");
    assert_eq!(earlier[0]["decision"], "retry");
    assert_eq!(earlier[0]["by"], "ann");
    assert_eq!(earlier[0]["note"], "it is up again");
    assert!(earlier[0]["at"].is_string());
    let resolved = shown(&host, "e~1").await;
    assert_eq!(resolved["decisions"], json!([]));
    assert_eq!(resolved["earlier_decisions"], json!([]));
    assert_eq!(resolved["history"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_incident_of_a_damaged_saga_is_shown_without_what_is_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settled.db");
    let open = async || {
        let journal = SqliteJournal::open(&path).unwrap();
        let keeper = Arc::new(journal.keeper());
        Host::over(Box::new(journal), keeper, ServerSettings::default()).await
    };
    let mut host = open().await;
    in_doubt(&host, "d").await;
    let whole = shown(&host, "d~1").await;
    host.shut_down();
    tokio::time::timeout(LONG, &mut host.serving)
        .await
        .unwrap()
        .unwrap();
    host.coordinator.drain(Duration::from_secs(5)).await;
    drop(host);
    let database = rusqlite::Connection::open(&path).unwrap();
    let gone = database.execute("DELETE FROM event WHERE seq = 3", []);
    assert_eq!(gone.unwrap(), 1);
    drop(database);
    let host = open().await;
    host.get("/v1/sagas/d").await.problem(500);
    let incident = shown(&host, "d~1").await;
    for (field, value) in whole.as_object().unwrap() {
        let behind = [
            "place",
            "history",
            "earlier_decisions",
            "idempotency_key",
            "decisions",
        ];
        let expected = if behind.contains(&field.as_str()) {
            &Value::Null
        } else {
            value
        };
        assert_eq!(&incident[field], expected, "{field}");
    }
}
