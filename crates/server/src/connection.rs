//! One connection, from its first byte to its end.
//!
//! Which protocol is spoken is seen from the first bytes, which are only looked at: the protocols'
//! own code reads them. Nothing here knows what is asked.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::api::Phase;
use crate::audit::Peer;

/// How many bytes a request's head may have.
const MAX_HEAD: usize = 32 * 1024;

/// How many requests one HTTP/2 connection may have under way.
const MAX_STREAMS: u32 = 256;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long to wait for more of a first word that has come in pieces.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What an HTTP/2 connection with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI ";

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// How long the head of a request may take.
    pub(crate) head: Duration,
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    phase: watch::Receiver<Phase>,
) {
    let mut draining = phase.clone();
    let first = tokio::select! {
        biased;
        first = tokio::time::timeout(limits.head, speaks_http2(&stream)) => first,
        // Nothing was asked yet.
        _ = draining.wait_for(|phase| *phase != Phase::Serving) => return,
    };
    let Ok(Ok(http2)) = first else {
        return;
    };
    let router = match stream.peer_addr() {
        Ok(address) => router.layer(axum::Extension(Peer(address))),
        Err(_) => return,
    };
    if http2 {
        let connection = http2_server(limits)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        drive!(connection, phase);
    } else {
        let connection = http1_server(limits)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        drive!(connection, phase);
    }
}

/// Drives a connection to its end, and tells it when the server drains. The two protocols' types
/// have the same methods and no trait in common.
macro_rules! drive {
    ($connection:expr, $phase:expr) => {{
        let mut connection = std::pin::pin!($connection);
        let mut phase = $phase;
        let mut told = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // Of interest to whoever looks into a client's trouble, and to nobody else.
                        tracing::debug!(%error, "a connection ended early");
                    }
                    break;
                }
                changed = phase.changed() => {
                    if changed.is_err() || *phase.borrow() == Phase::Over {
                        break;
                    }
                    if !std::mem::replace(&mut told, true) {
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }};
}
use drive;

fn http1_server(limits: ConnectionLimits) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD);
    server
}

fn http2_server(limits: ConnectionLimits) -> http2::Builder<TokioExecutor> {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(limits.head);
    server
}

/// Looks at the first bytes without taking them.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut seen).await?;
        let bytes = &seen[..count];
        if count == 0 || !PREFACE.starts_with(bytes) {
            return Ok(false);
        }
        if bytes == PREFACE {
            return Ok(true);
        }
        // Nothing wakes us for the rest while the first bytes are still there to be read.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
