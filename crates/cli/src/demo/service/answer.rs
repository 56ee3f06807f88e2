//! From a request to its answer, or to what the fault makes of it.
//!
//! Acts before it answers, waits or cuts, never after.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::books::{Call, Outcome, Work};
use super::goods::{self, Malformed};
use super::writer::Writer;
use crate::demo::faults::{Fate, Fault, Faults, Purpose};
use crate::demo::shop::Kind;

/// How long an answer that never comes does not come, if the caller waits for it at all.
const SILENCE: Duration = Duration::from_secs(5);

/// A slow answer takes up to this long: within the time limits that the demo sets.
const SLOW_MS_MAX: u64 = 600;

/// No body is longer.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The bytes of an answer.
pub(super) type Body = BoxBody<Bytes, Cut>;

/// Ends the connection without an answer, or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(super) struct Cut;

/// Everything that answering takes.
#[derive(Debug)]
pub(super) struct Desk {
    kind: Kind,
    faults: Faults,
    writer: Writer,
    /// How often each key was called, by purpose. Counted here as well as by the caller, so that
    /// a fault fades even for a caller that numbers its attempts wrongly.
    calls: Mutex<HashMap<(Purpose, String), u32>>,
}

impl Desk {
    /// The desk of one service.
    pub(super) fn new(kind: Kind, faults: Faults, writer: Writer) -> Self {
        Self {
            kind,
            faults,
            writer,
            calls: Mutex::default(),
        }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let came = Instant::now();
        let (head, body) = request.into_parts();
        let Some((purpose, asked)) = self.route(&head.method, head.uri.path()) else {
            return Ok(problem(
                StatusCode::BAD_REQUEST,
                "no such method and path here",
            ));
        };
        let Some(key) = asked.or_else(|| header(&head.headers, "idempotency-key")) else {
            return Ok(problem(
                StatusCode::BAD_REQUEST,
                "the Idempotency-Key header is missing",
            ));
        };
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|_| Cut)?
            .to_bytes();
        let work = match self.read(purpose, &body) {
            Ok(work) => work,
            Err(malformed) => {
                return Ok(problem(StatusCode::BAD_REQUEST, &malformed.to_string()));
            }
        };
        let attempt = self.count(purpose, &key, &head.headers);
        let fate = self.faults.fate(purpose, &key, attempt);
        let acts = fate.fault.is_none_or(Fault::acts);
        let call = Call {
            key,
            purpose: purpose.as_str(),
            attempt,
            fault: fate.fault.map(|fault| fault.name(purpose)),
            work: if acts { work } else { Work::Nothing },
        };
        let outcome = self.writer.enter(call, came).await;
        let honest = outcome.map_or_else(
            |closed| problem(StatusCode::INTERNAL_SERVER_ERROR, &closed.to_string()),
            |outcome| self.honest(outcome),
        );
        misbehave(fate, honest).await
    }

    /// What a request is for, and the key that a check asks about.
    fn route(&self, method: &Method, path: &str) -> Option<(Purpose, Option<String>)> {
        let (action, compensation) = self.kind.paths();
        match (method.as_str(), path) {
            ("POST", path) if path == action => Some((Purpose::Action, None)),
            ("POST", path) if path == compensation => Some((Purpose::Compensation, None)),
            ("GET", path) => {
                let key = percent_decode(path.strip_prefix("/operations/")?)?;
                Some((Purpose::Check, Some(key)))
            }
            _ => None,
        }
    }

    fn read(&self, purpose: Purpose, body: &[u8]) -> Result<Work, Malformed> {
        if purpose == Purpose::Check {
            return Ok(Work::Ask);
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let saga = goods::text(&body, "order")?;
        Ok(match purpose {
            Purpose::Action => Work::Take {
                saga,
                wants: self.kind.read_wants(&body)?,
            },
            _ => Work::Return {
                saga,
                taken: self.kind.read_taken(&body)?,
            },
        })
    }

    /// Which call with this key it is: by the caller's count or by our own, whichever is higher.
    fn count(&self, purpose: Purpose, key: &str, headers: &HeaderMap) -> u32 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = calls.entry((purpose, key.to_owned())).or_default();
        *counted += 1;
        let said = header(headers, "settled-attempt").and_then(|text| text.parse().ok());
        said.unwrap_or(1).max(*counted)
    }

    /// The answer of a service without a fault.
    fn honest(&self, outcome: Outcome) -> Response<Body> {
        match outcome {
            Outcome::Done(result) | Outcome::Happened(result) => respond(StatusCode::OK, &result),
            Outcome::Refused(why) if self.kind.refuses_by_status() => {
                respond(StatusCode::CONFLICT, &json!({"message": why}))
            }
            Outcome::Refused(why) => {
                respond(StatusCode::OK, &json!({"isSuccess": false, "message": why}))
            }
            Outcome::NotHappened => problem(StatusCode::NOT_FOUND, "no such operation"),
            Outcome::TooLate => problem(StatusCode::SERVICE_UNAVAILABLE, "too busy to act in time"),
            // Only a fault ignores a call, and a fault brings its own answer.
            Outcome::Ignored => problem(StatusCode::INTERNAL_SERVER_ERROR, "nothing was done"),
        }
    }
}

/// What the caller gets instead of the honest answer.
async fn misbehave(fate: Fate, honest: Response<Body>) -> Result<Response<Body>, Cut> {
    match fate.fault {
        None => Ok(honest),
        Some(Fault::ErrorBefore | Fault::ErrorAfter) => Ok(problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something went wrong here",
        )),
        Some(Fault::SilenceBefore | Fault::SilenceAfter) => {
            tokio::time::sleep(SILENCE).await;
            Err(Cut)
        }
        Some(Fault::CutBefore | Fault::CutAfter) => Err(Cut),
        Some(Fault::Torn) => torn(honest).await,
        Some(Fault::Busy) => {
            let mut busy = problem(StatusCode::TOO_MANY_REQUESTS, "not now");
            let seconds = if fate.random.is_multiple_of(2) {
                "0"
            } else {
                "1"
            };
            busy.headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static(seconds));
            Ok(busy)
        }
        Some(Fault::Slow) => {
            let wait = u64::from(fate.random) % SLOW_MS_MAX;
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Ok(honest)
        }
    }
}

/// Status, headers and half of the body, and then the end of the connection.
async fn torn(honest: Response<Body>) -> Result<Response<Body>, Cut> {
    let (mut head, body) = honest.into_parts();
    let whole = body.collect().await?.to_bytes();
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = Ok(Frame::data(whole.slice(..whole.len() / 2)));
    let end = stream::once(async {
        // Long enough for the first half to be on its way before the connection goes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Cut)
    });
    let body = StreamBody::new(stream::once(async { half }).chain(end));
    Ok(Response::from_parts(head, BodyExt::boxed(body)))
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let bytes = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut response = Response::new(bytes.boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn problem(status: StatusCode, message: &str) -> Response<Body> {
    respond(status, &json!({"message": message}))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Text from a URL's path; `None` for what is not percent-encoded UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::percent_decode;

    #[test]
    fn keys_are_read_from_urls() {
        let decode = |text| percent_decode(text);
        assert_eq!(
            decode("order-1%2Fstock%2faction").as_deref(),
            Some("order-1/stock/action")
        );
        assert_eq!(
            decode("order-1/stock/action").as_deref(),
            Some("order-1/stock/action")
        );
        assert_eq!(decode("%E5%BA%93").as_deref(), Some("库"));
        assert_eq!(decode("a%2"), None);
        assert_eq!(decode("a%zz"), None);
        assert_eq!(decode("%ff"), None);
    }
}
