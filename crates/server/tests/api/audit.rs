//! Who asked for which change is on record.

use serde_json::{Value, json};
use settled::journal::{AuditEntry, audit_hash};
use settled_server::{ServerSettings, Tokens};
use tokio::io::AsyncWriteExt;

use crate::support::{Host, LONG, Reply, client};

const TOKENS: &str = "\
submit submit-token-0123456789 shop
read read-token-0123456789 auditor
operate operate-token-0123456789 night shift
admin admin-token-0123456789 boss
";

async fn guarded() -> Host {
    Host::with(ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    })
    .await
}

async fn ask(host: &Host, role: &str, method: &str, path: &str, body: &str) -> Reply {
    let bearer = format!("Bearer {role}-token-0123456789");
    let headers = [("authorization", bearer.as_str())];
    client::send(host.address, method, path, &headers, body).await
}

async fn entries(host: &Host, query: &str) -> Vec<Value> {
    let path = format!("/v1/audit{query}");
    let page = ask(host, "admin", "GET", &path, "").await.json();
    page["entries"].as_array().unwrap().clone()
}

fn told(entry: &Value) -> (&str, &str, &str, u64, &str) {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    (
        text("who"),
        text("action"),
        text("target"),
        entry["status"].as_u64().unwrap(),
        text("detail"),
    )
}

#[tokio::test]
async fn every_change_is_on_record_with_who_asked_and_what_came_of_it() {
    let host = guarded().await;
    let saga = json!({"id": "t", "steps": [host.undone_step("a", "/break", "/ok")]}).to_string();
    let reply = ask(&host, "submit", "POST", "/v1/sagas?wait=10s", &saga).await;
    assert_eq!(reply.json()["submitted_by"], "shop");
    let not_done = r#"{"decision": "not_done", "by": "ann"}"#;
    let one = "/v1/incidents/t%7E1/resolve";
    for (role, method, path, body) in [
        ("read", "POST", one, not_done),
        ("operate", "POST", one, not_done),
        ("operate", "POST", one, not_done),
        (
            "operate",
            "POST",
            "/v1/incidents/resolve",
            r#"{"decision": "retry", "ids": ["t~1", "x~1"]}"#,
        ),
        ("operate", "POST", "/v1/sagas/t/cancel", ""),
        (
            "admin",
            "PUT",
            "/v1/participants/p:1",
            r#"{"max_concurrent": 3}"#,
        ),
        ("admin", "PUT", "/v1/schedules/s", "nonsense"),
        ("admin", "DELETE", "/v1/schedules/s", ""),
        ("admin", "POST", "/v1/schedules/s/trigger", ""),
        // What changes nothing, and whoever has no name here, is not on record.
        ("admin", "GET", "/v1/incidents", ""),
        ("nobody", "POST", one, not_done),
    ] {
        ask(&host, role, method, path, body).await;
    }
    let mut all = entries(&host, "").await;
    all.reverse();
    let shown: Vec<_> = all.iter().map(told).collect();
    assert_eq!(
        shown,
        [
            ("auditor", "incident.resolve", "t~1", 403, ""),
            (
                "night shift",
                "incident.resolve",
                "t~1",
                200,
                "not_done, by \"ann\""
            ),
            ("night shift", "incident.resolve", "t~1", 409, ""),
            (
                "night shift",
                "incident.resolve.many",
                "",
                200,
                "retry, by \"night shift\" (0 of 2): t~1 x~1"
            ),
            ("night shift", "saga.cancel", "t", 409, ""),
            ("boss", "participant.limit", "p:1", 200, ""),
            ("boss", "schedule.put", "s", 400, ""),
            ("boss", "schedule.delete", "s", 404, ""),
            ("boss", "schedule.trigger", "s", 404, ""),
        ]
    );
    assert_eq!(all[0]["remote"], "127.0.0.1");
    assert_eq!(all[0]["roles"], "read");
    assert_eq!(entries(&host, "?who=boss&action=schedule").await.len(), 3);
    assert_eq!(entries(&host, "?target=t~1&limit=2").await.len(), 2);
    assert_eq!(entries(&host, "?until=2020-01-01T00:00:00Z").await.len(), 0);
    // Each row's hash follows from it and the one before.
    let mut before = String::new();
    for entry in &all {
        let text = |field: &str| entry[field].as_str().map(str::to_owned);
        let at: jiff::Timestamp = text("at").unwrap().parse().unwrap();
        let again = AuditEntry {
            id: text("id").unwrap(),
            at: settled::protocol::Timestamp(at.as_microsecond()),
            who: text("who").unwrap(),
            roles: text("roles").unwrap(),
            action: text("action").unwrap(),
            target: text("target"),
            status: entry["status"].as_u64().unwrap() as u16,
            remote: text("remote"),
            detail: text("detail"),
        };
        before = audit_hash(&before, &again);
        assert_eq!(entry["hash"], before);
    }
}

#[tokio::test]
async fn without_tokens_changes_are_on_record_too() {
    let host = Host::start().await;
    host.delete("/v1/schedules/none").await.problem(404);
    let page = host.get("/v1/audit").await.json();
    assert_eq!(
        told(&page["entries"][0]),
        ("anonymous", "schedule.delete", "none", 404, "")
    );
}

#[tokio::test]
async fn a_change_is_on_record_also_when_nobody_waits_for_its_answer() {
    let host = Host::start().await;
    let named = |n: u32| format!("/v1/schedules/gone-{n}");
    let schedule = json!({"every": "1h", "saga": {"steps": [host.step("a", "/ok")]}});
    for n in 0..20 {
        let put = host.put_json(&named(n), &schedule).await;
        assert_eq!(put.status, 201);
    }
    for n in 0..20 {
        let request = format!("DELETE {} HTTP/1.1\r\nhost: localhost\r\n\r\n", named(n));
        let mut stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Whether it is read at all before the connection is gone is up to the system.
    }
    let until = std::time::Instant::now() + LONG;
    loop {
        let mut gone = Vec::new();
        for n in 0..20 {
            if host.get(&named(n)).await.status == 404 {
                gone.push(format!("gone-{n}"));
            }
        }
        let page = host.get("/v1/audit?action=schedule.delete&limit=100").await;
        let page = page.json();
        let entries = page["entries"].as_array().unwrap();
        let has_entry = |gone: &String| entries.iter().any(|entry| entry["target"] == **gone);
        if !gone.is_empty() && gone.iter().all(has_entry) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{gone:?}: {page}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
