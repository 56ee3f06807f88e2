//! The API's description fits its answers.

use serde_json::{Value, json};

use crate::support::{Host, Reply};

/// Checks a value against a schema of the document, as far as the description uses them.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(&reference[1..]).expect(reference);
        return check(document, schema, value, place);
    }
    for (word, all) in [("allOf", true), ("oneOf", false), ("anyOf", false)] {
        let Some(parts) = schema[word].as_array() else {
            continue;
        };
        let errors: Vec<String> = parts
            .iter()
            .filter_map(|part| check(document, part, value, place).err())
            .collect();
        let failed = if all {
            !errors.is_empty()
        } else {
            errors.len() == parts.len()
        };
        if failed {
            return Err(errors.join("; "));
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
    if !kinds.is_empty() && !fits {
        return Err(format!("{place}: {kind} is none of {kinds:?}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{place}: {value} is none of {words:?}"));
    }
    if let Value::Object(fields) = value {
        for field in schema["required"].as_array().into_iter().flatten() {
            let field = field.as_str().unwrap();
            if !fields.contains_key(field) {
                return Err(format!("{place}: {field} is missing"));
            }
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            check(document, schema, item, &format!("{place}[{index}]"))?;
        }
    }
    Ok(())
}

/// Checks the fields of an object, whose schema may be put together from several.
fn check_fields(document: &Value, schema: &Value, value: &Value, place: &str) {
    check(document, schema, value, place).unwrap();
    let (schemas, fields) = (parts(document, schema), value.as_object());
    for (name, field) in fields.into_iter().flatten() {
        let known: Vec<&Value> = schemas
            .iter()
            .filter_map(|schema| schema["properties"].get(name))
            .collect();
        let open = schemas
            .iter()
            .any(|schema| schema.get("additionalProperties").is_some());
        let closed = schemas
            .iter()
            .any(|schema| schema["properties"].is_object());
        assert!(
            !known.is_empty() || open || !closed,
            "{place}.{name} is not described"
        );
        for schema in known {
            check_fields(document, schema, field, &format!("{place}.{name}"));
        }
    }
    let items = schemas.iter().find_map(|schema| schema.get("items"));
    if let (Some(list), Some(items)) = (value.as_array(), items) {
        for (index, item) in list.iter().enumerate() {
            check_fields(document, items, item, &format!("{place}[{index}]"));
        }
    }
}

/// The schemas that a schema is put together from.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return parts(
            document,
            document.pointer(&reference[1..]).expect(reference),
        );
    }
    let mut all = vec![schema];
    for word in ["allOf", "oneOf", "anyOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            all.extend(parts(document, part));
        }
    }
    all
}

struct Description(Value);

impl Description {
    #[track_caller]
    fn fits(&self, method: &str, path: &str, reply: &Reply) {
        let operation = &self.0["paths"][path][method];
        assert!(operation.is_object(), "{method} {path}");
        let answer = &operation["responses"][reply.status.to_string()];
        assert!(answer.is_object(), "{method} {path} {}", reply.status);
        let kind = reply.header("content-type");
        let schema = &answer["content"][kind]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} {} {kind}",
            reply.status
        );
        check_fields(&self.0, schema, &reply.json(), path);
    }
}

