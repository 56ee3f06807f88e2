//! Schedules over HTTP: what is put runs when it is due, and is shown as it is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Host, LONG};

fn saga(host: &Host, path: &str) -> Value {
    json!({"name": "tick", "input": {"n": 1}, "steps": [host.step("a", path)]})
}

/// Asks for a schedule until it is as it should be.
async fn until(host: &Host, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let schedule = host.get(&format!("/v1/schedules/{name}")).await.json();
            if fits(&schedule) {
                return schedule;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(name)
}

#[tokio::test]
async fn what_is_put_runs_when_it_is_due() {
    let host = Host::start().await;
    let document = json!({"every": "1s", "saga": saga(&host, "/ok")});
    let reply = host.put_json("/v1/schedules/tick", &document).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let schedule = reply.json();
    let created_at = &schedule["created_at"];
    let expected = json!({
        "name": "tick", "cron": null, "timezone": null, "every": "1s",
        "missed": "skip", "overlap": "skip", "saga": saga(&host, "/ok"),
        "state": "active", "blocked_by": null,
        "next_due_at": schedule["next_due_at"], "waiting_due_at": null, "last_due_at": null,
        "last_run": null, "triggered_run": null, "triggered_at": null,
        "counts": {"runs": 0, "missed": 0, "overlapped": 0}, "error": null,
        "created_at": created_at, "updated_at": created_at,
    });
    assert_eq!(schedule, expected);
    let due = schedule["next_due_at"].as_str().unwrap();
    assert!(due.ends_with(".000000Z"), "{due}");
    let ran = until(&host, "tick", |s| s["counts"]["runs"] == 2).await;
    let id = ran["last_run"]["id"].as_str().unwrap();
    let digits = |text: &str| text.replace(['-', ':'], "");
    let last_due = ran["last_due_at"].as_str().unwrap();
    let seconds = digits(last_due.split('.').next().unwrap());
    assert_eq!(id, format!("tick.{seconds}Z"));
    let saga = host.until(id, |saga| saga["state"] == "completed").await;
    assert_eq!(saga["name"], "tick");
    assert_eq!(saga["input"], json!({"n": 1}));
    assert_eq!(host.participant.calls("/ok").len(), 2);
    let again = host.put_json("/v1/schedules/tick", &document).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["updated_at"], *created_at);
    assert_eq!(host.delete("/v1/schedules/tick").await.status, 204);
    host.delete("/v1/schedules/tick").await.problem(404);
    host.get("/v1/schedules/tick").await.problem(404);
    let calls = host.participant.calls("/ok").len();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(host.participant.calls("/ok").len(), calls);
    let metrics = host.get("/metrics").await.text();
    let counted = r#"settled_schedule_due_times_total{outcome="run"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_queued_run_begins_when_the_one_before_is_settled() {
    let host = Host::start().await;
    let document = json!({"every": "1s", "overlap": "queue", "saga": saga(&host, "/pend")});
    host.put_json("/v1/schedules/q", &document).await;
    let waiting = until(&host, "q", |s| s["counts"]["overlapped"] == 1).await;
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(waiting["counts"]["runs"], 1);
    assert_eq!(waiting["last_run"]["state"], "running");
    let calls = host.participant.calls("/pend");
    assert_eq!(calls.len(), 1);
    let token = &calls[0].headers["settled-callback"];
    let answer = json!({"outcome": "done", "result": null});
    host.post_json(&format!("/v1/callbacks/{token}"), &answer)
        .await;
    let began = std::time::Instant::now();
    let next = until(&host, "q", |s| s["counts"]["runs"] == 2).await;
    assert_eq!(next["last_due_at"], waiting["waiting_due_at"]);
    assert!(began.elapsed() < Duration::from_millis(900), "at once");
}

#[tokio::test]
async fn a_stuck_run_blocks_its_schedule_for_all_to_see() {
    let host = Host::start().await;
    let steps = json!([host.undone_step("a", "/break", "/ok")]);
    let document = json!({"every": "1s", "saga": {"steps": steps}});
    host.put_json("/v1/schedules/b", &document).await;
    let blocked = until(&host, "b", |s| s["counts"]["overlapped"] == 1).await;
    assert_eq!(blocked["state"], "blocked");
    let id = blocked["blocked_by"].as_str().unwrap();
    assert_eq!(blocked["last_run"], json!({"id": id, "state": "stuck"}));
    let listed = host.get("/v1/schedules").await.json();
    assert_eq!(listed["schedules"][0]["state"], "blocked");
    let decision = json!({"decision": "not_done"});
    let path = format!("/v1/incidents/{id}~1/resolve");
    assert_eq!(host.post_json(&path, &decision).await.status, 200);
    let free = until(&host, "b", |s| s["counts"]["runs"] == 2).await;
    assert_ne!(free["last_run"]["id"], id);
}

#[tokio::test]
async fn a_run_out_of_turn_is_the_same_under_the_same_id() {
    let host = Host::start().await;
    let document =
        json!({"cron": "@yearly", "timezone": "Asia/Shanghai", "saga": saga(&host, "/ok")});
    host.put_json("/v1/schedules/y", &document).await;
    let path = "/v1/schedules/y/trigger";
    let first = host.post(path, r#"{"id": "now"}"#).await;
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.json()["id"], "y.trigger.now");
    assert_eq!(first.header("location"), "/v1/sagas/y.trigger.now");
    assert_eq!(host.post(path, r#"{"id": "now"}"#).await.status, 200);
    let other = host.post(path, "").await;
    assert_eq!(other.status, 201);
    let shown = host.get("/v1/schedules/y").await.json();
    assert_eq!(shown["triggered_run"]["id"], other.json()["id"]);
    assert_eq!(shown["counts"]["runs"], 0);
    let changed = json!({"cron": "@yearly", "saga": saga(&host, "/ok/b")});
    assert_eq!(host.put_json("/v1/schedules/y", &changed).await.status, 200);
    let conflict = host.post(path, r#"{"id": "now"}"#).await;
    assert!(conflict.problem(409).starts_with("id: "));
    host.post(path, r#"{"id": "a.b"}"#).await.problem(400);
    host.post(path, r#"{"ID": "a"}"#).await.problem(400);
    host.post("/v1/schedules/none/trigger", "")
        .await
        .problem(404);
}

#[tokio::test]
async fn what_is_wrong_is_said_by_field() {
    let host = Host::start().await;
    for (name, document, field) in [
        (
            "a.b",
            json!({"every": "1h", "saga": saga(&host, "/ok")}),
            "name",
        ),
        ("x", json!({"every": "1h"}), "saga"),
        ("x", json!({"saga": saga(&host, "/ok")}), "cron"),
        (
            "x",
            json!({"cron": "* *", "saga": saga(&host, "/ok")}),
            "cron",
        ),
        (
            "x",
            json!({"cron": "@daily", "timezone": "Mars/Olympus", "saga": saga(&host, "/ok")}),
            "timezone",
        ),
        (
            "x",
            json!({"every": "1h", "saga": {"steps": [{"name": "a", "action": {"url": "nowhere"}}]}}),
            "saga.steps[0].action.url",
        ),
    ] {
        let reply = host
            .put_json(&format!("/v1/schedules/{name}"), &document)
            .await;
        let detail = reply.problem(400);
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
        assert_eq!(reply.json()["field"], field);
    }
    let listed = host.get("/v1/schedules").await.json();
    assert_eq!(listed, json!({"schedules": []}));
}
