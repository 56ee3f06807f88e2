//! Where expressions begin and end, and what becomes of the text around them.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::names::StepNames;
use super::super::support::scope;
use super::*;

fn vocabulary<T>(then: impl FnOnce(Vocabulary<'_>) -> T) -> T {
    let all = HashMap::from([("a", 0)]);
    then(Vocabulary::Request(StepNames {
        all: &all,
        refuse: &|_| None,
    }))
}

fn render(json: &str, input: &str) -> Result<String, String> {
    let template = vocabulary(|words| {
        let mut text = String::new();
        canonical(json, "body", &mut text)?;
        JsonTemplate::compile(&text, "body", words)
    })
    .map_err(|invalid| invalid.to_string())?;
    let rendered = scope(input, &[Some("{\"list\":[ 1,2 ]}")], |scope| {
        template.render(&Values::new(scope))
    });
    rendered
        .map(|json| json.as_str().to_owned())
        .map_err(|error| error.to_string())
}

#[test]
fn bodies_are_rendered() {
    let input = r#"{"n": 1.50, "s": "q\"é", "o": {"k": [null]}, "big": 1234567890123456789012}"#;
    for (template, expected) in [
        ("{}", "{}"),
        ("null", "null"),
        (r#"{"b":1,"a":"x"}"#, r#"{"a":"x","b":1}"#),
        (r#""${ input.n }""#, "1.50"),
        (r#"{"x":"${ input.s }"}"#, r#"{"x":"q\"é"}"#),
        (
            r#"["${input.o}","n=${ input.n };"]"#,
            r#"[{"k": [null]},"n=1.50;"]"#,
        ),
        (
            r#"{"x":"<${ input.s }|${ input.o }>"}"#,
            r#"{"x":"<q\"é|{\"k\": [null]}>"}"#,
        ),
        (r#"["${ steps.a.result.list }"]"#, "[[ 1,2 ]]"),
        (r#""${input.big}""#, "1234567890123456789012"),
        (r#""$${ input.n } $5 $ $$""#, r#""${ input.n } $5 $ $$""#),
        (r#""a$${b}${input.n}""#, r#""a${b}1.50""#),
        (r#"{"${ input.n }":1}"#, r#"{"${ input.n }":1}"#),
        (r#""${ {'a}': '}'}['a}'] }""#, r#""}""#),
        (r#""${ '''it's }''' + \"}\" }""#, r#""it's }}""#),
        (r#""${ r'\\' + '}' }""#, r#""\\}""#),
        (r#""${ '\\'}' }""#, r#""'}""#),
        (r#""${ 1 // } \n }""#, "1"),
        (
            "[1.0, 1e2, 12345678901234567890123]",
            "[1.0,1e2,12345678901234567890123]",
        ),
    ] {
        assert_eq!(
            render(template, input).as_deref(),
            Ok(expected),
            "{template}"
        );
    }
}

#[test]
fn what_cannot_be_rendered_names_its_place() {
    for (template, expected) in [
        (r#"{"a":[0,"${ input.x }"]}"#, "body.a[1]: there is no `x`"),
        (
            r#"{"a b":"${ inptu }"}"#,
            "body[\"a b\"]: `${ inptu }`: unknown variable",
        ),
        (r#"["${ input"]"#, "body[0]: `${` without its `}`"),
        (r#"["${ 'a }"]"#, "body[0]: `${` without its `}`"),
        (r#"["${ {'a': 1 }"]"#, "body[0]: `${` without its `}`"),
        (r#"["${ }"]"#, "body[0]: `${ }`: an expression is missing"),
        (r#"["x${ input.none }"]"#, "body[0]: its value is null"),
        (
            r#"{"a":{"b":1,"\u0062":2}}"#,
            "body.a.b: this name is given twice",
        ),
        (
            r#"["\ud800"]"#,
            "body[0]: holds a string with a broken escape",
        ),
    ] {
        let error = render(template, "{\"none\":null}").expect_err(template);
        assert!(error.starts_with(expected), "{template}: {error}");
    }
}

#[test]
fn bodies_are_bounded() {
    let big = format!("{{\"s\":\"{}\"}}", "x".repeat(600_000));
    let error = render(r#"["${ input.s }","${ input.s }"]"#, &big).unwrap_err();
    assert!(error.contains("longer than"), "{error}");
}

proptest! {
    #[test]
    fn text_without_expressions_stays_as_it_is(source in "[a-z$}\"' é\\\\]{0,20}") {
        let json = serde_json::to_string(&source).unwrap();
        prop_assert_eq!(render(&json, "{}").unwrap(), json);
    }

    #[test]
    fn canonical_text_is_its_own_canonical_text(source in "[\\[\\]{}\",:a1e\\\\ ]{0,30}") {
        let mut once = String::new();
        if serde_json::from_str::<serde_json::Value>(&source).is_ok()
            && canonical(&source, "", &mut once).is_ok()
        {
            let mut twice = String::new();
            canonical(&once, "", &mut twice).unwrap();
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn no_text_makes_it_panic(source in "(\\$\\{|\\}|[\\$\\{'\"rb\\\\/é.a0 \n]){0,20}") {
        let _ = vocabulary(|words| text(&source, words).map(|pieces| pieces.len()));
        let _ = render(&serde_json::to_string(&source).unwrap(), "{\"a\":1}");
    }
}
