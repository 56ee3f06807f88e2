//! One HTTP/2 connection, shared by every call to its host.
//!
//! A task runs it for as long as anyone holds a handle. A call that is dropped resets its own
//! stream and leaves the others alone.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::answer::{self, Broken, Collected, MAX_HEAD};
use super::target;
use super::wire::Wire;
use crate::participant::{Request, Response};

/// How long a connection with calls on it may be silent before it is asked whether it lives, and
/// how long it has to answer that.
const PROBE: Duration = Duration::from_secs(10);

/// A handle to a shared connection.
#[derive(Clone, Debug)]
pub(super) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
}

impl Http2 {
    pub(super) async fn new(wire: Wire) -> Result<Self, Broken> {
        let made = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PROBE)
            .keep_alive_timeout(PROBE)
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(TokioIo::new(wire))
            .await;
        let (sender, connection) = made.map_err(|error| Broken {
            left: false,
            why: answer::describe(&error),
        })?;
        // Every call on it is told how it ended.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.sender.is_ready()
    }

    /// Sends the request once and reads the whole answer.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        max_body: usize,
    ) -> Result<Response, Broken> {
        let sent = self.sender.try_send_request(target::http2(request)).await;
        let (parts, body) = sent
            .map_err(|failed| lost_or_returned(&failed))?
            .into_parts();
        answer::check_status(&parts)?;
        Ok(answer::response(&parts, read(body, max_body).await?))
    }
}

/// A request that is handed back was never taken up by the connection; of any other it is not
/// known here how far it got.
fn lost_or_returned<T>(failed: &hyper::client::conn::TrySendError<T>) -> Broken {
    if failed.message().is_some() {
        let why = "the connection was closed before the request could be sent".to_owned();
        Broken { left: false, why }
    } else {
        Broken::lost(answer::describe(failed.error()))
    }
}

async fn read(mut body: Incoming, max_body: usize) -> Result<Bytes, Broken> {
    let mut collected = Collected::new(max_body, body.size_hint().lower())?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Broken::lost(answer::describe(&error)))?;
        if let Ok(piece) = frame.into_data() {
            collected.push(piece)?;
        }
    }
    Ok(collected.whole())
}
