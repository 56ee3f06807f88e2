//! The quick way must say what the interpreter says, or nothing.

use proptest::prelude::*;

use super::*;

fn holds(source: &str, status: u16, body: &str) -> Result<bool, String> {
    let headers = [
        ("x-a".to_owned(), "1".to_owned()),
        ("x-a".to_owned(), "2".to_owned()),
    ];
    let view = ResponseView {
        status,
        headers: &headers,
        body,
    };
    let condition = Condition::compile(source)?;
    let answer = condition.holds(&view);
    assert_eq!(
        answer.as_ref().ok(),
        condition.interpret(&view).as_ref().ok(),
        "{source} {body}"
    );
    answer
}

#[test]
fn the_usual_rules_are_quick() {
    for source in [
        "response.status == 200",
        "404 == response.status",
        "response.status in [200, 409]",
        "response.status >= 500",
        "response.body.isSuccess == false",
        "!response.body.ok",
        "response.body.data[0][\"a b\"] != null",
        "has(response.body.error) && response.status == 200",
        "response.headers[\"x-a\"] == 'no' || response.body.code == 7",
    ] {
        assert!(
            Condition::compile(source).unwrap().quick.is_some(),
            "{source}"
        );
    }
    for source in [
        "size(response.body) > 0",
        "response.body.a == response.body.b",
    ] {
        assert!(
            Condition::compile(source).unwrap().quick.is_none(),
            "{source}"
        );
    }
}

#[test]
fn rules_say_what_they_mean() {
    let body = r#"{"isSuccess":false,"code":7,"list":[1,2],"text":"x","big":18446744073709551615}"#;
    for (source, expected) in [
        ("response.status == 200", Some(true)),
        ("response.status == 201", Some(false)),
        ("response.body.isSuccess == false", Some(true)),
        ("response.body.missing == false", None),
        ("has(response.body.missing)", Some(false)),
        (
            "has(response.body.code) && response.body.code == 7",
            Some(true),
        ),
        ("response.body.code", None),
        ("response.body.code == 7.0", Some(true)),
        ("response.body.code == \"7\"", Some(false)),
        ("response.body.big > 5", Some(true)),
        ("response.body.text in ['y', 'x']", Some(true)),
        ("response.body.list.exists(n, n == 2)", Some(true)),
        ("response.headers['x-a'] == '1, 2'", Some(true)),
        ("response.headers['x-b'] == '1'", None),
        ("has(response.headers.etag)", Some(false)),
        ("response.body.text.matches('^x$')", Some(true)),
        (
            "response.body.missing == 1 || response.status == 200",
            Some(true),
        ),
        ("response.body.?missing.orValue(1) == 1", Some(true)),
    ] {
        assert_eq!(holds(source, 200, body).ok(), expected, "{source}");
    }
}

#[test]
fn rules_that_lead_nowhere_are_refused() {
    for (source, word) in [
        ("input.a == 1", "unknown variable `input`"),
        ("response.code == 1", "`response` has only"),
        ("response", "`response` has only"),
        ("foo(response.status)", "unknown function `foo`"),
        ("response.status ==", "not a CEL expression"),
        (
            "response.body.text.matches(response.body.text)",
            "must be written out",
        ),
        (
            "response.body.text.matches('(a{99}){99}')",
            "counted repetitions",
        ),
    ] {
        let error = Condition::compile(source).unwrap_err();
        assert!(error.contains(word), "{source}: {error}");
    }
}

fn body() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "1.0",
        "1e0",
        "0.5",
        "9223372036854775807",
        "18446744073709551615",
        "123456789012345678901234567890",
        "1e999",
        "\"\"",
        "\"a\"",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[1]",
        "{\"a\":1}",
        "{\"a\":{\"b\":false}}",
    ]);
    prop_oneof![
        leaf.clone().prop_map(str::to_owned),
        (leaf.clone(), leaf).prop_map(|(a, b)| format!("{{\"a\":{a}, \"b\" : [{b}]}}")),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let place = prop::sample::select(vec![
        "response.status",
        "response.body",
        "response.body.a",
        "response.body.a.b",
        "response.body[\"a\"]",
        "response.body.b[0]",
        "response.body.b[1]",
        "response.body.b",
        "response.headers.x",
        "response.headers[\"y\"]",
        "response.headers",
    ]);
    let literal = prop::sample::select(vec![
        "null", "true", "false", "0", "1", "200", "1u", "1.0", "\"a\"", "\"\"", "[1]", "-1",
    ]);
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (place.clone(), operator.clone(), literal.clone())
            .prop_map(|(p, o, l)| format!("{p} {o} {l}")),
        (place.clone(), operator, literal.clone()).prop_map(|(p, o, l)| format!("{l} {o} {p}")),
        (place.clone(), literal.clone(), literal)
            .prop_map(|(p, a, b)| format!("{p} in [{a}, {b}]")),
        place.clone().prop_map(str::to_owned),
        place.prop_map(|p| format!("has({p}.a)")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_quick_way_agrees_with_the_interpreter(source in rule(), body in body()) {
        let condition = Condition::compile(&source).unwrap();
        let headers = [("x".to_owned(), "a".to_owned())];
        let view = ResponseView { status: 200, headers: &headers, body: &body };
        if let Some(quick) = condition.quick.as_ref().and_then(|quick| quick.holds(&view)) {
            // A piece that nothing could be made of elsewhere in the body is no reason to know less.
            match condition.interpret(&view) {
                Ok(interpreted) => prop_assert_eq!(quick, interpreted),
                Err(why) => prop_assert!(why.contains("cannot read"), "{}", why),
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(source in "[a-z.()\\[\\]{}'\"=&|!?:,0-9 +*/-]{0,40}") {
        let _ = Condition::compile(&source);
    }
}
