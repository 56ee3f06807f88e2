//! What is counted and logged, and what is not.

use std::collections::HashMap;

use serde_json::json;
use settled_server::{ServerSettings, Tokens};

use crate::support::{Host, client, log};

/// Reads the text format: every sample with its labels and value.
fn samples(text: &str) -> HashMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut samples = HashMap::new();
    let mut described = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some(kind) = comment.strip_prefix("TYPE ") {
                let name = kind.split(' ').next().unwrap();
                assert!(described.insert(name.to_owned()), "twice: {name}");
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect(line);
        let name = sample.split('{').next().unwrap();
        assert!(name.starts_with("settled_"), "{line}");
        let known = described.iter().any(|family| name.starts_with(family));
        assert!(known, "{line}");
        let value = value.parse::<f64>().expect(line);
        assert!(samples.insert(sample.to_owned(), value).is_none(), "{line}");
    }
    samples
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let host = Host::start().await;
    host.run("a", json!([host.step("s", "/ok")])).await;
    let steps = json!([
        host.undone_step("s", "/ok", "/ok/undo"),
        host.step("t", "/refuse")
    ]);
    host.run("b", steps).await;
    let stuck = json!([host.undone_step("s", "/break", "/ok")]);
    host.run("c", stuck).await;
    host.get("/v1/sagas/none").await.problem(404);
    host.get("/made/up").await.problem(404);
    let reply = host.get("/metrics").await;
    assert!(
        reply
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let samples = samples(&reply.text());
    for (sample, value) in [
        (r#"settled_sagas_accepted_total{name="test"}"#, 3.0),
        (
            r#"settled_sagas_settled_total{name="test",state="completed"}"#,
            1.0,
        ),
        (
            r#"settled_sagas_settled_total{name="test",state="compensated"}"#,
            1.0,
        ),
        (
            r#"settled_saga_duration_seconds_count{name="test",state="completed"}"#,
            1.0,
        ),
        (r#"settled_sagas_turned_total{cause="refused"}"#, 1.0),
        (
            r#"settled_attempts_total{direction="action",outcome="done"}"#,
            2.0,
        ),
        (
            r#"settled_attempts_total{direction="action",outcome="refused"}"#,
            1.0,
        ),
        (
            r#"settled_attempts_total{direction="action",outcome="unknown"}"#,
            1.0,
        ),
        (
            r#"settled_attempts_total{direction="compensation",outcome="done"}"#,
            1.0,
        ),
        (
            r#"settled_step_duration_seconds_count{name="test",step="t",direction="action"}"#,
            1.0,
        ),
        (
            r#"settled_incidents_opened_total{kind="unknown_outcome"}"#,
            1.0,
        ),
        ("settled_incidents_open", 1.0),
        ("settled_calls_open", 0.0),
        ("settled_ready", 1.0),
        ("settled_trouble_total", 0.0),
        (
            r#"settled_http_requests_total{method="POST",route="/v1/sagas",status="201"}"#,
            3.0,
        ),
        (
            r#"settled_http_requests_total{method="GET",route="/v1/sagas/{id}",status="404"}"#,
            1.0,
        ),
        (
            r#"settled_http_requests_total{method="GET",route="none",status="404"}"#,
            1.0,
        ),
    ] {
        assert_eq!(
            samples.get(sample),
            Some(&value),
            "{sample}\n{}",
            reply.text()
        );
    }
    for sample in [
        "settled_journal_commits_total",
        "settled_journal_appends_total",
        "settled_journal_commit_duration_seconds_count",
        "settled_journal_commit_duration_seconds_sum",
        "settled_journal_batch_size_count",
    ] {
        assert!(samples[sample] > 0.0, "{sample}");
    }
    for sample in [
        "settled_sagas_due",
        "settled_sagas_parked",
        "settled_sagas_in_flight",
        "settled_oldest_unsettled_age_seconds",
        r#"settled_journal_batch_size_bucket{le="128.0"}"#,
        r#"settled_journal_batch_size_bucket{le="+Inf"}"#,
    ] {
        assert!(samples.contains_key(sample), "{sample}\n{}", reply.text());
    }
}

/// Payloads, tokens and participants' texts are in no log line, whatever happens in any test.
#[tokio::test]
async fn no_payload_is_logged_or_counted() {
    let host = Host::with(ServerSettings {
        tokens: Some(Tokens::parse("admin canary-token-0123456789 ops").unwrap()),
        ..ServerSettings::default()
    })
    .await;
    let metrics = everything_with_canaries(&host).await;
    let log = log::text();
    assert!(!log.contains("canary"), "{log}");
    assert!(!metrics.contains("canary"), "{metrics}");
    let one = log
        .lines()
        .find(|line| line.contains(" settled ") && line.contains("saga=\"k0\""))
        .unwrap_or_else(|| panic!("{log}"));
    for part in ["INFO", "completed", "duration_ms=", "name=\"shop\""] {
        assert!(one.contains(part), "{one}");
    }
}

async fn everything_with_canaries(host: &Host) -> String {
    let bearer = [("authorization", "Bearer canary-token-0123456789")];
    let ask = async |method: &str, path: &str, body: String| {
        client::send(host.address, method, path, &bearer, body).await
    };
    for (index, path) in ["/ok", "/refuse", "/break", "/pend"].iter().enumerate() {
        let mut step = host.undone_step("a", path, "/ok/canary");
        step["action"]["headers"] = json!({"x-secret": "canary-header"});
        step["action"]["body"] = json!({"n": "${ input.secret }"});
        let saga = json!({"id": format!("k{index}"), "name": "shop",
                          "input": {"secret": "canary-input"}, "steps": [step]});
        let wait = if *path == "/pend" { "100ms" } else { "10s" };
        let reply = ask("POST", &format!("/v1/sagas?wait={wait}"), saga.to_string()).await;
        assert!(reply.status < 300, "{}", reply.text());
    }
    let unmakeable = json!({"id": "u", "name": "shop", "input": {"secret": "canary-input"},
        "steps": [{"name": "a", "action": {
            "url": host.participant.url("/ok"), "body": "${ int(input.secret) }"}}]});
    ask("POST", "/v1/sagas?wait=1s", unmakeable.to_string()).await;
    ask("POST", "/v1/sagas", r#"{"canary": 1}"#.to_owned()).await;
    ask("POST", "/v1/sagas", "canary".to_owned()).await;
    ask("GET", "/v1/sagas?q=canary", String::new()).await;
    ask("GET", "/canary", String::new()).await;
    let decision = json!({"decision": "done", "note": "canary-note", "result": "canary-result"});
    let reply = ask("POST", "/v1/incidents/k2~1/resolve", decision.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    let answer = json!({"outcome": "refused", "result": "canary-result"});
    let reply = ask(
        "POST",
        &format!("/v1/callbacks/{token}"),
        answer.to_string(),
    )
    .await;
    assert_eq!(reply.status, 202);
    ask("POST", "/v1/callbacks/canary", answer.to_string()).await;
    host.get("/v1/sagas").await.problem(401);
    ask("GET", "/metrics", String::new()).await.text()
}
