//! Bodies that are malformed in every way: refused by name, nothing recorded, the server lives.

use serde_json::{Value, json};

use crate::support::{Host, client};

#[tokio::test]
async fn a_malformed_submission_is_refused_by_field_and_nothing_is_recorded() {
    let host = Host::start().await;
    let step = host.step("a", "/ok");
    let with = |change: fn(&mut Value)| {
        let mut saga = json!({"id": "x", "steps": [step.clone()]});
        change(&mut saga);
        saga.to_string()
    };
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases: Vec<(String, &str)> = vec![
        (String::new(), ""),
        ("null".to_owned(), ""),
        ("[]".to_owned(), ""),
        ("{".to_owned(), ""),
        ("{}".to_owned(), "steps"),
        (with(|saga| saga["id"] = json!("")), "id"),
        (with(|saga| saga["id"] = json!("a b")), "id"),
        (with(|saga| saga["id"] = json!("a~1")), "id"),
        (with(|saga| saga["id"] = json!("x".repeat(129))), "id"),
        (with(|saga| saga["id"] = json!(7)), "id"),
        (with(|saga| saga["name"] = json!("é")), "name"),
        (with(|saga| saga["deadline"] = json!("soon")), "deadline"),
        (with(|saga| saga["deadline"] = json!(30)), "deadline"),
        (
            with(|saga| saga["compensate"] = json!("never")),
            "compensate",
        ),
        (with(|saga| saga["extra"] = json!(1)), "extra"),
        (with(|saga| saga["steps"] = json!([])), "steps"),
        (with(|saga| saga["steps"] = json!({})), "steps"),
        (with(|saga| saga["steps"] = json!([1])), "steps[0]"),
        (
            with(|saga| saga["steps"][0]["name"] = json!("a b")),
            "steps[0].name",
        ),
        (
            with(|saga| saga["steps"][0]["action"]["url"] = json!("ftp://x/y")),
            "steps[0].action.url",
        ),
        (
            with(|saga| saga["steps"][0]["action"]["timeout"] = json!("0s")),
            "steps[0].action.timeout",
        ),
        (
            with(|saga| saga["steps"][0]["action"]["body"] = json!("${ nothing }")),
            "steps[0].action.body",
        ),
        (
            with(|saga| saga["steps"][0]["action"]["body"] = json!("${ 1 + }")),
            "steps[0].action.body",
        ),
        (
            with(|saga| saga["steps"][0]["needs"] = json!(["b"])),
            "steps[0].needs",
        ),
        (
            with(|saga| saga["steps"][0]["on_unknown"] = json!("check")),
            "steps[0].on_unknown",
        ),
        (
            with(|saga| saga["steps"][0]["retry"] = json!({"max_attempts": -1})),
            "steps[0].retry.max_attempts",
        ),
        (
            format!(
                r#"{{"id": "x", "steps": [{step}], "input": {}}}"#,
                deep(101)
            ),
            "input",
        ),
        (deep(200_000), ""),
        (
            format!(r#"{{"id": "x", "steps": {}}}"#, deep(100_000)),
            "steps",
        ),
        (
            format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)),
            "",
        ),
        (r#"{"id": "x", "id": "y", "steps": []}"#.to_owned(), "id"),
    ];
    for (body, field) in cases {
        let reply = host.post("/v1/sagas", &body).await;
        let start: String = body.chars().take(120).collect();
        let detail = reply.problem(400);
        assert!(detail.contains(field), "{start}: {detail}");
        if !field.is_empty() {
            let named = reply.json()["field"].as_str().unwrap_or("").to_owned();
            assert!(named.starts_with(field), "{start}: {named:?}, {detail}");
        }
        assert!(detail.len() < 1_000, "{start}: {detail}");
    }
    for body in [
        &b"\xff\xfe"[..],
        b"{\"id\": \"\xc3\x28\", \"steps\": []}",
        b"\0",
    ] {
        client::send(host.address, "POST", "/v1/sagas", &[], body)
            .await
            .problem(400);
    }
    let list = host.get("/v1/sagas").await.json();
    assert_eq!(list["sagas"], json!([]));
    // The content type says nothing.
    let saga = json!({"id": "x", "steps": [step]}).to_string();
    let plain = [("content-type", "text/plain")];
    let reply = client::send(host.address, "POST", "/v1/sagas", &plain, saga).await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn no_body_however_mangled_breaks_the_server() {
    let host = Host::start().await;
    host.run("z", json!([host.undone_step("pay", "/break", "/ok")]))
        .await;
    let pending = json!({"id": "p", "steps": [host.step("a", "/pend")]});
    host.post_json("/v1/sagas", &pending).await;
    host.until("p", |saga| saga["steps"][0]["state"] == "pending")
        .await;
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    let seeds = [
        (
            "/v1/sagas".to_owned(),
            json!({"id": "m", "name": "n", "input": {"a": [1, "x", null, 1.5]}, "deadline": "1h",
                   "steps": [{"name": "a", "needs": [], "action": {
                        "url": "http://127.0.0.1:1/${ input.a[0] }", "body": {"k": "${ key }"}},
                        "retry": {"max_attempts": 1}}]})
            .to_string(),
        ),
        (
            "/v1/incidents/z~1/resolve".to_owned(),
            json!({"decision": "retry", "note": "n", "by": "b", "request": {"body": {"x": [1]}}})
                .to_string(),
        ),
        (
            "/v1/incidents/resolve".to_owned(),
            json!({"decision": "done", "ids": ["z~2", "none~1"], "result": {"x": [1]}}).to_string(),
        ),
        (
            format!("/v1/callbacks/{token}"),
            json!({"outcome": "done", "result": {"x": [1, "y"]}}).to_string(),
        ),
        (
            "/v1/sagas/none/cancel".to_owned(),
            r#"{"by": "b"}"#.to_owned(),
        ),
    ];
    let seed = 20_260_131;
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..600 {
        let (path, body) = &seeds[round % seeds.len()];
        let mut bytes = body.clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            mangle(&mut bytes, &mut random);
        }
        let reply = client::send(host.address, "POST", path, &[], &bytes).await;
        let shown = String::from_utf8_lossy(&bytes);
        assert!(reply.status < 500, "seed {seed} round {round}: {shown}");
        if reply.status >= 400 {
            reply.problem(reply.status);
        } else {
            reply.json();
        }
    }
    assert_eq!(host.get("/readyz").await.status, 200);
    assert_eq!(host.get("/v1/sagas?limit=500").await.status, 200);
    assert_eq!(host.get("/v1/incidents?limit=500").await.status, 200);
}

