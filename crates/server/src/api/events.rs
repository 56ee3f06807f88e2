//! A saga's events: all of them at once, or as a stream that goes on while the saga does.
//!
//! A stream shows each event once, in order and without holes, whichever of the journal and the
//! running coordinator it comes from. What the coordinator does not tell in time, the journal does.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use settled::coordinator::{History, Watching};
use settled::protocol::{Event, Record};
use settled::snapshot::SagaSnapshot;

use super::problem::Problem;
use super::query::Query;
use super::reveal::{Asker, REVEAL};
use super::sagas::{no_saga, saga_id};
use super::{Api, json};
use crate::view::{EventView, EventsView, Started, Timeline};

/// How soon a new stream looks into the journal again: what was on its way there when it began was
/// told to nobody.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Shows everything that happened to a saga, with requests, responses and times.
#[utoipa::path(
    get,
    path = "/v1/sagas/{id}/events",
    tag = "sagas",
    params(
        ("id" = String, Path, description = "The saga's id"),
        ("Accept" = Option<String>, Header, description = "`text/event-stream` for a stream: each message has an event as its `data` and the event's `seq` as its `id`; it ends after the saga is settled"),
        ("Last-Event-ID" = Option<String>, Header, description = "For a stream: begin after the event with this `seq`"),
        ("reveal" = Option<bool>, Query, description = "Shows payloads whole; for the role `admin`, or where there are no tokens"),
    ),
    responses(
        (status = 200, description = "Every event in order", content(
            (EventsView<'static> = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 204, description = "For a stream: the saga is settled and nothing came after `Last-Event-ID`"),
        (status = 404, description = "There is no such saga", body = super::problem::ProblemView<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(api): State<Api>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &[REVEAL])?;
    let reveal = api.reveals(&query, &asker)?;
    let id = saga_id(id)?;
    let live = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("text/event-stream"));
    if live {
        return follow(api, id, &headers, reveal).await;
    }
    let history = api.coordinator().history(&id).await?;
    let history = history.ok_or_else(|| no_saga(&id))?;
    let mut timeline = Timeline::default();
    let records = &history.records;
    let started: Vec<Option<Started>> = records.iter().map(|one| timeline.follow(one)).collect();
    let events = records.iter().zip(&started);
    let shown = EventsView {
        events: events
            .map(|(record, started)| {
                EventView::new(&history.saga, record, started.as_ref(), api.shown(reveal))
            })
            .collect(),
    };
    Ok(json(StatusCode::OK, &shown))
}

async fn follow(
    api: Api,
    id: String,
    headers: &HeaderMap,
    reveal: bool,
) -> Result<Response, Problem> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) if value.is_empty() => 0,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| {
                Problem::field(
                    "Last-Event-ID",
                    "expected the `seq` of an event of this saga",
                )
            })?,
    };
    // Watched first and read afterwards: what is in both is shown once.
    let watching = api.coordinator().watch(&id);
    let history = api.coordinator().history(&id).await?;
    let history = history.ok_or_else(|| no_saga(&id))?;
    if after > 0 && is_settled(&history) && history.records.len() as u32 <= after {
        // A client that asks again after the end is told to stop asking.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut following = Following {
        api,
        id,
        reveal,
        saga: Arc::new(history.saga.clone()),
        watching: Some(watching),
        timeline: Timeline::default(),
        seen: 0,
        after,
        settled: false,
        look_again: Some(SECOND_LOOK),
    };
    let mut first = following.show(&history.records);
    if first.is_empty() {
        // Something at once, so that the client knows that it is heard.
        first.push_str(":\n\n");
    }
    let beginning = stream::once(async move { Ok::<_, std::convert::Infallible>(first.into()) });
    let rest = stream::unfold(following, |mut following| async move {
        let text = following.next().await?;
        Some((Ok(Bytes::from(text)), following))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(beginning, rest));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn is_settled(history: &History) -> bool {
    history.saga.saga.settled().is_some()
}

/// A stream under way.
struct Following {
    api: Api,
    id: String,
    /// Whether payloads are shown whole.
    reveal: bool,
    saga: Arc<SagaSnapshot>,
    /// None once the coordinator has no more to tell.
    watching: Option<Watching>,
    timeline: Timeline,
    /// The last event that was taken in.
    seen: u32,
    /// The last event that the client has.
    after: u32,
    settled: bool,
    look_again: Option<Duration>,
}

impl Following {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<String> {
        if self.settled {
            return None;
        }
        let keep_alive = self.api.shared.keep_alive;
        loop {
            let pause = self.look_again.take().unwrap_or(keep_alive);
            let watching = self.watching.as_mut()?;
            let told = tokio::select! {
                biased;
                told = tokio::time::timeout(pause, watching.next()) => told,
                () = self.api.draining() => return None,
            };
            let text = match told {
                Ok(Some(records)) if self.continues(&records) => self.show(&records),
                // Told from the middle on, or no more, or nothing for a while: the journal knows.
                Ok(Some(_)) => self.read().await?,
                Ok(None) => {
                    self.watching = None;
                    self.read().await?
                }
                Err(_) => match self.read().await? {
                    nothing if nothing.is_empty() => ":\n\n".to_owned(),
                    text => text,
                },
            };
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    fn continues(&self, records: &[Record]) -> bool {
        records
            .first()
            .is_none_or(|first| first.seq <= self.seen + 1)
    }

    /// What the journal has beyond what was seen.
    async fn read(&mut self) -> Option<String> {
        let history = self.api.coordinator().history(&self.id).await.ok()??;
        Some(self.show(&history.records))
    }

    /// Writes the records that were not seen yet.
    fn show(&mut self, records: &[Record]) -> String {
        let mut text = String::new();
        for record in records {
            if record.seq <= self.seen {
                continue;
            }
            self.seen = record.seq;
            let started = self.timeline.follow(record);
            self.settled |= matches!(record.event, Event::Settled { .. });
            if record.seq <= self.after {
                continue;
            }
            let view = EventView::new(
                &self.saga,
                record,
                started.as_ref(),
                self.api.shown(self.reveal),
            );
            let Ok(json) = serde_json::to_string(&view) else {
                continue;
            };
            // White space in a payload may hold line breaks, which would end the message's line.
            let json = json.replace(['\n', '\r'], " ");
            let _ = write!(text, "id: {}\ndata: {json}\n\n", view.seq);
        }
        text
    }
}
