//! A participant that answers by the path it is called at, and remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

type Calls = Arc<Mutex<Vec<Call>>>;

/// Answers `/ok…`, `/refuse…`, `/break…`, `/pend…` and `/slow…` as they say, and `/leak…` with secrets.
pub(crate) struct Participant {
    address: SocketAddr,
    calls: Calls,
}

impl Participant {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Calls::default();
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, calls }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What came at a path so far.
    pub(crate) fn calls(&self, path: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| call.path == path)
            .cloned()
            .collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    calls: Calls,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                value.to_str().unwrap_or("").to_owned(),
            )
        })
        .collect();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    calls.lock().unwrap().push(Call {
        path: path.clone(),
        headers,
        body,
    });
    let (status, text) = match path.as_str() {
        path if path.starts_with("/refuse") => (409, r#"{"why": "canary-answer"}"#),
        path if path.starts_with("/break") => (500, r#"{"oh": "canary-answer"}"#),
        path if path.starts_with("/pend") => (202, "{}"),
        path if path.starts_with("/leak/ok") => {
            (200, r#"{"token": "canary-mask-result", "n": 1.50}"#)
        }
        path if path.starts_with("/leak") => (
            if path.contains("refuse") { 409 } else { 500 },
            r#"{"message": "no: password=canary-mask-error", "session_token": "canary-mask-answer"}"#,
        ),
        path if path.starts_with("/slow") => {
            tokio::time::sleep(Duration::from_millis(600)).await;
            (200, r#"{"slow": true}"#)
        }
        _ => (200, r#"{"list": ["canary-answer"]}"#),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    if path.starts_with("/leak") {
        let cookie = hyper::header::HeaderValue::from_static("sid=canary-mask-cookie");
        response.headers_mut().insert("set-cookie", cookie);
    }
    Ok(response)
}
