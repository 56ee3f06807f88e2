//! What is wrong with a document is said by field, with the remedy.

use super::super::spec::Schedule;
use super::document;
use crate::definition::Definitions;

fn refusal(document: &str) -> String {
    let refused = Schedule::parse(&Definitions::new(), document.as_bytes());
    refused.expect_err(document).to_string()
}

#[test]
fn what_is_wrong_is_said_by_field() {
    for (members, field, hint) in [
        (r#""cron": "* * * *""#, "cron", "five fields"),
        (r#""cron": "0 0 4 * * *""#, "cron", "no fields for seconds"),
        (r#""cron": "61 * * * *""#, "cron", "61"),
        (r#""cron": "* * * FOO *""#, "cron", "five fields"),
        (r#""cron": "50/5 * * * *""#, "cron", "X-Y/5"),
        (r#""cron": "@often""#, "cron", "@daily"),
        (r#""cron": "@every 4h""#, "cron", "`every`"),
        (r#""cron": "0 0 31 2 *""#, "cron", "no day of the calendar"),
        (r#""cron": """#, "cron", "five fields"),
        (r#""cron": 4"#, "cron", "expected a string"),
        (r#""cron": "@daily", "every": "4h""#, "every", "not both"),
        (r#""missed": "skip""#, "cron", "both are missing"),
        (r#""every": "4""#, "every", "duration"),
        (r#""every": "500ms""#, "every", "whole seconds"),
        (r#""every": "1s500ms""#, "every", "whole seconds"),
        (
            r#""every": "4h", "timezone": "UTC""#,
            "timezone",
            "leave it out",
        ),
        (
            r#""cron": "@daily", "timezone": "Berlin""#,
            "timezone",
            "Europe/Berlin",
        ),
        (r#""every": "4h", "missed": "all""#, "missed", "\"once\""),
        (
            r#""every": "4h", "overlap": "once""#,
            "overlap",
            "\"queue\"",
        ),
        (r#""every": "4h", "evry": 1"#, "evry", "unknown field"),
    ] {
        let text = refusal(&document(members));
        assert!(
            text.starts_with(&format!("{field}: ")) && text.contains(hint),
            "{members}: {text}"
        );
    }
}

#[test]
fn what_is_wrong_with_the_saga_is_said_by_its_place() {
    for (saga, start) in [
        ("null", "saga: expected a saga"),
        ("4", "saga: expected a JSON object"),
        ("{}", "saga.steps: "),
        (r#"{"steps": [{"name": "a"}]}"#, "saga.steps[0].action"),
        (r#"{"a b": 1, "steps": []}"#, "saga"),
        (
            r#"{"id": "x", "steps": [{"name": "a", "action": {"url": "http://h/"}}]}"#,
            "saga.id: each run has an id of its own",
        ),
    ] {
        let text = refusal(&format!(r#"{{"every": "4h", "saga": {saga}}}"#));
        assert!(text.starts_with(start), "{saga}: {text}");
    }
    assert!(refusal("[").starts_with("expected a JSON object"));
    assert!(refusal(r#"{"every": "4h"}"#).starts_with("saga: expected a saga"));
}

#[test]
fn a_pattern_that_never_comes_is_refused_soon() {
    let began = std::time::Instant::now();
    for pattern in [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "* * 31 2 *",
        "0 0 31 2 ?",
    ] {
        refusal(&document(&format!(r#""cron": "{pattern}""#)));
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
