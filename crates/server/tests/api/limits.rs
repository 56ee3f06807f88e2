//! What is too large, too slow or too many.

use std::time::{Duration, Instant};

use serde_json::json;
use settled_server::ServerSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, LONG, client};

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_the_answer_arrives() {
    let host = Host::start().await;
    for size in [1024 * 1024 + 1, 8 * 1024 * 1024] {
        let body = format!(r#"{{"input": "{}"}}"#, "x".repeat(size));
        let detail = host.post("/v1/sagas", &body).await.problem(413);
        assert!(detail.contains("1048576"), "{detail}");
    }
    // So large that nobody reads it to its end.
    let head = "POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{";
    let answer = client::raw(host.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // A client that asks first is told before it sends.
    let head = "POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\
                Expect: 100-continue\r\n\r\n";
    let answer = client::raw(host.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // One that says nothing of its length.
    let mut chunked = b"POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x8000));
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = client::raw(host.address, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // One that just fits.
    let step = host.step("a", "/ok").to_string();
    let rest = format!(r#"{{"steps": [{step}], "input": ""}}"#).len();
    let fill = "x".repeat(1024 * 1024 - rest);
    let body = format!(r#"{{"steps": [{step}], "input": "{fill}"}}"#);
    assert_eq!(host.post("/v1/sagas", &body).await.status, 201);
}

#[tokio::test]
async fn a_request_that_trickles_in_is_cut_off() {
    let host = Host::with(ServerSettings {
        header_timeout: Duration::from_millis(400),
        body_timeout: Duration::from_millis(400),
        ..ServerSettings::default()
    })
    .await;
    let begun = Instant::now();
    for beginning in [
        "",
        "P",
        "PR",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
    ] {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let trickling = async {
            let mut one = [0; 256];
            loop {
                tokio::select! {
                    read = stream.read(&mut one) => if read.unwrap_or(0) == 0 { break },
                    () = tokio::time::sleep(Duration::from_millis(50)) => {
                        if !beginning.is_empty() && stream.write_all(b"x").await.is_err() {
                            break;
                        }
                    }
                }
            }
        };
        tokio::time::timeout(LONG, trickling)
            .await
            .expect(beginning);
    }
    let head = "POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let answer = client::raw(host.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(host.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn only_so_many_connections_are_served_and_the_others_wait() {
    let host = Host::with(ServerSettings {
        max_connections: 2,
        header_timeout: Duration::from_millis(600),
        ..ServerSettings::default()
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(TcpStream::connect(host.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert_eq!(host.get("/healthz").await.status, 200);
    assert!(begun.elapsed() > Duration::from_millis(300));
}

#[tokio::test]
async fn connections_are_kept_and_pipelines_are_answered_in_order() {
    let host = Host::start().await;
    let requests = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\
                    HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\
                    GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answers = client::raw(host.address, requests.as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 1, "{answers}");
    assert_eq!(answers.matches("{\"status\":\"ok\"}").count(), 1);
}

#[tokio::test]
async fn http2_is_spoken_to_those_who_know() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let host = Host::start().await;
    let stream = TcpStream::connect(host.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let saga = json!({"id": "h2", "steps": [host.step("a", "/ok")]});
    let request = hyper::Request::post(format!("http://{}/v1/sagas?wait=10s", host.address))
        .body(Full::new(bytes::Bytes::from(saga.to_string())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 201);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let saga: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(saga["state"], "completed");
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_harms_nobody() {
    let host = Host::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x00\x00\x00\x00\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nnonsense that is no frame at all\r\n\r\n",
        b"POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/sagas HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
          Connection: close\r\n\r\nzz\r\n",
    ] {
        let answer = client::raw(host.address, bytes).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    let mut long = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ".to_vec();
    long.extend(std::iter::repeat_n(b'x', 200 * 1024));
    long.extend_from_slice(b"\r\n\r\n");
    let answer = client::raw(host.address, &long).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    assert_eq!(host.get("/healthz").await.status, 200);
}
