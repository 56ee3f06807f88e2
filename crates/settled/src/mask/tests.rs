//! What is masked and what is not, as tables; that masking twice is masking once, and that edited
//! bodies get back what they were shown without.

use proptest::prelude::*;
use serde_json::Value;
use settled_protocol::Json;

use super::*;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn shown(text: &str) -> String {
    Mask::default().json(&json(text)).as_str().to_owned()
}

#[test]
fn names_are_compared_as_people_mean_them() {
    let mask = Mask::default();
    for name in [
        "password",
        "Password",
        "user_password",
        "newPassword",
        "PASSWD",
        "client-secret",
        "secret",
        "aws_secret_access_key",
        "token",
        "access_token",
        "X-Csrf-Token",
        "Authorization",
        "Proxy-Authorization",
        "cookie",
        "Set-Cookie",
        "api_key",
        "apiKey",
        "X-Api-Key",
        "x.api.key",
        "private_key",
        "credentials",
        "cvv",
        "card_number",
        "creditCardNumber",
        "pan",
        "PIN",
        "user.pin",
        "user[pin]",
        "login_otp",
    ] {
        assert!(mask.is_masked(name), "{name}");
    }
    for name in [
        "",
        "-",
        "tokens_used",
        "max_tokens",
        "tokenizer",
        "secretary",
        "passwordless",
        "pinned",
        "shipping",
        "spin",
        "panel",
        "japan",
        "author",
        "authorized",
        "keys",
        "key",
        "account_number",
        "iban",
        "pin.code",
        "n",
    ] {
        assert!(!mask.is_masked(name), "{name}");
    }
}

#[test]
fn patterns_have_stars_and_must_be_names() {
    let mask = Mask::only(&["iban", "x*y*z", "tax_*", "*-no", "密码"]).unwrap();
    for name in ["IBAN", "i-ban", "xyz", "x1y2z", "taxId", "order_no", "密码"] {
        assert!(mask.is_masked(name), "{name}");
    }
    for name in ["password", "xy", "xzy", "ibans", "syntax", "note", "密"] {
        assert!(!mask.is_masked(name), "{name}");
    }
    for pattern in ["", "*", "-*-", "a b", "a=b", "a:b", "a\"b", "..."] {
        let error = Mask::with(&[pattern]).unwrap_err();
        assert!(error.to_string().contains("expected the name"), "{error}");
    }
    let mask = Mask::with(&["iban"]).unwrap();
    assert!(mask.is_masked("iban") && mask.is_masked("password"));
    assert!(Mask::new(DEFAULTS.into_iter(), true).is_ok());
}

