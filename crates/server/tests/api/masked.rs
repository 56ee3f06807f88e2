//! Secrets: nobody sees them but those who may, and everybody called is sent them whole.

use serde_json::{Value, json};
use settled::mask::MARK;
use settled::protocol::{Event, Outcome};
use settled_server::{ServerSettings, Tokens};

use crate::console_sagas::Browser;
use crate::support::{Host, Reply, client, log};

const TOKENS: &str = "\
submit submit-token-0123456789
read read-token-0123456789
operate operate-token-0123456789
admin admin-token-0123456789
";

/// What every secret here has in it, and a card number.
const CANARY: &str = "canary-mask";
const CARD: &str = "4111111111111111";

async fn guarded() -> Host {
    Host::with(ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    })
    .await
}

async fn ask(host: &Host, role: &str, method: &str, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {role}-token-0123456789");
    let headers = [("authorization", bearer.as_str())];
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    client::send(host.address, method, path, &headers, body).await
}

async fn get(host: &Host, role: &str, path: &str) -> Reply {
    ask(host, role, "GET", path, &Value::Null).await
}

#[track_caller]
fn assert_clean(text: &str, of: &str) {
    for secret in [CANARY, CARD] {
        assert!(!text.contains(secret), "{of} has {secret}: {text}");
    }
}

/// A saga with secrets in all it sends and gets, whose second step ends before a person.
async fn leaky(host: &Host, id: &str, last: &str) -> Reply {
    let url = |path: &str| host.participant.url(path);
    let saga = json!({
    "id": id, "name": "leaky",
    "input": {"user": "ann", "password": "canary-mask-input", "card": CARD,
              "note": "sent with Bearer canary-mask-note"},
    "steps": [
        {"name": "login", "action": {
            "url": format!("{}?api_key=${{input.password}}&n=1", url("/leak/ok")),
            "headers": {"Authorization": "Bearer ${input.password}"},
            "body": {"user": "${input.user}", "password": "${input.password}",
                     "card": "${input.card}"}}},
        {"name": "pay", "action": {
            "url": url(last),
            "headers": {"X-Api-Key": "${steps.login.result.token}"},
            "body": {"secret": "${steps.login.result.token}", "card": "${input.card}",
                     "quantity": 3}},
         "compensation": {"url": url("/ok/undo")},
         "retry": {"max_attempts": 1}, "on_unknown": "incident"},
    ]});
    let reply = ask(host, "submit", "POST", "/v1/sagas?wait=20s", &saga).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply
}

#[tokio::test]
async fn nothing_secret_is_shown_logged_or_recorded_as_evidence() {
    let host = guarded().await;
    let stuck = leaky(&host, "stuck", "/leak/break").await;
    assert_eq!(stuck.json()["state"], "stuck", "{}", stuck.text());
    assert_clean(&stuck.text(), "the answer to a submission");
    let back = leaky(&host, "back", "/leak/refuse").await;
    assert_eq!(back.json()["state"], "compensated", "{}", back.text());
    assert_clean(&back.text(), "the answer to a submission");
    assert!(
        back.json()["reason"]["message"]
            .as_str()
            .unwrap()
            .contains("password=••••••")
    );

    // What was sent is whole.
    let login = &host.participant.calls("/leak/ok")[0];
    assert_eq!(login.headers["authorization"], "Bearer canary-mask-input");
    let body: Value = serde_json::from_str(&login.body).unwrap();
    assert_eq!(
        body,
        json!({"user": "ann", "password": "canary-mask-input", "card": CARD})
    );
    let pay = &host.participant.calls("/leak/break")[0];
    assert!(pay.body.contains("canary-mask-result") && pay.body.contains(CARD));
    assert_eq!(pay.headers["x-api-key"], "canary-mask-result");

    // Of what is recorded only the results are, which later calls are made from.
    for id in ["stuck", "back"] {
        let history = host.coordinator.history(id).await.unwrap().unwrap();
        assert!(history.saga.input.as_str().contains("canary-mask-input"));
        for record in &history.records {
            let text = format!("{record:?}");
            match &record.event {
                Event::AttemptEnded { answer, .. } if answer.outcome == Outcome::Done => {
                    let undo = text.contains("canary-answer");
                    assert!(undo || text.contains("canary-mask-result"), "{text}");
                }
                _ => assert_clean(&text, "the record"),
            }
        }
    }

    let paths = [
        "/v1/sagas",
        "/v1/sagas?q=leaky",
        "/v1/sagas/stuck",
        "/v1/sagas/stuck/events",
        "/v1/sagas/back",
        "/v1/sagas/back/events",
        "/v1/incidents",
        "/v1/incidents/stuck~1",
        "/v1/participants",
        "/v1/schedules",
        "/metrics",
        "/openapi.json",
        "/healthz",
        "/readyz",
    ];
    for path in paths {
        for role in ["read", "operate", "admin"] {
            let reply = get(&host, role, path).await;
            assert_eq!(reply.status, 200, "{path}");
            assert_clean(&reply.text(), path);
        }
    }
    let bearer = ("authorization", "Bearer read-token-0123456789");
    let headers = [bearer, ("accept", "text/event-stream")];
    let stream = client::send(host.address, "GET", "/v1/sagas/back/events", &headers, "").await;
    assert!(stream.text().contains("attempt_ended"));
    assert_clean(&stream.text(), "the stream");
    assert_clean(&log::text(), "the log");

    let incident = get(&host, "read", "/v1/incidents/stuck~1").await.json();
    assert_eq!(
        incident["request"]["body"],
        json!({"secret": MARK, "card": "••••••1111", "quantity": 3})
    );
    assert_eq!(incident["request"]["headers"]["x-api-key"], MARK);
    assert_eq!(incident["response"]["body"]["session_token"], MARK);
    assert_eq!(incident["response"]["headers"]["set-cookie"], MARK);
    let saga = get(&host, "submit", "/v1/sagas/stuck").await.json();
    assert_eq!(saga["input"]["user"], "ann");
    assert_eq!(saga["steps"][0]["result"], json!({"token": MARK, "n": 1.5}));
    let events = get(&host, "read", "/v1/sagas/stuck/events").await.json();
    let url = events["events"][1]["request"]["url"].as_str().unwrap();
    assert!(url.ends_with("?api_key=••••••&n=1"), "{url}");
}