#[tokio::test]
async fn every_answer_is_as_it_is_described() {
    let host = Host::start().await;
    let document = host.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let description = Description(document);
    let completed = json!({"id": "a", "deadline": "1h", "steps": [host.step("s", "/ok")]});
    let path = "/v1/sagas?wait=10s";
    for status in [201, 200] {
        let reply = host.post_json(path, &completed).await;
        assert_eq!(reply.status, status);
        description.fits("post", "/v1/sagas", &reply);
    }
    let other = json!({"id": "a", "steps": [host.step("t", "/ok")]});
    let reply = host.post_json(path, &other).await;
    description.fits("post", "/v1/sagas", &reply);
    let reply = host.post("/v1/sagas", "{}").await;
    description.fits("post", "/v1/sagas", &reply);
    let mut asked = host.step("s", "/break");
    asked["check"] = json!({"url": host.participant.url("/ok/check"),
                            "done_when": "response.status == 404",
                            "not_done_when": "response.status == 200"});
    asked["retry"] = json!({"max_attempts": 2, "first_delay": "1ms"});
    asked["action"]["timeout"] = json!("200ms");
    let steps = json!([host.undone_step("r", "/ok", "/ok/undo"), asked]);
    let reply = host
        .post_json(path, &json!({"id": "b", "steps": steps}))
        .await;
    description.fits("post", "/v1/sagas", &reply);
    let steps = json!([
        host.undone_step("r", "/ok", "/refuse"),
        host.step("s", "/refuse")
    ]);
    let reply = host
        .post_json(path, &json!({"id": "c", "steps": steps}))
        .await;
    assert_eq!(reply.json()["state"], "stuck");
    description.fits("post", "/v1/sagas", &reply);
    let pending = json!({"id": "d", "steps": [host.step("s", "/pend")]});
    let reply = host.post_json("/v1/sagas?wait=50ms", &pending).await;
    assert_eq!(reply.status, 202);
    description.fits("post", "/v1/sagas", &reply);
    let token = host.participant.calls("/pend")[0].headers["settled-callback"].clone();
    for body in [r#"{"outcome": "done", "result": 1}"#, "{}"] {
        let reply = host.post(&format!("/v1/callbacks/{token}"), body).await;
        description.fits("post", "/v1/callbacks/{token}", &reply);
    }
    let decision = json!({"ids": ["c~1", "none~1"], "decision": "retry"});
    let reply = host.post_json("/v1/incidents/resolve", &decision).await;
    description.fits("post", "/v1/incidents/resolve", &reply);
    host.until("c", |saga| saga["incidents"][1]["state"] == "open")
        .await;
    let decision = json!({"decision": "abandon", "note": "so be it"});
    for _ in 0..2 {
        let reply = host.post_json("/v1/incidents/c~2/resolve", &decision).await;
        description.fits("post", "/v1/incidents/{id}/resolve", &reply);
    }
    for id in ["a", "b", "c", "d", "none"] {
        let reply = host.get(&format!("/v1/sagas/{id}")).await;
        description.fits("get", "/v1/sagas/{id}", &reply);
        let reply = host.get(&format!("/v1/sagas/{id}/events")).await;
        description.fits("get", "/v1/sagas/{id}/events", &reply);
        let reply = host.post(&format!("/v1/sagas/{id}/cancel"), "").await;
        description.fits("post", "/v1/sagas/{id}/cancel", &reply);
    }
    let schedule =
        json!({"cron": "@yearly", "saga": {"steps": [host.undone_step("s", "/ok", "/ok")]}});
    let path = "/v1/schedules/x";
    for document in [&schedule, &schedule, &json!({"cron": "x"})] {
        let reply = host.put_json(path, document).await;
        description.fits("put", "/v1/schedules/{name}", &reply);
    }
    for (name, body) in [
        ("x", r#"{"id": "1"}"#),
        ("x", r#"{"id": "1"}"#),
        ("x", "["),
        ("y", ""),
    ] {
        let reply = host
            .post(&format!("/v1/schedules/{name}/trigger"), body)
            .await;
        description.fits("post", "/v1/schedules/{name}/trigger", &reply);
    }
    let limits = json!({"max_per_second": 2.5, "breaker": {"failures": 3}});
    for document in [&limits, &json!({"max_per_second": 0})] {
        let reply = host.put_json("/v1/participants/a:1", document).await;
        description.fits("put", "/v1/participants/{name}", &reply);
    }
    for (described, path) in [
        ("/v1/participants", "/v1/participants"),
        ("/v1/participants/{name}", "/v1/participants/a:1"),
        ("/v1/participants/{name}", "/v1/participants/b:1"),
        ("/v1/schedules", "/v1/schedules"),
        ("/v1/schedules/{name}", "/v1/schedules/x"),
        ("/v1/schedules/{name}", "/v1/schedules/y"),
        ("/v1/sagas", "/v1/sagas?limit=2"),
        ("/v1/sagas", "/v1/sagas?limit=x"),
        ("/v1/incidents", "/v1/incidents"),
        ("/v1/incidents/{id}", "/v1/incidents/c~1"),
        ("/v1/incidents/{id}", "/v1/incidents/c~9"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/openapi.json", "/openapi.json"),
    ] {
        let reply = host.get(path).await;
        description.fits("get", described, &reply);
    }
    assert_eq!(host.delete(path).await.status, 204);
    let reply = host.delete(path).await;
    description.fits("delete", "/v1/schedules/{name}", &reply);
}
