//! One HTTP/1.1 connection, driven by whoever is using it.
//!
//! No task of its own runs it: the future that sends a request also does the connection's reading
//! and writing. That spares two hand-overs between tasks per call, and it means that dropping the
//! future closes the connection at once. An idle connection is not watched; whether it still lives
//! is asked when it is taken up again.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;

use super::answer::{self, Broken, Collected, MAX_HEAD};
use super::driver::Driver;
use super::target;
use super::wire::{Trace, Wire};
use crate::participant::{Request, Response};

/// An open connection and all that is known about it.
#[derive(Debug)]
pub(super) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    trace: Trace,
    host: HeaderValue,
    keep: Keep,
}

/// Whether, and how long, the participant lets the connection be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    No,
    AsLongAsWeLike,
    AtMost(Duration),
}

impl Http1 {
    pub(super) async fn new(wire: Wire, host: HeaderValue) -> Result<Self, Broken> {
        let trace = wire.trace();
        let made = Builder::new()
            .max_header_size(MAX_HEAD)
            .handshake(TokioIo::new(wire))
            .await;
        let (sender, connection) = made.map_err(|error| Broken {
            left: false,
            why: answer::describe(&error),
        })?;
        let driver = Driver::new(connection);
        Ok(Self {
            sender,
            driver,
            trace,
            host,
            keep: Keep::No,
        })
    }

    /// Whether anything of the latest request has left.
    pub(super) fn left(&self) -> bool {
        self.trace.left()
    }

    /// Whether the connection could take a request now, as far as can be seen from here.
    pub(super) fn is_alive(&mut self) -> bool {
        self.driver.run_idle();
        !self.driver.is_over() && self.sender.is_ready()
    }

    /// How long the connection may be kept for another request, if at all.
    pub(super) fn keep_for(&self, at_most: Duration) -> Option<Duration> {
        match self.keep {
            Keep::No => None,
            Keep::AsLongAsWeLike => Some(at_most),
            Keep::AtMost(theirs) => Some(theirs.min(at_most)),
        }
    }

    /// Sends the request once and reads the whole answer.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        max_body: usize,
    ) -> Result<Response, Broken> {
        self.keep = Keep::No;
        self.trace.clear();
        let (parts, body) = self.send(request).await?.into_parts();
        answer::check_status(&parts)?;
        let body = self.read(body, max_body).await?;
        if self.is_alive() {
            self.keep = kept(&parts.headers);
        }
        Ok(answer::response(&parts, body))
    }

    async fn send(&mut self, request: &Request) -> Result<http::Response<Incoming>, Broken> {
        let outgoing = target::http1(request, &self.host);
        // Unconstrained, because a budget of the runtime that is used up would delay the answer
        // and wake the asker later, and this asker cannot be woken.
        let mut answer = pin!(unconstrained(self.sender.try_send_request(outgoing)));
        let answer = poll_fn(|cx| self.driver.poll(cx, |cx| answer.as_mut().poll(cx)));
        answer.await.map_err(|failed| {
            let left = self.trace.left();
            let why = if left {
                answer::describe(failed.error())
            } else {
                "the connection was closed before the request could be sent".to_owned()
            };
            Broken { left, why }
        })
    }

    async fn read(&mut self, mut body: Incoming, max_body: usize) -> Result<Bytes, Broken> {
        let mut collected = Collected::new(max_body, body.size_hint().lower())?;
        while !body.is_end_stream() {
            let frame = poll_fn(|cx| {
                self.driver
                    .poll(cx, |cx| Pin::new(&mut body).poll_frame(cx))
            });
            match frame.await {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        collected.push(piece)?;
                    }
                }
                Some(Err(error)) => return Err(Broken::lost(answer::describe(&error))),
                None => break,
            }
        }
        Ok(collected.whole())
    }
}

/// What the answer says about keeping the connection. A second less than is offered: the
/// participant counts from the moment it answered.
fn kept(headers: &HeaderMap) -> Keep {
    let Some(offer) = headers
        .get("keep-alive")
        .and_then(|value| value.to_str().ok())
    else {
        return Keep::AsLongAsWeLike;
    };
    let timeout = offer.split(',').find_map(|item| {
        let (name, value) = item.trim().split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("timeout")
            .then(|| value.trim().parse::<u32>().ok())?
    });
    match timeout {
        None => Keep::AsLongAsWeLike,
        Some(0 | 1) => Keep::No,
        Some(seconds) => Keep::AtMost(Duration::from_secs(u64::from(seconds - 1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_participant_offers_is_kept_to() {
        for (offer, expected) in [
            ("timeout=5", Keep::AtMost(Duration::from_secs(4))),
            ("Timeout=5, max=100", Keep::AtMost(Duration::from_secs(4))),
            ("max=100, timeout = 2", Keep::AtMost(Duration::from_secs(1))),
            ("timeout=1", Keep::No),
            ("timeout=0", Keep::No),
            ("max=100", Keep::AsLongAsWeLike),
            ("timeout=soon", Keep::AsLongAsWeLike),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", HeaderValue::from_static(offer));
            assert_eq!(kept(&headers), expected, "{offer}");
        }
        assert_eq!(kept(&HeaderMap::new()), Keep::AsLongAsWeLike);
    }
}