#[tokio::test]
async fn whole_payloads_are_for_the_role_admin() {
    let host = guarded().await;
    leaky(&host, "r", "/leak/break").await;
    let paths = [
        "/v1/sagas",
        "/v1/sagas/r",
        "/v1/sagas/r/events",
        "/v1/incidents",
        "/v1/incidents/r~1",
        "/v1/schedules",
    ];
    for path in paths {
        for role in ["read", "operate"] {
            let reply = get(&host, role, &format!("{path}?reveal=true")).await;
            let detail = reply.problem(403);
            assert!(
                detail.starts_with("reveal: ") && detail.contains("admin"),
                "{detail}"
            );
            let reply = get(&host, role, &format!("{path}?reveal=false")).await;
            assert_eq!(reply.status, 200);
        }
        let reply = get(&host, "admin", &format!("{path}?reveal=true")).await;
        assert_eq!(reply.status, 200, "{path}");
        let wrong = get(&host, "admin", &format!("{path}?reveal=yes")).await;
        assert!(wrong.problem(400).starts_with("reveal: "));
    }
    get(&host, "submit", "/v1/sagas/r?reveal=true")
        .await
        .problem(403);
    let saga = get(&host, "admin", "/v1/sagas/r?reveal=true").await.json();
    assert_eq!(saga["input"]["password"], "canary-mask-input");
    assert_eq!(saga["steps"][0]["result"]["token"], "canary-mask-result");
    let list = get(&host, "admin", "/v1/sagas?reveal=true").await.json();
    assert_eq!(list["sagas"][0], saga);
    let events = get(&host, "admin", "/v1/sagas/r/events?reveal=true").await;
    assert!(events.text().contains("canary-mask-result"));
    // What was recorded masked has nothing more to show.
    assert!(!events.text().contains("canary-mask-answer"));

    // Without tokens everybody may.
    let host = Host::start().await;
    let input = json!({"id": "o", "input": {"pin": 1234}, "steps": [host.step("a", "/ok")]});
    let taken = host.post_json("/v1/sagas?wait=20s", &input).await;
    assert_eq!(taken.json()["input"]["pin"], MARK);
    let shown = host.get("/v1/sagas/o?reveal=true").await.json();
    assert_eq!(shown["input"]["pin"], 1234);
}

