//! A saga's events, at once and as they come.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use settled_server::ServerSettings;

use crate::support::{Host, LONG, client};

const STREAM: (&str, &str) = ("accept", "text/event-stream");

/// Reads a stream until its end, or until enough of it has come.
async fn messages(body: &mut Incoming, enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let reading = async {
        while !enough(&text) {
            match body.frame().await {
                Some(frame) => {
                    let data = frame.unwrap().into_data().unwrap_or_default();
                    text.push_str(std::str::from_utf8(&data).unwrap());
                }
                None => break,
            }
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("a stream");
    text
}

/// The messages of a stream: each `id` with its `data`.
fn parse(text: &str) -> Vec<(u64, Value)> {
    text.split("\n\n")
        .filter(|message| message.starts_with("id: "))
        .map(|message| {
            let (id, data) = message.split_once('\n').unwrap();
            let id = id.strip_prefix("id: ").unwrap().parse().unwrap();
            let data = data.strip_prefix("data: ").unwrap();
            (id, serde_json::from_str(data).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_event_and_attempt_is_shown_in_order() {
    let host = Host::start().await;
    let mut first = host.undone_step("a", "/ok", "/ok/undo");
    first["action"]["headers"] = json!({"x-a": "b"});
    first["action"]["body"] = json!({"n": "${ input.n }"});
    let steps = json!([first, host.step("b", "/refuse")]);
    host.run("e", steps).await;
    let reply = host.get("/v1/sagas/e/events").await;
    assert_eq!(reply.status, 200);
    let events = reply.json()["events"].as_array().unwrap().clone();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "submitted",
            "attempt_started",
            "attempt_ended",
            "attempt_started",
            "attempt_ended",
            "turned",
            "attempt_started",
            "attempt_ended",
            "settled"
        ]
    );
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index + 1);
        assert!(event["at"].as_str().unwrap().ends_with('Z'));
    }
    let ended = &events[2];
    assert_eq!(ended["step"], "a");
    assert_eq!(ended["direction"], "action");
    assert_eq!(ended["attempt"], 1);
    assert_eq!(ended["outcome"], "done");
    assert_eq!(ended["request"]["url"], host.participant.url("/ok"));
    assert_eq!(ended["request"]["headers"], json!({"x-a": "b"}));
    assert_eq!(ended["request"]["body"], json!({"n": 1}));
    assert_eq!(ended["response"]["status"], 200);
    assert_eq!(
        ended["response"]["body"],
        json!({"list": ["canary-answer"]})
    );
    assert_eq!(ended["started_at"], events[1]["at"]);
    assert!(ended["duration_ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(ended["error"], Value::Null);
    let refused = &events[4];
    assert_eq!(refused["outcome"], "refused");
    assert!(refused["error"].is_string());
    assert_eq!(events[5]["reason"]["step"], "b");
    assert_eq!(events[6]["direction"], "compensation");
    assert_eq!(events[8]["state"], "compensated");
    assert!(events[0].get("reason").is_none());
}

#[tokio::test]
async fn a_stream_shows_what_was_and_what_comes_and_ends() {
    let host = Host::start().await;
    let saga = json!({"id": "s", "input": "two\nlines",
                      "steps": [host.step("a", "/pend"), host.step("b", "/slow")]});
    host.post_json("/v1/sagas", &saga).await;
    host.until("s", |saga| saga["steps"][0]["state"] == "pending")
        .await;
    let path = "/v1/sagas/s/events";
    let response = client::open(host.address, "GET", path, &[STREAM], Bytes::new()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut body = response.into_body();
    let mut text = messages(&mut body, |text| text.contains("\"pending\"")).await;
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    let done = "{\"outcome\": \"done\", \"result\": {\n\r\"a\": 1}}";
    host.post(&format!("/v1/callbacks/{token}"), done).await;
    text.push_str(&messages(&mut body, |_| false).await);
    let streamed = parse(&text);
    let history = host.get(path).await.json();
    let history = history["events"].as_array().unwrap();
    assert_eq!(streamed.len(), history.len(), "{text}");
    for ((id, event), expected) in streamed.iter().zip(history) {
        assert_eq!(event["seq"], *id);
        assert_eq!(event, expected);
    }
    assert_eq!(streamed.last().unwrap().1["kind"], "settled");
    // A client that comes back gets the rest, and is told when there is none.
    let last = [STREAM, ("last-event-id", "3")];
    let rest = client::send(host.address, "GET", path, &last, "").await;
    assert_eq!(parse(&rest.text())[..], streamed[3..]);
    let all = history.len().to_string();
    let last = [STREAM, ("last-event-id", all.as_str())];
    let none = client::send(host.address, "GET", path, &last, "").await;
    assert_eq!(none.status, 204);
    let last = [STREAM, ("last-event-id", "x")];
    client::send(host.address, "GET", path, &last, "")
        .await
        .problem(400);
    client::send(host.address, "GET", "/v1/sagas/none/events", &[STREAM], "")
        .await
        .problem(404);
}

#[tokio::test]
async fn a_stream_on_which_nothing_happens_says_that_it_is_there() {
    let host = Host::with(ServerSettings {
        keep_alive: Duration::from_millis(50),
        ..ServerSettings::default()
    })
    .await;
    let saga = json!({"id": "q", "steps": [host.step("a", "/pend")]});
    host.post_json("/v1/sagas", &saga).await;
    let path = "/v1/sagas/q/events";
    let response = client::open(host.address, "GET", path, &[STREAM], Bytes::new()).await;
    let mut body = response.into_body();
    let text = messages(&mut body, |text| text.matches(":\n\n").count() >= 3).await;
    assert_eq!(parse(&text)[0].1["kind"], "submitted");
}

#[tokio::test]
async fn streams_that_begin_at_any_moment_miss_nothing() {
    let host = Host::start().await;
    for round in 0..20 {
        let id = format!("r{round}");
        let saga = json!({"id": id, "steps": [host.step("a", "/ok"), host.step("b", "/ok"),
                                              host.step("c", "/ok")]});
        host.post_json("/v1/sagas", &saga).await;
        tokio::time::sleep(Duration::from_micros(200 * round)).await;
        let path = format!("/v1/sagas/{id}/events");
        let reply = client::send(host.address, "GET", &path, &[STREAM], "").await;
        let seen: Vec<u64> = parse(&reply.text()).iter().map(|(id, _)| *id).collect();
        assert_eq!(seen, (1..=8).collect::<Vec<u64>>(), "{id}");
    }
}
