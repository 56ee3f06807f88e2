//! Reading an answer whole, and saying in words why one was not.
//!
//! An answer is whole or it is nothing: the status of one whose body broke off is not passed on.
//! Nothing in an answer is decoded or interpreted here.

use std::error::Error as StdError;
use std::io;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::response::Parts;

use crate::participant::Response;

/// The most that the head of an answer may measure.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// A body up to this size is copied out of the connection's buffer, so that keeping the one does
/// not keep the other.
const COPIED: usize = 16 * 1024;

/// An exchange that did not end in a whole answer.
#[derive(Debug)]
pub(super) struct Broken {
    /// Whether any of the request may have left.
    pub(super) left: bool,
    /// What happened.
    pub(super) why: String,
}

impl Broken {
    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self {
            left: true,
            why: why.into(),
        }
    }
}

/// A body as far as it has been read.
#[derive(Debug)]
pub(super) struct Collected {
    first: Bytes,
    rest: BytesMut,
    limit: usize,
}

impl Collected {
    /// Begins a body of at least `least` bytes, as announced.
    pub(super) fn new(limit: usize, least: u64) -> Result<Self, Broken> {
        if least > limit as u64 {
            return Err(too_long(limit));
        }
        Ok(Self {
            first: Bytes::new(),
            rest: BytesMut::new(),
            limit,
        })
    }

    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), Broken> {
        if self.first.len() + self.rest.len() + piece.len() > self.limit {
            return Err(too_long(self.limit));
        }
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.extend_from_slice(&piece);
        }
        Ok(())
    }

    pub(super) fn whole(self) -> Bytes {
        if self.rest.is_empty() {
            if self.first.len() <= COPIED {
                Bytes::copy_from_slice(&self.first)
            } else {
                self.first
            }
        } else {
            let mut whole = BytesMut::with_capacity(self.first.len() + self.rest.len());
            whole.extend_from_slice(&self.first);
            whole.extend_from_slice(&self.rest);
            whole.freeze()
        }
    }
}

fn too_long(limit: usize) -> Broken {
    Broken::lost(format!(
        "the answer's body is longer than the limit of {limit} bytes"
    ))
}

/// Refuses an answer that ends HTTP on the connection, which nobody asked for.
pub(super) fn check_status(parts: &Parts) -> Result<(), Broken> {
    if parts.status.is_informational() {
        return Err(Broken::lost(format!(
            "{} is not an answer to this request",
            parts.status
        )));
    }
    Ok(())
}

pub(super) fn response(parts: &Parts, body: Bytes) -> Response {
    Response {
        status: parts.status.as_u16(),
        headers: texts(&parts.headers),
        body,
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut texts = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
            texts.push((name.as_str().to_owned(), value.to_owned()));
        }
    }
    texts
}

/// Says what ended the exchange, without anything that was in it.
pub(super) fn describe(error: &hyper::Error) -> String {
    if error.is_parse() {
        return if error.to_string().contains("too large") {
            format!("the head of the answer is longer than {MAX_HEAD} bytes")
        } else {
            format!("the answer is not valid HTTP: {error}")
        };
    }
    let cause = io_kind(error);
    if error.is_incomplete_message() || cause == Some(io::ErrorKind::UnexpectedEof) {
        return "the connection was closed before the answer was complete".to_owned();
    }
    match cause {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            "the connection was reset before the answer was complete".to_owned()
        }
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            "the answer is not valid HTTP: its body is malformed".to_owned()
        }
        Some(kind) => format!("the connection broke before the answer was complete: {kind}"),
        None => format!("the exchange broke off: {error}"),
    }
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_incomplete_message)
        {
            return Some(io::ErrorKind::UnexpectedEof);
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_put_together_up_to_the_limit() {
        let mut body = Collected::new(5, 0).unwrap();
        for piece in ["ab", "", "c", "de"] {
            body.push(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        assert!(body.push(Bytes::from_static(b"f")).is_err());
        assert_eq!(body.whole(), "abcde");
        assert!(Collected::new(5, 6).is_err());
    }
}
