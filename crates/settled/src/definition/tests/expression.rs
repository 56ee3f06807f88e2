//! Paths against the interpreter, and expressions that mean harm.

use proptest::prelude::*;

use super::super::names::StepNames;
use super::super::support::scope;
use super::*;

fn compile(source: &str) -> Result<Expression, String> {
    let all = HashMap::from([("stock", 0), ("a-b", 1), ("late", 2)]);
    let refuse = |step: StepIndex| (step == 2).then(|| "too late".to_owned());
    Expression::compile(
        source,
        Vocabulary::Request(StepNames {
            all: &all,
            refuse: &refuse,
        }),
    )
}

fn evaluate(source: &str, input: &str) -> Result<String, String> {
    let expression = compile(source)?;
    scope(input, &[Some(r#"{"list":[1,{"x":"y"}]}"#), None], |scope| {
        let mut out = String::new();
        expression
            .evaluate(&Values::new(scope))?
            .write_json(&mut out);
        Ok(out)
    })
}

#[test]
fn expressions_come_to_values() {
    let input = r#"{"n": 3, "items":[{"sku":"B","qty":2},{"sku":"A","qty":1}],
        "big": 123456789012345678901234567890, "m": {"z":1,"y":2,"x":3}, "s":"é\n"}"#;
    for (source, expected) in [
        ("input.n", "3"),
        (" input.big ", "123456789012345678901234567890"),
        ("input[\"items\"][1].sku", "\"A\""),
        ("input['s']", "\"é\\n\""),
        ("steps.stock.result.list[1].x", "\"y\""),
        ("steps[\"stock\"].result.list", "[1,{\"x\":\"y\"}]"),
        ("saga.id", "\"order-1\""),
        ("key", "\"order-1/a/action\""),
        ("input.n + 1", "4"),
        ("input.items.map(i, i.sku)", "[\"B\",\"A\"]"),
        (
            "input.items.map(i, {'sku': i.sku, 'n': input.n})[0]",
            "{\"n\":3,\"sku\":\"B\"}",
        ),
        ("input.items.filter(i, i.qty > 1).size()", "1"),
        ("input.m.map(k, k)", "[\"x\",\"y\",\"z\"]"),
        ("[] + input.m", "[\"x\",\"y\",\"z\"]"),
        ("input.m", "{\"z\":1,\"y\":2,\"x\":3}"),
        ("[input.m][0]", "{\"x\":3,\"y\":2,\"z\":1}"),
        ("saga.id + '/stock/action'", "\"order-1/stock/action\""),
        ("has(steps.stock.result) ? 1 : 0", "1"),
        ("has(steps[\"a-b\"].result) ? 1 : 0", "0"),
        ("input.?none.orValue('d')", "\"d\""),
        ("optional.of(input.n).value()", "3"),
        ("input.items.exists_one(i, i.sku == 'A')", "true"),
        ("input.items.all(i, i.qty > 0)", "true"),
        ("[1].map(input, input)[0]", "1"),
        ("type(input.n) == int", "true"),
        ("string(input.n)", "\"3\""),
        ("{'}': '{'}['}']", "\"{\""),
    ] {
        assert_eq!(evaluate(source, input).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn what_leads_nowhere_is_refused_when_compiled() {
    for (source, word) in [
        ("", "missing between"),
        ("inptu.a", "unknown variable `inptu`"),
        ("steps.nope.result", "no step named `nope`"),
        ("steps[\"nope\"].result", "no step named `nope`"),
        ("steps.stock", "only `.result`"),
        ("steps.stock.reslut", "only `.result`"),
        ("steps.late.result", "too late"),
        ("size(steps.late.result)", "too late"),
        ("steps[input.x].result", "followed by the name"),
        ("steps", "followed by the name"),
        ("saga", "only `saga.id`"),
        ("saga.name + ''", "only `saga.id`"),
        ("response.status", "unknown variable `response`"),
        ("[1].map(x, y)", "unknown variable `y`"),
        ("[1].map(x, x) + x", "unknown variable `x`"),
        ("input.a.nope()", "unknown function `nope`"),
        ("a.b.C{x: 1}", "not supported"),
        ("[1].map(a, [1].map(b, [1].map(c, c)))", "nested 2 deep"),
        ("input.", "not a CEL expression"),
        ("input.a b", "not a CEL expression"),
        ("input.in", "not a CEL expression"),
    ] {
        let error = compile(source).expect_err(source);
        assert!(error.contains(word), "{source}: {error}");
    }
}

#[test]
fn what_fails_on_its_values_says_why() {
    for (source, word) in [
        ("input.nope", "no `nope`"),
        ("input.a.b.c", "no `b` in it, but a number"),
        ("input[3]", "no element 3"),
        ("key.x", "no members"),
        ("steps[\"a-b\"].result", "not done"),
        ("steps[\"a-b\"].result.x + 1", "No such key"),
        ("input.a / 0", "zero"),
        ("{1: 2}", "not a string"),
        ("input.?a", "optional"),
        ("type(input.a)", "type"),
        ("1.0 / 0.0", "no number in JSON"),
        ("b'x'", "bytes"),
    ] {
        let error = evaluate(source, r#"{"a":1}"#).expect_err(source);
        assert!(error.contains(word), "{source}: {error}");
    }
}

/// On a thread with the stack of a server's worker.
fn on_a_small_stack(run: impl FnOnce() + Send) {
    std::thread::scope(|threads| {
        let builder = std::thread::Builder::new().stack_size(2 << 20);
        builder.spawn_scoped(threads, run).unwrap().join().unwrap();
    });
}

#[test]
fn nothing_runs_out_of_stack() {
    on_a_small_stack(|| {
        for depth in [
            10, 20, 24, 80, 95, 120, 190, 195, 300, 399, 1_000, 4_000, 100_000,
        ] {
            for (open, core, close) in [
                ("(", "1", ")"),
                ("[", "", "]"),
                ("{'a':", "1", "}"),
                ("!", "true", ""),
                ("-", "input.n", ""),
                ("1+", "1", ""),
                ("input.n-", "input.n", ""),
                ("true&&", "true", ""),
                ("true?", "1", ":2"),
                ("true?1:", "2", ""),
                ("size(", "'a'", ")"),
                ("", "input", ".a"),
                ("", "input", "[0]"),
                ("", "input", "[?0]"),
                ("", "[1]", ".map(x,[x])"),
                ("[1].map(x,", "x", ")"),
                ("1 in [", "1", "]"),
                ("'", "", "'"),
                ("`", "", "`"),
                ("{", "", ""),
                ("a.", "b", "{}"),
            ] {
                let source = format!("{}{core}{}", open.repeat(depth), close.repeat(depth));
                let _ = evaluate(&source, r#"{"n":1}"#);
            }
        }
    });
}

#[test]
fn work_is_bounded() {
    let list = (0..20_000)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let input = format!(r#"{{"list":[{list}]}}"#);
    let doubled = format!("[1]{}", ".map(a,[a,a,a,a])".repeat(12));
    for source in [
        "input.list.map(a, input.list)",
        "input.list.map(a, input.list.map(b, a))",
        "input.list.all(a, input.list.exists(b, b < 0) || true)",
        "input.list.exists(a, input.list.exists(b, b < 0))",
        "input.list.filter(a, input.list == [1])",
        "input.list.map(a, a in input.list)",
        "input.list.map(a, 'x'.matches('x*'))",
        doubled.as_str(),
    ] {
        let started = std::time::Instant::now();
        let error = evaluate(source, &input).expect_err(source);
        assert!(error.contains("more work"), "{source}: {error}");
        assert!(started.elapsed().as_secs() < 5, "{source}");
    }
    assert!(evaluate("input.list.map(a, {'a': a, 'b': a + 1}).size()", &input).is_ok());

    let many = compile("input.list[19999]").unwrap();
    let spent = scope(&input, &[], |scope| {
        let values = Values::new(scope);
        (0..10_000).find(|_| many.evaluate(&values).is_err())
    });
    assert!(spent.is_some_and(|n| n > 500), "{spent:?}");
}

#[test]
fn text_says_what_a_value_says() {
    for (json, expected) in [
        ("\"a\\\"b\"", Some("a\"b")),
        ("12345678901234567890123", Some("12345678901234567890123")),
        ("true", Some("true")),
        ("null", None),
        ("{}", None),
        ("\"\\ud800\"", None),
    ] {
        let text = Found::Json(Cow::Borrowed(json)).into_text(false);
        assert_eq!(text.ok().as_deref(), expected, "{json}");
        let text = Found::Json(Cow::Owned(json.to_owned())).into_text(false);
        assert_eq!(text.ok().as_deref(), expected, "{json}");
    }
    assert_eq!(
        Found::Json(Cow::Borrowed("[1]")).into_text(true).as_deref(),
        Ok("[1]")
    );
}

proptest! {
    /// `[path][0]` is the same path, but the interpreter's business.
    #[test]
    fn paths_agree_with_the_interpreter(
        path in prop::sample::select(vec![
            "input", "input.a", "input.a.b", "input.a[0]", "input[\"a\"][1].b", "input[0]",
            "steps.stock.result.list[1].x", "steps.stock.result.list[2]", "saga.id", "key",
        ]),
        input in prop::sample::select(vec![
            "1", "null", "\"x\"", "[]", "[7,8]", "{\"a\":1}", "{\"a\":[2,{\"b\":3}]}",
            "{\"a\":{\"b\":[],\"c\":{}}}", "{\"a\":\"\\u00e9\\n\"}", " { \"a\" : 1.50 } ",
        ]),
    ) {
        assert!(matches!(compile(path), Ok(Expression::Place(_))));
        let quick = evaluate(path, input).ok();
        let slow = evaluate(&format!("[{path}][0]"), input).ok();
        let value = |text: Option<String>| {
            text.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap())
        };
        prop_assert_eq!(value(quick), value(slow));
    }

    #[test]
    fn no_expression_makes_it_panic(source in "(input|steps|key|saga|\\.id|map|a|x|[.()\\[\\]{}'\"=&|!?:,0-9 +*/%<>-]){0,14}") {
        let _ = evaluate(&source, "{\"a\":[1]}");
    }
}
