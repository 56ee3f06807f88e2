//! Tells a page that something has changed, so that it asks for itself again.
//!
//! What has changed is not told: the page has one way to find out, which is to be made anew.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use settled::coordinator::Watching;
use tokio::sync::watch;

use super::Console;
use super::form::Form;
use super::guard::{SESSION, cookie};

/// What was told is durable a little later; what comes together is told together.
const GATHER: Duration = Duration::from_millis(300);

/// How often a page is told at most.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a stream on which nothing happens says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

enum Source {
    /// Anything at all.
    All(watch::Receiver<u64>),
    /// One saga.
    Saga(Watching),
    /// There is no more to tell.
    Over,
}

impl Source {
    async fn changed(&mut self) -> bool {
        match self {
            Self::All(changes) => changes.changed().await.is_ok(),
            Self::Saga(watching) => watching.next().await.is_some(),
            Self::Over => std::future::pending().await,
        }
    }
}

/// The stream: `changed` now and then, until the server ends.
pub(super) async fn live(
    State(console): State<Console>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let session = cookie(&headers, SESSION).unwrap_or_default().to_owned();
    let asked = Form::read(query.as_deref().unwrap_or_default());
    let source = match asked.text("saga") {
        Some(saga) => Source::Saga(console.coordinator().watch(saga)),
        None => Source::All(console.api.changes()),
    };
    // What has changed since the page was made is told at once.
    let seen = asked.text("seen").and_then(|seen| seen.parse().ok());
    let is_old = seen.is_some_and(|seen: u64| *console.api.changes().borrow() != seen);
    let first: &[u8] = if is_old {
        b"data: changed\n\n"
    } else {
        b":\n\n"
    };
    let first = stream::once(async move { Ok::<_, Infallible>(Bytes::from_static(first)) });
    let following = (console, source, session, is_old);
    let rest = stream::unfold(following, |following| async move {
        let (console, mut source, session, told) = following;
        if told {
            tokio::time::sleep(PAUSE).await;
        }
        let text = tokio::select! {
            changed = tokio::time::timeout(KEEP_ALIVE, source.changed()) => match changed {
                Ok(more) => {
                    tokio::time::sleep(GATHER).await;
                    if !more {
                        source = Source::Over;
                    }
                    "data: changed\n\n"
                }
                Err(_) => ":\n\n",
            },
            () = console.api.draining() => return None,
        };
        // Nobody is told any more who has gone.
        if console.api.needs_tokens() {
            console.sessions.find(&session, false)?;
        }
        let told = !text.starts_with(':');
        Some((
            Ok(Bytes::from_static(text.as_bytes())),
            (console, source, session, told),
        ))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
