//! Who may do what.

use serde_json::json;
use settled_server::{BindError, Server, ServerSettings, Tokens};

use crate::support::{Host, Reply, client};

const TOKENS: &str = "\
submit submit-token-0123456789 shop
read read-token-0123456789 auditor
operate operate-token-0123456789 night shift
admin admin-token-0123456789
submit,read both-token-0123456789
";

async fn guarded() -> Host {
    Host::with(ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    })
    .await
}

async fn ask(host: &Host, role: &str, method: &str, path: &str, body: &str) -> Reply {
    let bearer = format!("Bearer {role}-token-0123456789");
    let headers = [("authorization", bearer.as_str())];
    client::send(host.address, method, path, &headers, body).await
}

/// Every call with the roles that may make it, and the status where it is let through.
const CALLS: [(&str, &str, &str, u16); 24] = [
    ("POST", "/v1/sagas", "submit admin both", 400),
    ("GET", "/v1/sagas", "read operate admin both", 200),
    (
        "GET",
        "/v1/sagas/none",
        "submit read operate admin both",
        404,
    ),
    (
        "GET",
        "/v1/sagas/none/events",
        "read operate admin both",
        404,
    ),
    ("POST", "/v1/sagas/none/cancel", "operate admin", 404),
    (
        "POST",
        "/v1/callbacks/none",
        "submit operate admin both",
        400,
    ),
    ("GET", "/v1/incidents", "read operate admin both", 200),
    (
        "GET",
        "/v1/incidents/none~1",
        "read operate admin both",
        404,
    ),
    ("POST", "/v1/incidents/none~1/resolve", "operate admin", 400),
    ("POST", "/v1/incidents/resolve", "operate admin", 400),
    ("GET", "/v1/participants", "read operate admin both", 200),
    (
        "GET",
        "/v1/participants/none:1",
        "read operate admin both",
        404,
    ),
    ("PUT", "/v1/participants/none:1", "operate admin", 400),
    ("GET", "/v1/schedules", "read operate admin both", 200),
    ("GET", "/v1/schedules/none", "read operate admin both", 404),
    ("PUT", "/v1/schedules/none", "operate admin", 400),
    ("DELETE", "/v1/schedules/none", "operate admin", 404),
    ("POST", "/v1/schedules/none/trigger", "operate admin", 404),
    (
        "GET",
        "/v1/incidents/groups",
        "read operate admin both",
        200,
    ),
    ("GET", "/v1/audit", "admin", 200),
    ("GET", "/metrics", "read operate admin both", 200),
    ("GET", "/v1/nothing", "submit read operate admin both", 404),
    ("DELETE", "/v1/sagas", "submit read operate admin both", 405),
    ("HEAD", "/v1/sagas", "read operate admin both", 200),
];

#[tokio::test]
async fn every_call_needs_a_token_with_a_role_that_fits() {
    let host = guarded().await;
    for (method, path, roles, status) in CALLS {
        for role in ["submit", "read", "operate", "admin", "both"] {
            let reply = ask(&host, role, method, path, "").await;
            if roles.split(' ').any(|allowed| allowed == role) {
                assert_eq!(reply.status, status, "{role} {method} {path}");
            } else if method == "HEAD" {
                assert_eq!(reply.status, 403, "{role} {method} {path}");
            } else {
                let detail = reply.problem(403);
                assert!(detail.contains("needs one of: "), "{detail}");
                assert!(detail.contains("admin"), "{detail}");
            }
        }
        for headers in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer wrong-token-0123456789")],
            &[("authorization", "admin-token-0123456789")],
            &[("authorization", "Basic admin-token-0123456789")],
            &[
                ("authorization", "Bearer admin-token-0123456789"),
                ("authorization", "Bearer admin-token-0123456789"),
            ],
        ] {
            let reply = client::send(host.address, method, path, headers, "").await;
            assert_eq!(reply.status, 401, "{headers:?} {method} {path}");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
            assert!(!reply.text().contains("wrong-token"), "{}", reply.text());
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(host.get(path).await.status, 200, "{path}");
    }
    host.get("/nothing").await.problem(404);
    let lower = [("authorization", "bearer  admin-token-0123456789 ")];
    let reply = client::send(host.address, "GET", "/v1/sagas", &lower, "").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_token_s_name_goes_on_record() {
    let host = guarded().await;
    let saga = json!({"id": "t", "steps": [host.undone_step("a", "/break", "/ok")]}).to_string();
    let path = "/v1/sagas?wait=10s";
    let reply = ask(&host, "submit", "POST", path, &saga).await;
    assert_eq!(reply.json()["state"], "stuck");
    let decision = r#"{"decision": "not_done"}"#;
    let path = "/v1/incidents/t~1/resolve";
    let reply = ask(&host, "operate", "POST", path, decision).await;
    assert_eq!(reply.json()["resolved_by"], "night shift");
}

#[tokio::test]
async fn without_tokens_other_machines_and_strange_pages_are_kept_out() {
    let host = Host::start().await;
    let own = host.address.to_string();
    let own_origin = format!("http://{own}");
    for (headers, status) in [
        (vec![("host", own.as_str())], 200),
        (vec![("host", "localhost")], 200),
        (vec![("host", "LOCALHOST:7070")], 200),
        (vec![("host", "[::1]:7070")], 200),
        (vec![("host", "settled.localhost:1")], 200),
        (vec![("host", "evil.example:7070")], 403),
        (vec![("host", "localhost.evil.example")], 403),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", own_origin.as_str())], 200),
    ] {
        for path in ["/v1/sagas", "/metrics"] {
            let reply = client::send(host.address, "GET", path, &headers, "").await;
            assert_eq!(reply.status, status, "{headers:?}: {}", reply.text());
        }
    }
    let open = Host::with(ServerSettings {
        insecure: true,
        ..ServerSettings::default()
    })
    .await;
    let named = [("host", "settled.internal:7070")];
    let reply = client::send(open.address, "GET", "/v1/sagas", &named, "").await;
    assert_eq!(reply.status, 200);
    let page = [("origin", "http://evil.example")];
    client::send(open.address, "GET", "/v1/sagas", &page, "")
        .await
        .problem(403);
}

#[tokio::test]
async fn the_server_is_not_opened_to_everybody_by_oversight() {
    let host = Host::start().await;
    let bind = |settings| {
        let any = "0.0.0.0:0".parse().unwrap();
        let metrics = settled_server::Metrics::new();
        Server::bind(any, host.coordinator.clone(), metrics, settings)
    };
    let refused = bind(ServerSettings::default()).await.err().unwrap();
    assert!(matches!(refused, BindError::Access(_)), "{refused}");
    let insecure = ServerSettings {
        insecure: true,
        ..ServerSettings::default()
    };
    assert!(bind(insecure).await.is_ok());
    let tokens = ServerSettings {
        tokens: Some(Tokens::parse(TOKENS).unwrap()),
        ..ServerSettings::default()
    };
    assert!(bind(tokens).await.is_ok());
    let taken = Server::bind(
        host.address,
        host.coordinator.clone(),
        settled_server::Metrics::new(),
        ServerSettings::default(),
    );
    let error = taken.await.err().unwrap().to_string();
    assert!(error.contains(&host.address.to_string()), "{error}");
}
