//! Every kind of answer, and what it is taken for.

use settled_protocol::LegId;

use super::super::support::{answer, step};
use super::*;

fn read(rules: &str, status: u16, body: &str) -> Reading {
    let definition = step(&format!(r#"{rules} "action":{{"url":"http://h"}}"#)).unwrap();
    definition.read_answer(
        LegId::action(0),
        &answer(status, &[], body),
        &Mask::default(),
    )
}

#[test]
fn without_rules_the_status_speaks() {
    for (status, expected) in [
        (200, Outcome::Done),
        (201, Outcome::Done),
        (204, Outcome::Done),
        (299, Outcome::Done),
        (202, Outcome::Pending),
        (425, Outcome::Pending),
        (429, Outcome::NotSent),
        (400, Outcome::Refused),
        (404, Outcome::Refused),
        (409, Outcome::Refused),
        (422, Outcome::Refused),
        (499, Outcome::Refused),
        (408, Outcome::Unknown),
        (100, Outcome::Unknown),
        (301, Outcome::Unknown),
        (304, Outcome::Unknown),
        (500, Outcome::Unknown),
        (503, Outcome::Unknown),
        (599, Outcome::Unknown),
        (600, Outcome::Unknown),
        (0, Outcome::Unknown),
        (999, Outcome::Unknown),
    ] {
        let reading = read("", status, "{}");
        assert_eq!(reading.outcome, expected, "{status}");
        assert_eq!(
            reading.message.is_none(),
            expected == Outcome::Done,
            "{status}"
        );
    }
}

#[test]
fn no_answer_is_what_the_transport_says() {
    let definition = step(r#""action":{"url":"http://h"}"#).unwrap();
    let reading = definition.read_answer(
        LegId::action(0),
        &Answer::NotSent("connection refused".to_owned()),
        &Mask::default(),
    );
    assert_eq!(reading.outcome, Outcome::NotSent);
    assert_eq!(reading.message.as_deref(), Some("connection refused"));
    let reading = definition.read_answer(
        LegId::action(0),
        &Answer::Unknown("timed out".to_owned()),
        &Mask::default(),
    );
    assert_eq!(
        (reading.outcome, reading.result),
        (Outcome::Unknown, Json::null())
    );
}

#[test]
fn the_rules_of_a_step_come_before_the_status() {
    use Outcome::{Done, NotSent, Pending, Refused, Unknown};
    let refused = r#""refused_when":"response.body.isSuccess == false","#;
    let done = r#""done_when":"response.body.code == 0","#;
    let both = format!("{refused}{done}");
    for (rules, status, body, expected) in [
        (refused, 200, r#"{"isSuccess":true}"#, Done),
        (refused, 200, r#"{"isSuccess":false}"#, Refused),
        (refused, 500, r#"{"isSuccess":false}"#, Refused),
        (refused, 202, r#"{"isSuccess":false}"#, Refused),
        (refused, 200, "{}", Unknown),
        (refused, 200, "", Unknown),
        (refused, 200, "<html>", Unknown),
        (refused, 202, "", Pending),
        (refused, 404, "<html>", Refused),
        (refused, 429, "", NotSent),
        (refused, 502, "<html>", Unknown),
        (done, 200, r#"{"code":0}"#, Done),
        (done, 409, r#"{"code":0}"#, Done),
        (done, 202, r#"{"code":0}"#, Done),
        (done, 500, r#"{"code":0}"#, Done),
        (done, 200, r#"{"code":1}"#, Unknown),
        (done, 200, "{}", Unknown),
        (done, 202, r#"{"code":1}"#, Pending),
        (done, 409, r#"{"code":1}"#, Refused),
        (done, 500, "", Unknown),
        (&both, 200, r#"{"isSuccess":false,"code":0}"#, Refused),
        (&both, 200, r#"{"code":0}"#, Done),
        (&both, 200, r#"{"isSuccess":true}"#, Unknown),
        (&both, 200, r#"{"isSuccess":true,"code":3}"#, Unknown),
        (
            r#""refused_when":"response.body.code","#,
            200,
            r#"{"code":1}"#,
            Unknown,
        ),
        (
            r#""done_when":"response.status in [200, 409]","#,
            409,
            "",
            Done,
        ),
        (r#""done_when":"response.status == 200","#, 204, "", Unknown),
    ] {
        let reading = read(rules, status, body);
        assert_eq!(reading.outcome, expected, "{rules} {status} {body}");
    }
    let message = read(refused, 200, "{}").message.unwrap();
    assert!(
        message.starts_with("200 OK: `refused_when` cannot be evaluated: "),
        "{message}"
    );
}

#[test]
fn a_compensation_has_the_rules_of_its_step_or_its_own() {
    let definition = |own: &str| {
        step(&format!(
            r#""refused_when":"response.body.ok == false","action":{{"url":"http://h"}},
               "compensation":{{"url":"http://h"{own}}}"#
        ))
        .unwrap()
    };
    let outcome = |own, body| {
        let answer = answer(200, &[], body);
        definition(own)
            .read_answer(LegId::compensation(0), &answer, &Mask::default())
            .outcome
    };
    assert_eq!(outcome("", r#"{"ok":false}"#), Outcome::Refused);
    assert_eq!(
        outcome(r#","refused_when":null"#, r#"{"ok":false}"#),
        Outcome::Done
    );
    let own = r#","refused_when":"response.body.no == true""#;
    assert_eq!(outcome(own, r#"{"ok":false,"no":false}"#), Outcome::Done);
    assert_eq!(outcome(own, r#"{"ok":false,"no":true}"#), Outcome::Refused);
}

#[test]
fn results_are_the_body_as_json() {
    for (body, expected) in [
        ("", "null"),
        ("  \n", "null"),
        ("null", "null"),
        (
            " {\"a\": 12345678901234567890123} ",
            "{\"a\": 12345678901234567890123}",
        ),
        ("\"x\"", "\"x\""),
        ("OK", "\"OK\""),
        ("{broken", "\"{broken\""),
        ("1 2", "\"1 2\""),
        ("a\u{0}b", "\"a\\u0000b\""),
    ] {
        assert_eq!(read("", 200, body).result.as_str(), expected, "{body}");
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    assert_eq!(read("", 200, &deep).result, Json::string(&deep));
    let definition = step(r#""action":{"url":"http://h"}"#).unwrap();
    let raw = Answer::Responded(Response {
        status: 200,
        headers: Vec::new(),
        body: bytes::Bytes::from_static(b"\"\xff\""),
    });
    let result = definition
        .read_answer(LegId::action(0), &raw, &Mask::default())
        .result;
    assert_eq!(result, Json::string("\"\u{fffd}\""));
}

#[test]
fn messages_quote_the_participant() {
    for (status, body, expected) in [
        (409, "", "409 Conflict"),
        (
            409,
            r#"{"message":"no such coupon"}"#,
            "409 Conflict: no such coupon",
        ),
        (409, r#"{"title":"T","detail":"D"}"#, "409 Conflict: D"),
        (409, r#"{"error":{"code":1}}"#, "409 Conflict"),
        (500, "oops\nat line 3", "500 Internal Server Error: oops"),
        (499, "\u{1b}[31mred", "499: [31mred"),
    ] {
        assert_eq!(read("", status, body).message.as_deref(), Some(expected));
    }
    let long = read("", 500, &"x".repeat(10_000)).message.unwrap();
    assert!(long.len() < 400, "{long}");
}

#[test]
fn participants_may_ask_to_be_left_alone() {
    let definition = step(r#""action":{"url":"http://h"}"#).unwrap();
    let read = |status, headers: &[(&str, &str)]| {
        definition
            .read_answer(
                LegId::action(0),
                &answer(status, headers, ""),
                &Mask::default(),
            )
            .retry_after
    };
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let seconds = |n| Some(Span::from_secs(n));
    for (status, headers, expected) in [
        (429, vec![("retry-after", "3")], seconds(3)),
        (503, vec![("retry-after", " 120 ")], seconds(120)),
        (202, vec![("retry-after", "1")], seconds(1)),
        (429, vec![("retry-after", "0")], seconds(0)),
        (
            429,
            vec![("retry-after", "99999999999999999999")],
            seconds(MAX_RETRY_AFTER),
        ),
        (429, vec![("retry-after", "-1")], None),
        (429, vec![("retry-after", "soon")], None),
        (429, vec![("retry-after", "")], None),
        (429, vec![], None),
        (409, vec![("retry-after", "3")], None),
        (200, vec![("retry-after", "3")], None),
        (
            429,
            vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date],
            seconds(30),
        ),
        (
            429,
            vec![("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), date],
            seconds(0),
        ),
        (
            429,
            vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")],
            None,
        ),
    ] {
        assert_eq!(read(status, &headers), expected, "{status} {headers:?}");
    }
}

#[test]
fn a_check_says_whether_it_happened() {
    let finding = |rules: &str, status, body: &str| {
        let definition = step(&format!(
            r#""action":{{"url":"http://h"}},"check":{{"url":"http://h/${{ key }}"{rules}}}"#
        ))
        .unwrap();
        match definition.read_finding(LegId::action(0), &answer(status, &[], body)) {
            Finding::Happened(_) => "happened",
            Finding::DidNotHappen => "not",
            Finding::Inconclusive(_) => "?",
        }
    };
    let done = r#","done_when":"response.body.state == 'paid'""#;
    let not = r#","not_done_when":"response.body.found == false""#;
    let both = format!("{done}{not}");
    for (rules, status, body, expected) in [
        ("", 200, "{}", "happened"),
        ("", 204, "", "happened"),
        ("", 202, "", "?"),
        ("", 404, "", "not"),
        ("", 410, "", "not"),
        ("", 409, "", "?"),
        ("", 429, "", "?"),
        ("", 500, "", "?"),
        ("", 301, "", "?"),
        (done, 200, r#"{"state":"paid"}"#, "happened"),
        (done, 500, r#"{"state":"paid"}"#, "happened"),
        (done, 404, r#"{"state":"paid"}"#, "happened"),
        (done, 200, r#"{"state":"open"}"#, "?"),
        (done, 200, "{}", "?"),
        (done, 404, r#"{"state":"open"}"#, "not"),
        (done, 404, "<html>", "not"),
        (not, 200, r#"{"found":false}"#, "not"),
        (not, 200, r#"{"found":true}"#, "happened"),
        (not, 200, "{}", "?"),
        (not, 404, r#"{"found":true}"#, "?"),
        (not, 404, "", "?"),
        (not, 500, r#"{"found":false}"#, "not"),
        (&both, 200, r#"{"state":"paid","found":false}"#, "?"),
        (&both, 200, r#"{"state":"paid"}"#, "happened"),
        (&both, 200, r#"{"found":false}"#, "not"),
        (&both, 200, r#"{"state":"open","found":true}"#, "?"),
        (&both, 200, "{}", "?"),
    ] {
        assert_eq!(
            finding(rules, status, body),
            expected,
            "{rules} {status} {body}"
        );
    }
    let definition = step(r#""action":{"url":"http://h"},"check":{"url":"http://h"}"#).unwrap();
    let happened = definition.read_finding(LegId::action(0), &answer(200, &[], "{\"n\":1}"));
    assert_eq!(happened, Finding::Happened(Json::from_valid("{\"n\":1}")));
    let none = definition.read_finding(LegId::action(0), &Answer::Unknown("late".to_owned()));
    assert_eq!(none, Finding::Inconclusive("late".to_owned()));
}