#[test]
fn payloads_keep_everything_else_to_the_last_digit() {
    for (text, expected) in [
        (r#"{"a": 1}"#, r#"{"a": 1}"#),
        (r#"{"password": "x"}"#, r#"{"password": "••••••"}"#),
        (
            r#" { "n" : 1.10 , "token":{"a":[1,"}"]} , "z" : 123456789012345678901234567890 } "#,
            r#"{ "n" : 1.10 , "token":"••••••" , "z" : 123456789012345678901234567890 }"#,
        ),
        (
            r#"{"password":null,"pin":0,"cvv":false,"secret":[],"pwd":""}"#,
            r#"{"password":null,"pin":"••••••","cvv":"••••••","secret":"••••••","pwd":"••••••"}"#,
        ),
        (r#"{"p\u0061ssword":"x"}"#, r#"{"p\u0061ssword":"••••••"}"#),
        (r#"["password","x"]"#, r#"["password","x"]"#),
        (r#""password""#, r#""password""#),
        (
            r#"{"note":"card 4111 1111 1111 1111 ok"}"#,
            r#"{"note":"card ••••••1111 ok"}"#,
        ),
        (
            "[4111111111111111,-4111111111111111,4111111111111112,1.4111111111111111]",
            r#"["••••••1111",-4111111111111111,4111111111111112,1.4111111111111111]"#,
        ),
        (
            r#"{"header":"Authorization: Bearer abc.def","url":"https://u:p@h/x?token=abc&n=1"}"#,
            r#"{"header":"Authorization: ••••••","url":"https://u:••••••@h/x?token=••••••&n=1"}"#,
        ),
        (
            r#""{\"user\":\"a\",\"password\":\"b\\\"c\",\"n\":1}""#,
            r#""{\"user\":\"a\",\"password\":\"••••••\",\"n\":1}""#,
        ),
        (
            r#"{"text":"line\n5500000000000004\t!"}"#,
            r#"{"text":"line\n••••••0004\t!"}"#,
        ),
        (
            r#"{"request":{"headers":{"x-api-key":"k","accept":"*/*"}}}"#,
            r#"{"request":{"headers":{"x-api-key":"••••••","accept":"*/*"}}}"#,
        ),
    ] {
        assert_eq!(shown(text), expected);
        assert_eq!(shown(&shown(text)), expected);
    }
    let deep = format!("{}{{\"pin\":1}}{}", "[".repeat(50_000), "]".repeat(50_000));
    let masked = json::mask(&Mask::default(), &deep).unwrap();
    assert!(masked.contains(r#"{"pin":"••••••"}"#));
    // What has nothing in it is the same text, not a copy of it.
    let plain = json(r#"{"a":"b: c","d":[1,2,3]}"#);
    assert!(std::ptr::eq(
        Mask::default().json(&plain).as_str(),
        plain.as_str()
    ));
}

#[test]
fn card_numbers_are_known_and_little_else() {
    for (text, expected) in [
        ("4111111111111111", "••••••1111"),
        ("4111-1111-1111-1111", "••••••1111"),
        ("378282246310005", "••••••0005"),
        ("3782 822463 10005", "••••••0005"),
        ("30569309025904", "••••••5904"),
        ("2223003122003222", "••••••3222"),
        ("6011111111111117.", "••••••1117."),
        ("6222020000000000000?", "••••••0000?"),
        ("card=4111111111111111,", "card=••••••1111,"),
        ("/cards/4111111111111111/x", "/cards/••••••1111/x"),
        ("卡号4111111111111111。", "卡号••••••1111。"),
        ("4111 1111 1111 1111 123 12/27", "••••••1111 123 12/27"),
        ("1 4111 1111 1111 1111", "1 ••••••1111"),
        ("5555555555554444 4012888888881881", "••••••4444 ••••••1881"),
    ] {
        assert_eq!(Mask::default().text(text), expected);
    }
    for text in [
        "4111111111111112",
        "4444444444444444",
        "1111111111111117",
        "1767225600000001",
        "9111111111111111",
        "0.4111111111111111",
        "4111111111111111.5",
        "x4111111111111111",
        "4111111111111111x",
        "id_4111111111111111",
        "41111111-1111-1111",
        "d4111111-1111-4111-8111-411111111111",
        "550e8400-e29b-41d4-a716-446655440000",
        "4111 1111-1111 1111",
        "4111  1111 1111 1111",
        "41 11 11 11 11 11 11 11",
        "2026-11-21 19:02:36",
        "123456789012",
        "41111111111111111111111111",
    ] {
        assert_eq!(Mask::default().text(text), text);
    }
}

#[test]
fn text_is_masked_by_its_names_and_its_schemes() {
    for (text, expected) in [
        ("password=hunter2 failed", "password=•••••• failed"),
        (
            "password: hunter2, user: ann",
            "password: ••••••, user: ann",
        ),
        (
            r#"{"api_key" : "a b" , "n":1}"#,
            r#"{"api_key" : "••••••" , "n":1}"#,
        ),
        ("{'secret':{'a':[1,2]},'b':2}", "{'secret':••••••,'b':2}"),
        ("token=null password=", "token=null password="),
        ("?access_token=abc&x=1#f", "?access_token=••••••&x=1#f"),
        ("user[password]=x&a=b", "user[password]=••••••&a=b"),
        (
            "request.headers.authorization=abc",
            "request.headers.authorization=••••••",
        ),
        ("Cookie: a=b; c=d\nAccept: x", "Cookie: ••••••\nAccept: x"),
        (
            "Authorization: Digest username=\"x\", response=\"y\"",
            "Authorization: ••••••\"x\", response=\"y\"",
        ),
        ("token: Bearer abc.def rest", "token: •••••• rest"),
        (
            "sent Bearer abc.def, got 401",
            "sent Bearer ••••••, got 401",
        ),
        ("BEARER  x", "BEARER  ••••••"),
        ("at postgres://u:p@h/db", "at postgres://u:••••••@h/db"),
        ("at https://tok@h/", "at https://••••••@h/"),
        ("secret => x", "secret => ••••••"),
        ("password: \"open", "password: \"••••••"),
    ] {
        assert_eq!(Mask::default().text(text), expected);
        assert_eq!(Mask::default().text(expected), expected);
    }
    assert_eq!(
        Mask::default().text("Basic dXNlcjpwYXNz."),
        "Basic dXNlcjpwYXNz."
    );
    assert_eq!(Mask::default().text("Basic dXNlcjpwYXNz"), "Basic ••••••");
    for text in [
        "",
        "plain words",
        "a basic plan: 3 users",
        "Basic settings",
        "the bearer token is wrong",
        "a bearer of news",
        "http://h:80/x?y=z",
        "10:20:30",
        "tokens_used: 12",
        "409 Conflict: out of stock",
    ] {
        assert_eq!(Mask::default().text(text), text);
    }
    let only = Mask::only(&["iban"]).unwrap();
    for text in [
        "Bearer abc",
        "4111111111111111",
        "password=x",
        "http://u:p@h",
    ] {
        assert_eq!(only.text(text), text);
    }
    assert_eq!(only.text("iban=DE1"), "iban=••••••");
}

#[test]
fn urls_stay_urls() {
    for (url, expected) in [
        ("http://h:80/a/b?n=1", "http://h:80/a/b?n=1"),
        ("http://u:p@h/x", "http://u:••••••@h/x"),
        ("http://tok@h", "http://••••••@h"),
        (
            "http://h/?token=a&n=1&api%5Fkey=b",
            "http://h/?token=••••••&n=1&api%5Fkey=••••••",
        ),
        ("http://h/?u%5Bpin%5D=1", "http://h/?u%5Bpin%5D=••••••"),
        (
            "http://h/cards/4111111111111111?a",
            "http://h/cards/••••••1111?a",
        ),
        ("http://h/?c=4111+1111+1111+1111", "http://h/?c=••••••1111"),
        (
            "http://h/?c=a%3D4111%201111%201111%201111",
            "http://h/?c=a=••••••1111",
        ),
        (
            "http://h/?to=http%3A%2F%2Fx%2F%3Ftoken%3Dabc",
            "http://h/?to=http://x/?token=••••••",
        ),
        ("fn://bank/pay", "fn://bank/pay"),
        ("", ""),
    ] {
        assert_eq!(Mask::default().url(url), expected);
        assert_eq!(Mask::default().url(expected), expected);
    }
}

#[test]
fn headers_are_masked_whole_by_name() {
    let mask = Mask::default();
    assert_eq!(mask.header("Authorization", "Basic a, b"), MARK);
    assert_eq!(mask.header("X-Trace", "4111111111111111"), "••••••1111");
    assert_eq!(mask.header("Location", "/x?token=a"), "/x?token=••••••");
    assert_eq!(mask.header("Accept", "*/*"), "*/*");
    // Also where the value is as long as the mark.
    let request = RequestRecord {
        method: "POST".to_owned(),
        url: "http://h".to_owned(),
        headers: vec![("token".to_owned(), "x".repeat(MARK.len()))],
        body: None,
    };
    assert_eq!(mask.request(request).headers[0].1, MARK);
}

fn take(edited: &str, sent: &str, earlier: Option<&str>) -> Result<String, Unfilled> {
    let earlier = earlier.map(json);
    let (edited, sent) = (json(edited), json(sent));
    take_edit(
        &Mask::default(),
        &edited,
        Some(&sent),
        earlier.as_ref(),
        "request.body",
    )
    .map(|json| json.as_str().to_owned())
}

#[test]
fn marks_stay_on_record_and_are_filled_in_when_sent() {
    let original =
        r#"{"user":"ann","password":"x\"1","card":"4111111111111111","n":[{"pin":1.50}]}"#;
    let seen = shown(original);
    let edited = seen.replace("ann", "bob");
    let taken = take(&edited, original, None).unwrap();
    assert!(!taken.contains("1111") && taken.contains("bob"), "{taken}");
    let filled = fill(&json(&taken), Some(&json(original)), "request.body").unwrap();
    assert_eq!(filled.as_str(), original.replace("ann", "bob"));
    // Also as programs write it that know only ASCII.
    let escaped = edited.replace('•', "\\u2022");
    assert_eq!(take(&escaped, original, None).unwrap(), taken);
    // What an earlier edit put there is taken over; its marks stay marks.
    let earlier = r#"{"password":"new","card":"••••••"}"#;
    let sent = r#"{"password":"new","card":"4111111111111111"}"#;
    let taken = take(
        r#"{"password":"••••••","card":"••••••1111"}"#,
        sent,
        Some(earlier),
    );
    assert_eq!(taken.unwrap(), r#"{"password":"new","card":"••••••"}"#);
    // Nothing to fill in: the same body.
    let plain = r#"{ "a" : 1 }"#;
    assert_eq!(take(plain, original, None).unwrap(), plain.trim());
}

#[test]
fn a_mark_that_stands_for_nothing_is_refused_by_its_place() {
    let original =
        r#"{"a":{"pin":1},"list":[{"u":"a","pin":1},{"u":"b","pin":2}],"card":"4111111111111111"}"#;
    for (edited, field) in [
        (r#"{"b":"••••••"}"#, "request.body.b"),
        (r#"{"a":{"pin":{"x":"••••••"}}}"#, "request.body.a.pin.x"),
        (r#"{"a":["••••••"]}"#, "request.body.a"),
        (r#"{"card":"••••••2222"}"#, "request.body.card"),
        (
            r#"{"list":[{"u":"b","pin":"••••••"}]}"#,
            "request.body.list",
        ),
        (
            r#"{"list":[{"u":"b","pin":"••••••"},{"u":"a","pin":"••••••"}]}"#,
            "request.body.list[0]",
        ),
    ] {
        let error = take(edited, original, None).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains("write the value"), "{error}");
    }
    assert_eq!(take(r#""••••••""#, "1", None).unwrap(), r#""••••••""#);
    let kept = r#"{"list":[{"u":"a","pin":"••••••"},{"u":"c","pin":"••••••"}]}"#;
    assert_eq!(take(kept, original, None).unwrap(), kept);
    assert!(fill(&json(r#"{"b":"••••••"}"#), Some(&json("{}")), "f").is_err());
    assert!(fill(&json(r#""••••••""#), None, "f").is_err());
    let error = refuse_marks(&json(r#"{"r":[1,"so ••••••1111"]}"#), "result").unwrap_err();
    assert_eq!(error.field, "result.r[1]");
    assert!(refuse_marks(&json(r#"{"r":"•"}"#), "result").is_ok());
}

/// Any JSON value, with much in it that is masked.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::from(4_111_111_111_111_111_i64)),
        Just(Value::from("4111 1111 1111 1111")),
        hostile().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("(password|pin|a|b\"|é|x\\\\)", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Text made of what the rules look for.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("password"),
        Just("token"),
        Just("cookie"),
        Just("Bearer"),
        Just("Basic"),
        Just("dXNlcjpwYXNz"),
        Just("4111111111111111"),
        Just("4111"),
        Just("1111"),
        Just("5555"),
        Just("null"),
        Just(MARK),
        Just("•"),
        Just("://"),
        Just("é"),
        Just("a"),
        Just("1"),
        Just(" "),
        Just("="),
        Just(":"),
        Just("-"),
        Just("."),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("&"),
        Just("?"),
        Just("@"),
        Just("\n"),
        Just("%"),
        Just(","),
        Just(";"),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// What is left of a value whose masked members are put aside.
fn aside(value: &Value, mask: &Mask) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let value = match value {
                        Value::Null => Value::Null,
                        _ if mask.is_masked(key) => Value::from(MARK),
                        value => aside(value, mask),
                    };
                    (key.clone(), value)
                })
                .collect(),
        ),
        Value::Array(list) => list.iter().map(|value| aside(value, mask)).collect(),
        Value::String(text) => Value::from(mask.text(text).into_owned()),
        Value::Number(number) => {
            card::number(&number.to_string()).map_or_else(|| value.clone(), Value::from)
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_payload_is_masked_as_a_tree_would_be(value in value(), pretty in any::<bool>()) {
        let mask = Mask::default();
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let masked = mask.json(&json(&text));
        let read: Value = serde_json::from_str(masked.as_str()).unwrap();
        prop_assert_eq!(&read, &aside(&value, &mask));
        prop_assert_eq!(mask.json(&masked), masked);
    }

    #[test]
    fn masking_twice_is_masking_once(text in hostile()) {
        let mask = Mask::default();
        let once = mask.text(&text).into_owned();
        prop_assert_eq!(mask.text(&once), once.clone(), "{}", text);
        let url = mask.url(&text).into_owned();
        prop_assert_eq!(mask.url(&url), url.clone(), "{}", text);
        prop_assert!(!once.contains("4111111111111111") || text.contains("••••••4111111111111111")
            || has_part(&text), "{} {}", text, once);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}", other in hostile()) {
        let mask = Mask::default();
        for text in [&text, &other] {
            let _ = (mask.text(text), mask.url(text), json::mask(&mask, text));
            let _ = (Mask::with(&[text]), mask.is_masked(text));
            let unchecked = Json::string(text);
            let _ = fill(&unchecked, None, "");
        }
    }

    #[test]
    fn an_edit_that_changes_nothing_sends_the_same(value in value()) {
        let original = Json::from(value);
        prop_assume!(!has_mark(&original));
        let mask = Mask::default();
        let seen = mask.json(&original);
        let taken = take_edit(&mask, &seen, Some(&original), None, "b").unwrap();
        let filled = fill(&taken, Some(&original), "b").unwrap();
        prop_assert_eq!(filled.to_value(), original.to_value());
        // Nothing masked is on record with it.
        prop_assert_eq!(mask.json(&taken), taken);
    }
}

/// Whether a card number touches what it cannot stand beside.
fn has_part(text: &str) -> bool {
    text.match_indices("4111111111111111").any(|(at, card)| {
        let before = text[..at].chars().next_back();
        let after = text[at + card.len()..].chars().next();
        let joins = |c: char| c.is_ascii_alphanumeric() || "_-.,•".contains(c);
        before.is_some_and(joins) || after.is_some_and(joins)
    })
}