fn mangle(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    let at = random.usize(..=bytes.len());
    match random.u8(..6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.u8(..)),
        2 if at < bytes.len() => bytes[at] = b"{}[]\",:0-9eE.\\u$\x00\xff "[random.usize(..19)],
        3 if at < bytes.len() => drop(bytes.remove(at)),
        4 => {
            let other = random.usize(..=bytes.len());
            let piece = bytes[at.min(other)..at.max(other)].to_vec();
            bytes.splice(at..at, piece);
        }
        _ if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
        _ => {}
    }
}

#[tokio::test]
async fn no_path_or_query_however_mangled_breaks_the_server() {
    let host = Host::start().await;
    let mut random = fastrand::Rng::with_seed(7);
    let paths = [
        "/v1/sagas?state=running&name=a&since=2026-01-01T00:00:00Z&q=x&limit=5&cursor=abc",
        "/v1/incidents?state=open&saga=a&step=b&participant=c:1&limit=2&cursor=zz",
        "/v1/sagas/order-1/events",
        "/v1/incidents/order-1~1",
        "/v1/callbacks/order-1~0a~00",
    ];
    let signs = b"abz019%&=?~/.-_+:%25%00%2F%FF";
    for round in 0..400 {
        let mut path = paths[round % paths.len()].as_bytes().to_vec();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(1..path.len());
            path[at] = signs[random.usize(..signs.len())];
        }
        let path = String::from_utf8(path).unwrap();
        if path.parse::<hyper::Uri>().is_err() || !path.starts_with('/') {
            continue;
        }
        let reply = host.get(&path).await;
        assert!(reply.status < 500, "{path}: {}", reply.text());
        if reply.status >= 400 {
            reply.problem(reply.status);
        }
    }
}
