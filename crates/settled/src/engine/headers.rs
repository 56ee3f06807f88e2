//! The headers that every request carries, whatever its step says.

use http::{HeaderName, HeaderValue};

use crate::definition::Rendered;
use crate::participant::Request;
use crate::trace;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SETTLED_SAGA: HeaderName = HeaderName::from_static("settled-saga");
const SETTLED_STEP: HeaderName = HeaderName::from_static("settled-step");
const SETTLED_ATTEMPT: HeaderName = HeaderName::from_static("settled-attempt");
const SETTLED_CALLBACK: HeaderName = HeaderName::from_static("settled-callback");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whose request it is.
pub(super) struct Address<'a> {
    pub(super) saga: &'a str,
    pub(super) step: &'a str,
    pub(super) key: &'a str,
    pub(super) number: u32,
    pub(super) callback: &'a str,
    pub(super) trace: &'a str,
    pub(super) span_id: u64,
    pub(super) alert: bool,
}

/// Puts the address on a request.
pub(super) fn address(rendered: Rendered, address: &Address<'_>) -> Request {
    let mut headers = rendered.headers;
    headers.reserve(6);
    let traceparent = trace::traceparent(address.trace, address.span_id);
    let texts = [
        (IDEMPOTENCY_KEY, address.key),
        (SETTLED_SAGA, address.saga),
        (SETTLED_STEP, address.step),
        (SETTLED_CALLBACK, address.callback),
        (TRACEPARENT, &traceparent),
    ];
    for (name, text) in texts {
        // Ids, step names and tokens are of an alphabet that fits into a header.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.push((name, value));
        }
    }
    headers.push((SETTLED_ATTEMPT, HeaderValue::from(address.number)));
    Request {
        method: rendered.method,
        url: rendered.url,
        headers,
        body: rendered.body,
        timeout: rendered.timeout,
        alert: address.alert,
    }
}
