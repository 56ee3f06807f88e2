//! What `settled incidents` asks a server for, and what it makes of the answers: beside a server
//! that only remembers what it was asked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{outcome, settled};

/// Answers each request by its path, and remembers the request line and the body.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Fake {
    fn start(answer: impl Fn(&str, &str) -> Value + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).unwrap();
                loop {
                    let mut header = String::new();
                    reader.read_line(&mut header).unwrap();
                    let header = header.trim().to_ascii_lowercase();
                    if let Some(value) = header.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if header.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body = String::from_utf8(body).unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let text = answer(&path, &body).to_string();
                seen.lock().unwrap().push((path, body));
                let length = text.len();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
                write!(stream, "{head}Content-Length: {length}\r\n\r\n{text}").unwrap();
            }
        });
        Self { url, asked }
    }

    fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let directory = std::env::temp_dir();
        let mut command = settled(&directory);
        command.args(arguments).env("SETTLED_SERVER", &self.url);
        outcome(command.output().unwrap())
    }

    fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn incident(number: usize) -> Value {
    json!({
        "id": format!("i-{number}~1"), "saga": format!("i-{number}"), "name": "order",
        "step": "pay", "direction": "action", "kind": "refused", "request_url": null,
        "request": null, "response": null, "error": "no", "attempts": 1,
        "opened_at": "2026-01-01T00:00:00.000000Z", "state": "open", "decision": null,
        "note": null, "resolved_by": null, "resolved_at": null,
    })
}

#[test]
fn what_is_alike_is_one_line() {
    let groups = json!({"groups": [
        {"participant": "pay.local:80", "name": "order", "step": "pay", "direction": "action",
         "kind": "unknown_outcome", "fault": "no answer from #\u{1b}[2J", "count": 17,
         "oldest_at": "2026-01-01T00:00:00.000000Z", "newest_at": "2026-01-02T00:00:00.000000Z",
         "example": "order-9~1"},
        {"participant": null, "name": "order", "step": "mail", "direction": "compensation",
         "kind": "unmakeable", "fault": "no such field", "count": 1,
         "oldest_at": "2026-01-01T00:00:00.000000Z", "newest_at": "2026-01-01T00:00:00.000000Z",
         "example": "order-8~1"},
    ]});
    let answer = groups.clone();
    let fake = Fake::start(move |_, _| answer.clone());
    let (status, out, err) = fake.ask(&["incidents"]);
    assert_eq!(status, 0, "{err}");
    let words = |line: &str| -> Vec<String> {
        let cells = line.split("  ").filter(|cell| !cell.is_empty());
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<Vec<String>> = out.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            vec![
                "participant",
                "step",
                "direction",
                "kind",
                "error",
                "open",
                "oldest",
                "example"
            ],
            vec![
                "pay.local:80",
                "pay",
                "action",
                "unknown_outcome",
                "no answer from #[2J",
                "17",
                "2026-01-01T00:00:00",
                "order-9~1",
            ],
            vec![
                "-",
                "mail",
                "compensation",
                "unmakeable",
                "no such field",
                "1",
                "2026-01-01T00:00:00",
                "order-8~1",
            ],
        ]
    );
    assert_eq!(
        fake.asked(),
        [("/v1/incidents/groups".to_owned(), String::new())]
    );
    let (status, out, err) = fake.ask(&["incidents", "--format", "json"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), groups);
}

#[test]
fn an_option_of_the_list_makes_a_list() {
    let fake = Fake::start(|_, _| json!({"incidents": [incident(1)], "next_cursor": null}));
    for (arguments, query) in [
        (&["--list"][..], "state=open&limit=50"),
        (&["--step", "pay"], "state=open&limit=50&step=pay"),
        (
            &[
                "list", "--kind", "refused", "--name", "order", "--fault", "no #",
            ],
            "state=open&limit=50&name=order&kind=refused&fault=no%20%23",
        ),
        (&["--state", "all", "--limit", "9"], "limit=9"),
    ] {
        let (status, out, err) = fake.ask(&[&["incidents"], arguments].concat());
        assert_eq!(status, 0, "{err}");
        assert!(out.contains("i-1~1"), "{out}");
        assert_eq!(fake.asked()[0].0, format!("/v1/incidents?{query}"));
    }
}

/// More than one request may decide: those that were open when it began, each once.
#[test]
fn many_are_decided_some_at_a_time() {
    let fake = Fake::start(|path, body| {
        if path.starts_with("/v1/incidents?") {
            let second = path.contains("cursor=more");
            let numbers = if second { 500..650 } else { 0..500 };
            let next = (!second).then_some("more");
            let incidents: Vec<Value> = numbers.map(incident).collect();
            return json!({"incidents": incidents, "next_cursor": next});
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let decided = |id: &Value| {
            let mut incident = incident(0);
            incident["id"] = id.clone();
            incident["state"] = json!("resolved");
            incident["decision"] = json!("retry");
            incident["resolved_by"] = json!("ann");
            json!({"id": id, "status": 200, "incident": incident, "problem": null})
        };
        let ids = body["ids"].as_array().unwrap();
        json!({"results": ids.iter().map(decided).collect::<Vec<_>>(), "more": false})
    });
    let arguments = [
        "incidents",
        "resolve",
        "--all",
        "--kind",
        "refused",
        "--decision",
        "retry",
        "--by",
        "ann",
    ];
    let (status, out, err) = fake.ask(&arguments);
    assert_eq!(status, 0, "{err}");
    assert_eq!(out.lines().count(), 651);
    assert!(err.contains("650 incidents decided"), "{err}");
    let asked = fake.asked();
    let posts = asked
        .iter()
        .filter(|(path, _)| path == "/v1/incidents/resolve");
    let mut ids: Vec<Value> = Vec::new();
    for (_, body) in posts {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["decision"], "retry");
        assert_eq!(body["by"], "ann");
        let some = body["ids"].as_array().unwrap();
        assert!(some.len() <= 500);
        ids.extend(some.iter().cloned());
    }
    let expected: Vec<Value> = (0..650)
        .map(|number| incident(number)["id"].clone())
        .collect();
    assert_eq!(ids, expected);
}
