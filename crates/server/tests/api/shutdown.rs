//! The end: what is under way is answered, and nothing new is taken.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use settled_server::ServerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, LONG, client};

#[tokio::test]
async fn those_who_wait_are_told_that_the_saga_goes_on() {
    let mut host = Host::start().await;
    let address = host.address;
    let named = json!({"id": "w", "steps": [host.step("a", "/pend")]}).to_string();
    let unnamed = json!({"steps": [host.step("a", "/pend")]}).to_string();
    let waiting = [named, unnamed].map(|saga| {
        tokio::spawn(
            async move { client::send(address, "POST", "/v1/sagas?wait=60s", &[], saga).await },
        )
    });
    host.until("w", |saga| saga["steps"][0]["state"] == "pending")
        .await;
    let stream = [("accept", "text/event-stream")];
    let path = "/v1/sagas/w/events";
    let stream = client::open(address, "GET", path, &stream, Bytes::new()).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    idle.write_all(ask).await.unwrap();
    let mut some = [0; 1024];
    assert!(idle.read(&mut some).await.unwrap() > 0);
    let begun = Instant::now();
    host.shut_down();
    for reply in waiting {
        let reply = reply.await.unwrap();
        assert_eq!(reply.status, 202, "{}", reply.text());
        assert_eq!(reply.json()["state"], "running");
        assert!(reply.json()["id"].as_str().is_some());
    }
    // A stream ends, an idle connection is closed, and no connection is taken any more.
    let end = tokio::time::timeout(LONG, stream.into_body().collect()).await;
    assert!(end.is_ok());
    assert_eq!(idle.read(&mut some).await.unwrap_or(0), 0);
    tokio::time::timeout(LONG, host.serving)
        .await
        .unwrap()
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(address).await.is_err());
    // The coordinator goes on.
    let saga = host.coordinator.saga("w").await.unwrap().unwrap();
    assert_eq!(&*saga.id, "w");
}

#[tokio::test]
async fn requests_end_within_the_grace_and_no_later() {
    let mut host = Host::with(ServerSettings {
        grace: Duration::from_millis(500),
        ..ServerSettings::default()
    })
    .await;
    let mut half = TcpStream::connect(host.address).await.unwrap();
    let head = b"POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    half.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    host.shut_down();
    tokio::time::timeout(LONG, host.serving)
        .await
        .unwrap()
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(450));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, half.read_to_end(&mut rest))
        .await
        .expect("the connection is cut");
}

#[tokio::test]
async fn a_coordinator_that_has_stopped_takes_nothing_and_says_so() {
    let host = Host::start().await;
    let saga = json!({"id": "d", "steps": [host.step("a", "/ok")]});
    assert_eq!(host.get("/readyz").await.json(), json!({"status": "ready"}));
    host.coordinator.drain(Duration::from_secs(1)).await;
    let reply = host.get("/readyz").await;
    reply.problem(503);
    assert_eq!(host.get("/healthz").await.status, 200);
    let reply = host.post_json("/v1/sagas", &saga).await;
    let detail = reply.problem(503);
    assert!(!reply.header("retry-after").is_empty());
    assert!(detail.contains("later"), "{detail}");
    host.post("/v1/sagas/d/cancel", "").await.problem(503);
}
