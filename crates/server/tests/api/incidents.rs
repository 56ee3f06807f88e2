//! Incidents: listed, shown and decided, alone and many at a time.

use serde_json::{Value, json};

use crate::support::Host;

/// A saga that is stuck on a step whose outcome nobody knows.
async fn stuck(host: &Host, id: &str) {
    let saga = host
        .run(id, json!([host.undone_step("pay", "/break", "/ok/undo")]))
        .await;
    assert_eq!(saga["state"], "stuck");
    let incident = json!([{"id": format!("{id}~1"), "step": "pay", "direction": "action",
                           "kind": "unknown_outcome", "state": "open"}]);
    assert_eq!(saga["incidents"], incident);
}

fn ids(page: &Value) -> Vec<&str> {
    let incidents = page["incidents"].as_array().unwrap();
    incidents
        .iter()
        .map(|incident| incident["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_incident_is_shown_with_exactly_these_fields() {
    let host = Host::start().await;
    stuck(&host, "i").await;
    let reply = host.get("/v1/incidents/i~1").await;
    assert_eq!(reply.status, 200);
    let incident = reply.json();
    let keys = |incident: &Value| {
        let mut keys: Vec<String> = incident.as_object().unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys
    };
    let row = "attempts decision direction error id kind name note opened_at request request_url \
               resolved_at resolved_by response saga state step";
    let row: Vec<&str> = row.split(' ').collect();
    let behind = [
        "place",
        "history",
        "earlier_decisions",
        "idempotency_key",
        "decisions",
    ];
    let mut expected = [&row[..], &behind].concat();
    expected.sort_unstable();
    assert_eq!(keys(&incident), expected);
    assert_eq!(incident["saga"], "i");
    assert_eq!(incident["name"], "test");
    assert_eq!(incident["request_url"], host.participant.url("/break"));
    assert_eq!(incident["request"]["method"], "POST");
    assert_eq!(incident["response"]["status"], 500);
    assert_eq!(incident["response"]["body"], json!({"oh": "canary-answer"}));
    assert_eq!(incident["attempts"], 1);
    assert_eq!(incident["state"], "open");
    for empty in ["decision", "note", "resolved_by", "resolved_at"] {
        assert_eq!(incident[empty], Value::Null, "{empty}");
    }
    assert_eq!(host.get("/v1/incidents/i%7E1").await.json(), incident);
    let page = host.get("/v1/incidents").await.json();
    let listed = &page["incidents"][0];
    assert_eq!(keys(listed), row);
    for key in row {
        assert_eq!(listed[key], incident[key], "{key}");
    }
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_list_is_filtered_and_paged() {
    let host = Host::start().await;
    for id in ["f1", "f2", "f3"] {
        stuck(&host, id).await;
    }
    let done = json!({"decision": "not_done"});
    host.post_json("/v1/incidents/f2~1/resolve", &done).await;
    let authority = host.participant.authority();
    for (query, expected) in [
        ("", vec!["f3~1", "f2~1", "f1~1"]),
        ("state=open", vec!["f3~1", "f1~1"]),
        ("state=resolved", vec!["f2~1"]),
        ("saga=f1", vec!["f1~1"]),
        ("step=pay&state=open&saga=", vec!["f3~1", "f1~1"]),
        ("step=other", vec![]),
        ("participant=127.0.0.1&limit=1", vec!["f3~1"]),
        ("participant=elsewhere", vec![]),
        (&format!("participant={authority}&saga=f3"), vec!["f3~1"]),
    ] {
        let page = host.get(&format!("/v1/incidents?{query}")).await.json();
        assert_eq!(ids(&page), expected, "{query}");
    }
    let first = host.get("/v1/incidents?limit=2").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = host
        .get(&format!("/v1/incidents?limit=2&cursor={cursor}"))
        .await
        .json();
    assert_eq!(ids(&rest), ["f1~1"]);
    for (query, field) in [
        ("state=closed", "state"),
        ("limit=-1", "limit"),
        ("cursor=x", "cursor"),
        ("kind=x", "kind"),
        ("names=x", "names"),
    ] {
        let reply = host.get(&format!("/v1/incidents?{query}")).await;
        let detail = reply.problem(400);
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
}

#[tokio::test]
async fn each_decision_does_what_it_says() {
    let host = Host::start().await;
    for id in ["done", "not", "again", "left"] {
        stuck(&host, id).await;
    }
    let done = json!({"decision": "done", "note": "seen in the books", "by": "ann",
                      "result": {"paid": true}});
    let reply = host.post_json("/v1/incidents/done~1/resolve", &done).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let incident = reply.json();
    assert_eq!(incident["state"], "resolved");
    assert_eq!(incident["decision"], "done");
    assert_eq!(incident["note"], "seen in the books");
    assert_eq!(incident["resolved_by"], "ann");
    assert!(incident["resolved_at"].is_string());
    let saga = host
        .until("done", |saga| saga["state"] == "completed")
        .await;
    assert_eq!(saga["steps"][0]["result"], json!({"paid": true}));
    assert_eq!(saga["incidents"][0]["state"], "resolved");
    let detail = host
        .post_json("/v1/incidents/done~1/resolve", &done)
        .await
        .problem(409);
    assert!(detail.contains("already"), "{detail}");

    let reply = host
        .post("/v1/incidents/not~1/resolve", r#"{"decision": "not_done"}"#)
        .await;
    assert_eq!(reply.json()["resolved_by"], "anonymous");
    host.until("not", |saga| saga["state"] == "compensated")
        .await;

    let retry = json!({"decision": "retry", "request": {"body": {"mended": 1}}});
    let reply = host
        .post_json("/v1/incidents/again~1/resolve", &retry)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    host.until("again", |saga| saga["incidents"][1]["state"] == "open")
        .await;
    let sent = host.participant.calls("/break");
    assert!(
        sent.iter().any(|call| call.body == r#"{"mended":1}"#),
        "{sent:?}"
    );

    let abandon = json!({"decision": "abandon", "note": "nobody cares"});
    let reply = host
        .post_json("/v1/incidents/left~1/resolve", &abandon)
        .await;
    assert_eq!(reply.status, 200);
    let saga = host
        .until("left", |saga| saga["settled_at"].is_string())
        .await;
    assert_eq!(saga["steps"][0]["state"], "abandoned");
}

#[tokio::test]
async fn a_decision_that_does_not_fit_changes_nothing() {
    let host = Host::start().await;
    stuck(&host, "m").await;
    for (body, field) in [
        ("", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ("{}", "decision"),
        (r#"{"decision": "maybe"}"#, "decision"),
        (r#"{"decision": null}"#, "decision"),
        (r#"{"decision": "abandon"}"#, "note"),
        (r#"{"decision": "abandon", "note": " "}"#, "note"),
        (r#"{"decision": "done", "note": 1}"#, "note"),
        (r#"{"decision": "done", "by": []}"#, "by"),
        (r#"{"decision": "done", "request": {"body": 1}}"#, "request"),
        (r#"{"decision": "retry", "result": 1}"#, "result"),
        (r#"{"decision": "retry", "request": {}}"#, "request.body"),
        (r#"{"decision": "retry", "request": 1}"#, "request"),
        (
            r#"{"decision": "retry", "request": {"body": 1, "url": "x"}}"#,
            "request.url",
        ),
        (r#"{"decision": "done", "why": "x"}"#, "why"),
    ] {
        let reply = host.post("/v1/incidents/m~1/resolve", body).await;
        let detail = reply.problem(400);
        assert!(detail.starts_with(field), "{body}: {detail}");
    }
    assert_eq!(host.get("/v1/incidents/m~1").await.json()["state"], "open");
    for id in ["m~2", "m~0", "m~x", "m", "none~1", "~", "m~99999999999"] {
        let path = format!("/v1/incidents/{id}/resolve");
        host.post(&path, r#"{"decision": "done"}"#)
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn many_are_decided_alike_and_answered_one_by_one() {
    let host = Host::start().await;
    for id in ["b1", "b2", "b3"] {
        stuck(&host, id).await;
    }
    let some = json!({"ids": ["b1~1", "none~1"], "decision": "not_done", "by": "ann"});
    let reply = host.post_json("/v1/incidents/resolve", &some).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let statuses: Vec<i64> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].as_i64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404]);
    assert_eq!(answer["results"][0]["id"], "b1~1");
    assert_eq!(answer["results"][0]["incident"]["resolved_by"], "ann");
    assert_eq!(answer["results"][0]["problem"], Value::Null);
    assert_eq!(answer["results"][1]["incident"], Value::Null);
    assert_eq!(answer["results"][1]["problem"]["status"], 404);
    assert_eq!(answer["more"], false);
    let reply = host.post_json("/v1/incidents/resolve", &some).await.json();
    assert_eq!(reply["results"][0]["status"], 409);
    let rest = json!({"filter": {"step": "pay", "participant": "127.0.0.1"}, "decision": "done"});
    let answer = host.post_json("/v1/incidents/resolve", &rest).await.json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    let open = host.get("/v1/incidents?state=open").await.json();
    assert_eq!(open["incidents"], json!([]));
    for (body, field) in [
        (json!({"decision": "done"}), "ids"),
        (json!({"decision": "done", "ids": []}), "ids"),
        (json!({"decision": "done", "ids": [1]}), "ids"),
        (
            json!({"decision": "done", "ids": ["a"], "filter": {}}),
            "ids",
        ),
        (json!({"decision": "done", "ids": vec!["a"; 501]}), "ids"),
        (
            json!({"decision": "done", "filter": {"state": "resolved"}}),
            "filter.state",
        ),
        (
            json!({"decision": "done", "filter": {"kind": "x"}}),
            "filter.kind",
        ),
        (json!({"ids": ["a"]}), "decision"),
    ] {
        let reply = host.post_json("/v1/incidents/resolve", &body).await;
        let detail = reply.problem(400);
        assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    }
}

/// What is said to a saga while its last events are on their way to the journal is answered too.
#[tokio::test]
async fn a_decision_said_twice_at_once_is_refused_once() {
    let host = Host::start().await;
    for id in ["t1", "t2", "t3"] {
        stuck(&host, id).await;
        let incident = format!("{id}~1");
        let twice = json!({"ids": [incident, incident], "decision": "not_done"});
        let answer = host.post_json("/v1/incidents/resolve", &twice).await.json();
        assert_eq!(answer["results"][0]["status"], 200, "{answer}");
        assert_eq!(answer["results"][1]["status"], 409, "{answer}");
    }
}
