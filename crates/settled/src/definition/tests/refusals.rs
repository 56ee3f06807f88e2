//! What a refusal says: the field, what was expected, and what was found.

use super::*;

/// The document with one step more or less broken.
fn with(step: &str) -> String {
    format!(r#"{{"steps":[{{"name":"ok","action":{{"url":"http://h"}}}},{step}]}}"#)
}

#[test]
fn refusals_name_the_field_and_what_was_expected() {
    let url = r#""action":{"url":"http://h"}"#;
    for (body, expected) in [
        ("", "expected a JSON object: "),
        ("[]", "expected a JSON object: "),
        ("{} x", "expected a JSON object: "),
        ("{\"steps\":", "expected a JSON object: "),
        ("{}", "steps: expected a list of steps, but it is missing"),
        (r#"{"steps":{}}"#, "steps: expected a list, got an object"),
        (r#"{"steps":[]}"#, "steps: expected 1 to 1000 steps, got 0"),
        (
            r#"{"steps":[1]}"#,
            "steps[0]: expected an object, got a number",
        ),
        (
            r#"{"step":[]}"#,
            "steps: expected a list of steps, but it is missing",
        ),
        (
            r#"{"id":"a b","steps":[]}"#,
            "id: expected 1 to 128 characters of A-Za-z0-9._:-, got",
        ),
        (r#"{"id":"","steps":[]}"#, "id: expected"),
        (r#"{"id":7,"steps":[]}"#, "id: expected"),
        (r#"{"name":"ä","steps":[]}"#, "name: expected"),
        (
            r#"{"deadline":30,"steps":[]}"#,
            "deadline: expected a duration such as",
        ),
        (
            r#"{"deadline":"0s","steps":[]}"#,
            "deadline: expected a duration such as",
        ),
        (
            r#"{"compensate":"both","steps":[]}"#,
            "compensate: expected one of \"reverse\", \"parallel\"",
        ),
        (
            r#"{"steps":[],"steps":[]}"#,
            "steps: this name is given twice",
        ),
        (
            r#"{"steps":[],"x":1,"st\u0065ps":[]}"#,
            "steps: this name is given twice",
        ),
        (
            &format!(r#"{{"nmae":"x","steps":[{{"name":"a",{url}}}]}}"#),
            "nmae: unknown field; expected one of id, name",
        ),
        (
            &with(r#"{"name":"a"}"#),
            "steps[1].action: expected an object with a \"url\", but it is missing",
        ),
        (
            &with(&format!("{{{url}}}")),
            "steps[1].name: expected a name of 1 to 64",
        ),
        (
            &with(&format!(r#"{{"name":"a/b",{url}}}"#)),
            "steps[1].name: expected a name of 1 to 64",
        ),
        (
            &with(&format!(r#"{{"name":"ok",{url}}}"#)),
            "steps[1].name: another step is named \"ok\"",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"retyr":{{}}}}"#)),
            "steps[1].retyr: unknown field; expected one of name, action",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"pivot":"yes"}}"#)),
            "steps[1].pivot: expected true or false, got \"yes\"",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"on_unknown":"ask"}}"#)),
            "steps[1].on_unknown: expected one of \"retry\", \"check\", \"incident\"",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"on_unknown":"check"}}"#)),
            "steps[1].on_unknown: \"check\" needs a `check`",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"compensate_unknown":true}}"#
            )),
            "steps[1].compensate_unknown: needs a `compensation`",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"key_window":"1w"}}"#)),
            "steps[1].key_window: expected a duration",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"retry":{{"factor":0.5}}}}"#)),
            "steps[1].retry.factor: expected a number that is at least 1, got 0.5",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"retry":{{"factor":1e999}}}}"#
            )),
            "steps[1].retry.factor: expected",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"retry":{{"max_attempts":0}}}}"#
            )),
            "steps[1].retry.max_attempts: expected a whole number from 1",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"retry":{{"max_attempts":1.0}}}}"#
            )),
            "steps[1].retry.max_attempts: expected a whole number from 1",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"retry":{{"jitter":1}}}}"#)),
            "steps[1].retry.jitter: unknown field",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"retry":3}}"#)),
            "steps[1].retry: expected an object, got a number",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"compensation":"x"}}"#)),
            "steps[1].compensation: expected an object, got a string",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"compensation":{{}}}}"#)),
            "steps[1].compensation.url: expected an absolute http or https URL, but it is missing",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"check":{{"url":"http://h","retry":{{}}}}}}"#
            )),
            "steps[1].check.retry: unknown field",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"check":{{"url":"http://h","done_when":"x"}}}}"#
            )),
            "steps[1].check.done_when: unknown variable `x`",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"refused_when":"1 +"}}"#)),
            "steps[1].refused_when: not a CEL expression",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"refused_when":7}}"#)),
            "steps[1].refused_when: expected an expression in a string",
        ),
        (
            &with(r#"{"name":"a","action":{"url":"http://h","method":"FETCH"}}"#),
            "steps[1].action.method: expected one of GET, POST",
        ),
        (
            &with(r#"{"name":"a","action":{"url":"http://h","timeout":"-1s"}}"#),
            "steps[1].action.timeout: expected a duration",
        ),
        (
            &with(r#"{"name":"a","action":{"url":"http://h","headers":{"x":1}}}"#),
            "steps[1].action.headers.x: expected a string",
        ),
        (
            &with(r#"{"name":"a","action":{"url":"http://h","body":["${ steps.b.result }"]}}"#),
            "steps[1].action.body[0]: `${ steps.b.result }`: there is no step named `b`",
        ),
        (
            &with(r#"{"name":"a","action":{"url":"http://h","body":"${ steps.a.result }"}}"#),
            "steps[1].action.body: `${ steps.a.result }`: the step `a` need not be done when `a` is called",
        ),
        (
            &with(r#"{"name":"a","needs":[],"action":{"url":"http://h/${ steps.ok.result.x }"}}"#),
            "steps[1].action.url: `${ steps.ok.result.x }`: the step `ok` need not be done",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"check":{{"url":"${{ steps.a.result }}"}}}}"#
            )),
            "steps[1].check.url: `${ steps.a.result }`: the step `a` need not be done",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"needs":["b"]}}"#)),
            "steps[1].needs[0]: there is no step named \"b\"",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"needs":["a"]}}"#)),
            "steps[1].needs[0]: a step cannot need itself",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"needs":["ok","ok"]}}"#)),
            "steps[1].needs[1]: \"ok\" is given twice",
        ),
        (
            &with(&format!(r#"{{"name":"a",{url},"needs":"ok"}}"#)),
            "steps[1].needs: expected a list, got a string",
        ),
        (
            &with(&format!(
                r#"{{"name":"a",{url},"needs":["b"]}},{{"name":"b",{url}}}"#
            )),
            "steps[1].needs: the steps wait for each other: a needs b needs a",
        ),
    ] {
        let error = Definitions::new()
            .parse(body.as_bytes())
            .expect_err(body)
            .to_string();
        assert!(error.starts_with(expected), "{body}\n  {error}");
    }
}
