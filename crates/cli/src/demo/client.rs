//! A small HTTP client for the demo's own processes: kept connections, one time limit.
//!
//! Repeats nothing by itself.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// More than a healthy process ever takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Talks to one address.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// No whole answer came.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(pub(super) String);

impl Client {
    /// A client for a base URL like `http://127.0.0.1:7070`.
    pub(super) fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(connector);
        Self {
            http,
            base: base.to_owned(),
        }
    }

    /// Asks for a path.
    pub(super) async fn get(&self, path: &str) -> Result<Reply, NoAnswer> {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// Sends JSON to a path.
    pub(super) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, NoAnswer> {
        self.send("POST", path, headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, NoAnswer> {
        let request = headers
            .iter()
            .fold(Request::builder(), |request, (name, value)| {
                request.header(*name, *value)
            })
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| NoAnswer(error.to_string()))?;
        tokio::time::timeout(TIMEOUT, self.exchange(request))
            .await
            .unwrap_or_else(|_| {
                Err(NoAnswer(format!(
                    "no answer within {} s",
                    TIMEOUT.as_secs()
                )))
            })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, NoAnswer> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| NoAnswer(error.to_string()))?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| NoAnswer(error.to_string()))?;
        Ok(Reply {
            status,
            body: body.to_bytes(),
        })
    }
}
