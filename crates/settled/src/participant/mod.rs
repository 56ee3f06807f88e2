//! The services and platforms that are called: what is sent to them and what comes back.
//!
//! Nothing here decides what an answer means for a saga, and nothing here sends anything twice.

use bytes::Bytes;
use settled_protocol::Span;

mod alert;
mod http;

pub use alert::{AlertPost, AlertPostError};
pub use http::{AllowList, AllowListError, HttpParticipants, HttpSettings, HttpSetupError};

/// One request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: ::http::Method,
    /// An absolute `http` or `https` URL.
    pub url: ::http::Uri,
    /// Every header to send, in order.
    pub headers: Vec<(::http::HeaderName, ::http::HeaderValue)>,
    /// The body, where there is one.
    pub body: Option<Bytes>,
    /// The time limit of the whole exchange, connecting and reading the answer included.
    pub timeout: Span,
    /// Whether it is an alert of Settled's own ([`crate::alerts`]): it goes to where alerts go, signed,
    /// whatever its URL says, and to nowhere else.
    pub alert: bool,
}

/// What came back, told apart only by what is certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The participant answered.
    Responded(Response),
    /// Certainly nothing of the request reached the participant: no connection could be made.
    NotSent(String),
    /// The request may have reached the participant, and no whole answer came back.
    Unknown(String),
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case, values that are not text left out.
    pub headers: Vec<(String, String)>,
    /// The body, no longer than the limit that was set.
    pub body: Bytes,
}
