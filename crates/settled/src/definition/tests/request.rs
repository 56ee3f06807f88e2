//! Requests: what is refused at submission, what when it is made, and what is sent.

use settled_protocol::LegId;

use super::super::support::{compile, scope, step};
use super::*;

fn request(action: &str, input: &str) -> Result<Rendered, String> {
    let definition = step(&format!(r#""action":{action}"#)).map_err(|error| error.to_string())?;
    scope(input, &[], |scope| {
        definition.request(LegId::action(0), scope, None)
    })
    .map_err(|error| error.to_string())
}

fn url(template: &str, input: &str) -> Result<String, String> {
    let template = serde_json::to_string(template).unwrap();
    request(&format!(r#"{{"url":{template}}}"#), input).map(|rendered| rendered.url.to_string())
}

#[test]
fn urls_are_rendered() {
    let input = r#"{"s":"a/b?c&d#e é","n":12,"t":true,"base":"https://h:8080/v1","host":"h.x"}"#;
    for (template, expected) in [
        ("http://h", "http://h/"),
        ("HTTP://H/p?q=1", "http://H/p?q=1"),
        (
            "http://h/${ input.s }",
            "http://h/a%2Fb%3Fc%26d%23e%20%C3%A9",
        ),
        ("http://h/${input.n}?t=${ input.t }", "http://h/12?t=true"),
        ("http://h/${ key }", "http://h/order-1%2Fa%2Faction"),
        ("${ input.base }", "https://h:8080/v1"),
        (
            "${ input.base }/x/${ input.s }",
            "https://h:8080/v1/x/a%2Fb%3Fc%26d%23e%20%C3%A9",
        ),
        ("http://${ input.host }:${ input.n }/", "http://h.x:12/"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://h/?q=${ input.n > 5 ? '' : 'x' }", "http://h/?q="),
    ] {
        assert_eq!(url(template, input).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn bad_urls_are_refused() {
    for template in [
        "",
        "h/p",
        "/p",
        "ftp://h/",
        "http://",
        "http:///p",
        "http://u:p@h/",
        "http://h/#f",
        "http://h/a b",
        "http://h:99999/",
        "http://h:x/",
        "http://h:/",
        "http://é/",
        "file:///x",
        "${ input.s }://h/",
        "http://${ input.s",
    ] {
        let error = url(template, "{\"s\":\"http\"}").expect_err(template);
        assert!(
            error.starts_with("steps[0].action.url: "),
            "{template}: {error}"
        );
    }
    for (template, input) in [
        ("http://h/${ input.v }", "null"),
        ("http://h/${ input.v }", "{}"),
        ("http://h/${ input.v }", "[1]"),
        ("http://h/${ input.v }/x", "\"\""),
        ("http://h/x/${ input.v }/y", "\"..\""),
        ("http://h/x/.${ input.v }", "\".\""),
        ("http://${ input.v }/", "\"h/x\""),
        ("http://${ input.v }/", "\"u@h\""),
        ("http://${ input.v }/", "\"\""),
        ("http://h:${ input.v }/", "\"x\""),
        ("${ input.v }", "\"h/p\""),
        ("${ input.v }", "\"http://u@h/\""),
        ("${ input.v }", "\"http://h/#f\""),
        ("${ input.v }/x", "\"javascript:\""),
        ("${ input.v }", "\"http://h/ \""),
        ("${ input.v }/x", "\"\""),
    ] {
        let error = url(template, &format!("{{\"v\":{input}}}")).expect_err(template);
        assert!(
            error.starts_with("steps[0].action.url: "),
            "{template} {input}: {error}"
        );
    }
}

#[test]
fn headers_are_checked_and_rendered() {
    let action = r#"{"url":"http://h","headers":{"X-B":"v${ input.n }","x-a":"é","e":""}}"#;
    let rendered = request(action, r#"{"n":1}"#).unwrap();
    let headers: Vec<_> = rendered
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_bytes()))
        .collect();
    assert_eq!(
        headers,
        [("e", &b""[..]), ("x-a", "é".as_bytes()), ("x-b", b"v1")]
    );
    assert_eq!((rendered.body, rendered.body_json), (None, None));

    for (name, value) in [
        ("host", "x"),
        ("Idempotency-Key", "x"),
        ("settled-callback", "x"),
        ("Content-Length", "1"),
        ("transfer-encoding", "x"),
        ("traceparent", "x"),
        ("connection", "x"),
        ("a b", "x"),
        ("", "x"),
        ("x", "a\\nb"),
        ("x", "${ 1"),
        ("x", "\\u0000"),
        ("é", "x"),
    ] {
        let action = format!(r#"{{"url":"http://h","headers":{{"{name}":"{value}"}}}}"#);
        let error = request(&action, "{}").expect_err(name);
        assert!(
            error.starts_with("steps[0].action.headers"),
            "{name}: {error}"
        );
    }
    for value in ["a\\r\\nx: y", "\\u0000"] {
        let action = r#"{"url":"http://h","headers":{"x":"${ input.v }"}}"#;
        let error = request(action, &format!("{{\"v\":\"{value}\"}}")).unwrap_err();
        assert!(error.starts_with("steps[0].action.headers.x: "), "{error}");
    }
    let twice = r#"{"url":"http://h","headers":{"a":"1","A":"2"}}"#;
    assert!(request(twice, "{}").unwrap_err().contains("given twice"));
}

#[test]
fn bodies_carry_their_type() {
    let rendered = request(
        r#"{"url":"http://h","body":{"n":"${ input.n }"}}"#,
        r#"{"n":1}"#,
    )
    .unwrap();
    assert_eq!(rendered.body.as_deref(), Some(&b"{\"n\":1}"[..]));
    assert_eq!(rendered.body_json, Some(Json::from_valid("{\"n\":1}")));
    assert_eq!(
        rendered.headers,
        [(
            ::http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json")
        )]
    );
    assert_eq!(rendered.method, Method::POST);
    assert_eq!(rendered.timeout, Span::from_secs(10));

    let own = r#"{"url":"http://h","headers":{"Content-Type":"application/x"},"body":1}"#;
    let rendered = request(own, "{}").unwrap();
    assert_eq!(rendered.headers.len(), 1);
    assert_eq!(rendered.headers[0].1, "application/x");
    assert_eq!(
        request(r#"{"url":"http://h","body":null}"#, "{}")
            .unwrap()
            .body,
        None
    );
}

#[test]
fn an_edited_body_is_sent_as_it_is() {
    let definition = step(r#""action":{"url":"http://h","body":"${ input.missing }"}"#).unwrap();
    scope("{}", &[], |scope| {
        assert!(definition.request(LegId::action(0), scope, None).is_err());
        let edited = Json::from_valid("{\"a\": \"${ x }\"}");
        let rendered = definition
            .request(LegId::action(0), scope, Some(&edited))
            .unwrap();
        assert_eq!(rendered.body.as_deref(), Some(edited.as_str().as_bytes()));
        assert_eq!(rendered.headers.len(), 1);
    });
}

#[test]
fn each_leg_has_its_own_request() {
    let definition = compile(
        r#"[{"name":"a","action":{"url":"http://h/do"},
            "compensation":{"method":"delete","url":"http://h/undo",
                            "body":"${ steps.a.result }","timeout":"1s"},
            "check":{"url":"http://h/ask/${ key }","timeout":"2s"}}]"#,
    )
    .unwrap();
    scope("{}", &[Some("7")], |scope| {
        let undo = definition
            .request(LegId::compensation(0), scope, None)
            .unwrap();
        assert_eq!(
            (undo.method, undo.body.as_deref()),
            (Method::DELETE, Some(&b"7"[..]))
        );
        assert_eq!(undo.timeout, Span::from_secs(1));
        let check = definition
            .check_request(LegId::compensation(0), scope)
            .unwrap();
        assert_eq!(check.method, Method::GET);
        assert_eq!(check.url, "http://h/ask/order-1%2Fa%2Faction");
        assert!(definition.request(LegId::action(9), scope, None).is_err());
        assert!(definition.check_request(LegId::action(9), scope).is_err());
    });
}
