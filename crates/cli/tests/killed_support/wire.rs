//! The smallest HTTP client: one request, one connection, and what came of it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Asks; an error says why there is no answer.
pub async fn ask(
    server: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, String> {
    let asking = exchange(server, method, path, body);
    match tokio::time::timeout(Duration::from_secs(10), asking).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in ten seconds".to_owned()),
    }
}

async fn exchange(
    server: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(server).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    let driving = tokio::spawn(connection);
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, server.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|e| failed(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|e| failed(&e))?.to_bytes();
    driving.abort();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).map_err(|e| failed(&e))?
    };
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}