#[tokio::test]
async fn a_search_does_not_find_what_is_masked() {
    let host = guarded().await;
    for id in ["q1", "q2", "q3"] {
        leaky(&host, id, "/leak/refuse").await;
    }
    let count = |page: &Value| page["sagas"].as_array().unwrap().len();
    for query in ["canary-mask-in", "4111111111", "mask-note"] {
        for limit in [1, 2, 50] {
            let path = format!("/v1/sagas?q={query}&limit={limit}");
            let page = get(&host, "read", &path).await.json();
            assert_eq!(count(&page), 0, "{page}");
            assert_eq!(page["next_cursor"], Value::Null);
        }
        let path = format!("/v1/sagas?q={query}&reveal=true");
        assert_eq!(count(&get(&host, "admin", &path).await.json()), 3);
    }
    for query in ["ANN", "leaky", "q2"] {
        let page = get(&host, "read", &format!("/v1/sagas?q={query}"))
            .await
            .json();
        assert!(count(&page) > 0, "{query}");
    }
    let page = get(&host, "read", "/v1/sagas?q=ann&limit=2").await.json();
    assert_eq!(count(&page), 2);
    assert!(page["next_cursor"].is_string());
}

#[tokio::test]
async fn a_masked_body_can_be_edited_and_sent() {
    let host = guarded().await;
    leaky(&host, "e", "/leak/break").await;
    let decide = async |number: u32, body: &Value| {
        let path = format!("/v1/incidents/e~{number}/resolve");
        let decision = json!({"decision": "retry", "request": {"body": body}});
        ask(&host, "operate", "POST", &path, &decision).await
    };
    let shown = async |number: u32| {
        let path = format!("/v1/incidents/e~{number}");
        let waiting = async {
            loop {
                let reply = get(&host, "operate", &path).await;
                if reply.status == 200 {
                    return reply.json()["request"]["body"].clone();
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(crate::support::LONG, waiting)
            .await
            .unwrap()
    };
    let sent = |index: usize| -> Value {
        serde_json::from_str(&host.participant.calls("/leak/break")[index].body).unwrap()
    };
    let mut body = shown(1).await;

    for (pointer, value, field) in [
        ("/quantity", json!(MARK), None),
        (
            "/secret",
            json!({"inner": MARK}),
            Some("request.body.secret.inner"),
        ),
        ("/card", json!("••••••2222"), Some("request.body.card")),
    ] {
        let mut wrong = body.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        if let Some(field) = field {
            let reply = decide(1, &wrong).await;
            let detail = reply.problem(400);
            assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
            assert!(detail.contains("write the value"), "{detail}");
            assert_eq!(reply.json()["field"], field);
        }
    }
    let detail = decide(1, &json!({"other": MARK})).await.problem(400);
    assert!(detail.starts_with("request.body.other: "), "{detail}");
    let done = json!({"decision": "done", "result": {"id": [MARK]}});
    let reply = ask(&host, "operate", "POST", "/v1/incidents/e~1/resolve", &done).await;
    let detail = reply.problem(400);
    assert!(detail.starts_with("result.id[0]: "), "{detail}");

    // The masked are left alone, the rest is edited.
    body["quantity"] = json!(4);
    assert_eq!(decide(1, &body).await.status, 200);
    let mut body = shown(2).await;
    assert_eq!(
        body,
        json!({"secret": MARK, "card": "••••••1111", "quantity": 4})
    );
    assert_eq!(
        sent(1),
        json!({"secret": "canary-mask-result", "card": CARD, "quantity": 4})
    );
    // A new secret; and once more with it, left alone.
    body["secret"] = json!("canary-mask-new");
    assert_eq!(decide(2, &body).await.status, 200);
    let mut body = shown(3).await;
    assert_eq!(sent(2)["secret"], "canary-mask-new");
    body["quantity"] = json!(5);
    assert_eq!(decide(3, &body).await.status, 200);
    shown(4).await;
    assert_eq!(
        sent(3),
        json!({"secret": "canary-mask-new", "card": CARD, "quantity": 5})
    );
    // As it was: the edited body, again.
    let again = json!({"decision": "retry"});
    let reply = ask(
        &host,
        "operate",
        "POST",
        "/v1/incidents/e~4/resolve",
        &again,
    )
    .await;
    assert_eq!(reply.status, 200);
    shown(5).await;
    assert_eq!(sent(4), sent(3));

    let history = host.coordinator.history("e").await.unwrap().unwrap();
    let decided: Vec<String> = history
        .records
        .iter()
        .filter(|record| matches!(record.event, Event::IncidentResolved { .. }))
        .map(|record| format!("{record:?}"))
        .collect();
    assert_eq!(decided.len(), 4);
    for decision in &decided {
        assert!(!decision.contains("canary-mask-result") && !decision.contains(CARD));
    }
    let events = get(&host, "operate", "/v1/sagas/e/events").await;
    assert_clean(&events.text(), "the events");
    assert_clean(&log::text(), "the log");
}

#[tokio::test]
async fn a_document_made_from_a_masked_one_is_refused() {
    let host = guarded().await;
    let schedule = json!({"every": "1h", "saga": {"name": "s", "steps": [
        {"name": "a", "action": {"url": host.participant.url("/ok"),
                                 "headers": {"Authorization": "Bearer canary-mask-fixed"}}}]}});
    let put =
        async |document: &Value| ask(&host, "operate", "PUT", "/v1/schedules/s", document).await;
    let reply = put(&schedule).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_clean(&reply.text(), "a schedule that was put");
    for path in ["/v1/schedules", "/v1/schedules/s"] {
        assert_clean(&get(&host, "read", path).await.text(), path);
        let whole = get(&host, "admin", &format!("{path}?reveal=true")).await;
        assert!(whole.text().contains("canary-mask-fixed"));
    }
    let shown = get(&host, "read", "/v1/schedules/s").await.json();
    let detail = put(&json!({"every": "1h", "saga": shown["saga"]}))
        .await
        .problem(400);
    assert!(
        detail.starts_with("saga.steps[0].action.headers"),
        "{detail}"
    );
    let saga = json!({"input": {"password": MARK}, "steps": [host.step("a", "/ok")]});
    let reply = ask(&host, "submit", "POST", "/v1/sagas", &saga).await;
    let detail = reply.problem(400);
    assert!(detail.starts_with("input.password: "), "{detail}");
}

#[tokio::test]
async fn a_refusal_by_callback_is_evidence_and_a_result_is_whole() {
    let host = Host::start().await;
    for (id, outcome) in [("no", "refused"), ("yes", "done")] {
        let step = host.undone_step("wait", "/pend", "/ok/undo");
        let saga = json!({"id": id, "input": {}, "steps": [step]});
        host.post_json("/v1/sagas", &saga).await;
        host.until(id, |saga| saga["steps"][0]["state"] == "pending")
            .await;
        let calls = host.participant.calls("/pend");
        let call = calls
            .iter()
            .find(|call| call.headers["settled-saga"] == id)
            .unwrap();
        let path = format!("/v1/callbacks/{}", call.headers["settled-callback"]);
        let answer = json!({"outcome": outcome, "result": {"token": "canary-mask-late"}});
        assert_eq!(host.post_json(&path, &answer).await.status, 202);
        host.until(id, |saga| saga["settled_at"].is_string()).await;
        let events = host.get(&format!("/v1/sagas/{id}/events")).await.text();
        assert_clean(&events, "the events");
        let history = host.coordinator.history(id).await.unwrap().unwrap();
        let kept = format!("{:?}", history.records).contains("canary-mask-late");
        assert_eq!(kept, outcome == "done");
    }
}

#[tokio::test]
async fn nothing_secret_is_on_a_page_of_the_console() {
    let host = guarded().await;
    for (id, last) in [
        ("stuck", "/leak/break"),
        ("noted", "/leak/break"),
        ("back", "/leak/refuse"),
    ] {
        leaky(&host, id, last).await;
    }
    let noted = json!({"decision": "not_done", "note": "asked with Bearer canary-mask-note"});
    let path = "/v1/incidents/noted~1/resolve";
    assert_eq!(
        ask(&host, "operate", "POST", path, &noted).await.status,
        200
    );
    let schedule = json!({"every": "1h", "saga": {"steps": [{"name": "a", "action": {
        "url": host.participant.url("/ok"), "headers": {"Authorization": "Bearer canary-mask-fixed"}}}]}});
    let put = ask(&host, "operate", "PUT", "/v1/schedules/leaky", &schedule).await;
    assert_eq!(put.status, 201);
    for role in ["read", "operate"] {
        let browser = Browser::open(&host, Some(role)).await;
        for path in [
            "/console",
            "/console/sagas",
            "/console/sagas?q=leaky",
            "/console/sagas/stuck",
            "/console/sagas/stuck?reveal=true",
            "/console/sagas/back",
            "/console/incidents",
            "/console/incidents?state=all",
            "/console/incidents/stuck~1",
            "/console/incidents/stuck~1?reveal=true",
            "/console/incidents/noted~1",
            "/console/schedules",
            "/console/schedules/leaky",
            "/console/schedules/leaky?reveal=true",
            "/console/participants",
        ] {
            let page = browser.get(&host, path).await;
            assert_eq!(page.status, 200, "{path}");
            assert_clean(&page.text(), path);
        }
    }
}
