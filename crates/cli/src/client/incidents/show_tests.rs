//! What a person sees of an incident.

use serde_json::{Value, json};

use super::*;

fn incident() -> Value {
    let before = ["a", "b", "c", "d", "e"].map(|name| json!({"name": name, "state": "done"}));
    json!({
        "id": "o-1~1", "saga": "o-1", "name": "order", "step": "pay", "direction": "action",
        "kind": "unknown_outcome", "request_url": "http://pay:80/charge",
        "request": {"method": "POST", "headers": {"x-shop": "7"}, "body": {"amount": 12}},
        "response": {"status": 500, "body": "oh\u{1b}[2J no"},
        "error": "500 Oops", "attempts": 1, "opened_at": "2026-01-01T00:00:00.000000Z",
        "state": "open", "decision": null, "note": null, "resolved_by": null, "resolved_at": null,
        "place": {
            "step": 6, "of": 8, "step_state": "unknown", "saga_state": "stuck",
            "before": before,
            "after": [{"name": "ship", "state": "waiting"}, {"name": "mail\u{7}", "state": "waiting"}],
        },
        "history": [
            {"number": 1, "kind": "attempt", "started_at": "2026-01-01T00:00:00.000000Z",
             "duration_ms": 1250.0, "outcome": "unknown", "finding": null, "request": null,
             "response": {"status": 500, "headers": {}, "body": null}, "error": "500 Oops"},
            {"number": 1, "kind": "check", "started_at": "2026-01-01T00:00:02.000000Z",
             "duration_ms": null, "outcome": null, "finding": null, "request": null,
             "response": null, "error": null},
        ],
        "earlier_decisions": [{"incident": "o-1~0", "at": "2026-01-01T00:00:00.000000Z",
                               "by": "ann", "decision": "retry", "note": "up again"}],
        "idempotency_key": "o-1/pay/action",
        "decisions": [
            {"decision": "retry", "allowed": true, "needs_note": false, "text": "calls `pay` again"},
            {"decision": "done", "allowed": false, "needs_note": false, "text": "cannot be taken: no"},
            {"decision": "abandon", "allowed": true, "needs_note": true, "text": "left\u{1b}[1m"},
        ],
    })
}

fn render(incident: &Value, width: Option<usize>) -> String {
    let incident: Detail = serde_json::from_value(incident.clone()).unwrap();
    let text = anstream::adapter::strip_str(&incident.render(width)).to_string();
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    text
}

#[test]
fn an_incident_fits_on_a_screen() {
    let text = render(&incident(), Some(100));
    for line in [
        "step 6 of 8 of a saga that is stuck",
        "  … 1 more → b done → c done → d done → e done → [pay unknown] → ship waiting → mail waiting",
        "idempotency key o-1/pay/action",
        "  attempt 1  2026-01-01T00:00:00  1.2 s  unknown    500     500 Oops",
        "  o-1~0 retry by ann at 2026-01-01T00:00:00: up again",
        "  retry     calls `pay` again",
        "  done      cannot be taken: no",
        "  settled incidents resolve 'o-1~1' --decision abandon --note WHY",
    ] {
        let mut lines = text.lines();
        assert!(lines.any(|one| one == line), "{line}\n{text}");
    }
    assert!(
        text.contains("check 1") && text.contains("under way"),
        "{text}"
    );
    assert!(!text.contains("--decision done"), "{text}");
    let beside = text.lines().find(|line| line.starts_with("POST "));
    assert!(beside.unwrap().ends_with("│ 500"), "{text}");
}

#[test]
fn request_and_response_are_one_below_the_other_where_there_is_no_room() {
    for width in [None, Some(60)] {
        let text = render(&incident(), width);
        let lines: Vec<&str> = text.lines().collect();
        let at = |wanted: &str| lines.iter().position(|line| *line == wanted);
        assert!(at("POST http://pay:80/charge") < at("500"), "{text}");
        assert!(
            at("x-shop: 7").is_some() && at("oh[2J no").is_some(),
            "{text}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let mut bare = incident();
    for field in [
        "place",
        "history",
        "earlier_decisions",
        "idempotency_key",
        "decisions",
    ] {
        bare[field] = Value::Null;
    }
    let text = render(&bare, None);
    assert!(
        text.contains("--decision retry|done|not_done|abandon"),
        "{text}"
    );
    assert!(
        !text.contains("history") && !text.contains("step 6"),
        "{text}"
    );
}

#[test]
fn what_is_resolved_is_not_decided_again() {
    let mut resolved = incident();
    resolved["state"] = json!("resolved");
    resolved["decision"] = json!("retry");
    resolved["resolved_by"] = json!("ann");
    let text = render(&resolved, None);
    assert!(text.contains("resolved as retry by ann"), "{text}");
    assert!(!text.contains("to decide"), "{text}");
}
