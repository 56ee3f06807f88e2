//! The participant of the benchmark: an HTTP server that does as little as one can.
//!
//! The last part of a path says how it answers: `refuse` with 409, `later` with 429 and an hour to
//! wait, anything else with 200 and a small JSON. It knows nothing and remembers nothing.

use std::convert::Infallible;

use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::engine;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output;

const DONE: &[u8] = br#"{"ok":true,"taken":[{"sku":"A","qty":2}]}"#;
const REFUSED: &[u8] = br#"{"ok":false,"error":"there is no more"}"#;

/// The participant of `settled bench`. Ends when its standard input does.
#[derive(Debug, Args)]
pub(crate) struct ParticipantArgs {}

/// Serves until it is killed.
pub(crate) fn run(_: &ParticipantArgs) -> Result<Exit, CliError> {
    engine::runtime(1)?.block_on(async {
        let failed = |source| CliError::System {
            what: "the benchmark's participant cannot listen",
            source,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        output::print(&format!("listening on http://{address}\n"))?;
        loop {
            let (stream, _) = listener.accept().await.map_err(failed)?;
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let mut server = http1::Builder::new();
                // An error here is the end of the connection, which is the caller's business.
                let _ = server
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    })
}

/// Answers without reading the body: hyper takes it off the connection by itself.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let (status, body) = if path.ends_with("/refuse") {
        (StatusCode::CONFLICT, REFUSED)
    } else if path.ends_with("/later") {
        (StatusCode::TOO_MANY_REQUESTS, REFUSED)
    } else {
        (StatusCode::OK, DONE)
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("3600"));
    }
    Ok(response)
}
