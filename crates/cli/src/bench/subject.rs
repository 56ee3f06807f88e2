//! What settles the sagas: a coordinator in this process, or `settled serve` in one of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use settled::coordinator::{Coordinator, CoordinatorSettings};
use settled::observe::Unobserved;
use settled::participant::{Answer, HttpParticipants, HttpSettings, Request};
use settled::protocol::Span;

use super::Place;
use super::child::Child;
use super::error::BenchError;
use super::load::Work;
use super::workload::Workload;
use crate::journal::JournalUrl;

/// Longer than any saga of the benchmark may take.
const WAIT: Duration = Duration::from_mins(1);

/// The client of the participants, as `settled serve` has it.
pub(super) fn participants(concurrency: usize) -> Result<HttpParticipants, BenchError> {
    Ok(HttpParticipants::new(HttpSettings {
        max_idle_per_host: concurrency.max(256),
        ..HttpSettings::default()
    })?)
}

/// Sagas in this process.
pub(super) struct Durable {
    pub(super) workload: Workload,
    pub(super) coordinator: Coordinator,
}

impl Durable {
    /// Starts a coordinator on a journal.
    pub(super) fn start(
        journal: &JournalUrl,
        workload: Workload,
        concurrency: usize,
    ) -> Result<Arc<Self>, BenchError> {
        let coordinator = Coordinator::start(
            journal.open()?,
            participants(concurrency)?,
            Arc::new(Unobserved),
            CoordinatorSettings::default(),
        )
        .map_err(BenchError::Thread)?;
        Ok(Arc::new(Self {
            workload,
            coordinator,
        }))
    }

    /// Stops the coordinator, so that its journal is closed.
    pub(super) async fn stop(&self) {
        self.coordinator.drain(Duration::from_secs(10)).await;
    }
}

impl Work for Durable {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let document = self.workload.numbered(number);
        let submission = self.coordinator.definitions().parse(document.as_bytes())?;
        let taken = self
            .coordinator
            .submit(submission, None, Some(WAIT))
            .await?;
        let state = taken.saga.saga.state(self.coordinator.clock().now());
        self.workload.check(number, state.as_str())
    }
}

/// Sagas that are submitted over HTTP.
pub(super) struct Served {
    pub(super) workload: Workload,
    pub(super) server: Child,
    client: HttpParticipants,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

impl Served {
    /// Takes a `settled serve` that is ready.
    pub(super) fn start(
        server: Child,
        workload: Workload,
        concurrency: usize,
    ) -> Result<Arc<Self>, BenchError> {
        Ok(Arc::new(Self {
            workload,
            server,
            client: participants(concurrency)?,
        }))
    }
}

/// Starts `settled serve` on a journal, with every setting as it comes.
pub(super) async fn serve(
    place: &Place,
    journal: &JournalUrl,
    threads: usize,
) -> Result<Child, BenchError> {
    let arguments = [
        "serve".to_owned(),
        "--listen=127.0.0.1:0".to_owned(),
        format!("--journal={journal}"),
        format!("--threads={threads}"),
    ];
    Child::start(
        "settled serve",
        &arguments,
        &place.directory.join("serve.log"),
    )
    .await
}

impl Work for Served {
    async fn once(&self, number: usize) -> Result<(), BenchError> {
        let url = format!("{}/v1/sagas?wait={}s", self.server.url, WAIT.as_secs());
        let request = Request {
            method: Method::POST,
            url: url.parse().map_err(|_| BenchError::Call(url.clone()))?,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body: Some(Bytes::from(self.workload.numbered(number))),
            timeout: Span::from(WAIT * 2),
            alert: false,
        };
        let answer = self.client.send(request).await;
        let Answer::Responded(response) = answer else {
            return Err(BenchError::Call(format!("{answer:?}")));
        };
        let Ok(saga) = serde_json::from_slice::<State>(&response.body) else {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(BenchError::Call(format!("{}: {body}", response.status)));
        };
        self.workload.check(number, &saga.state)
    }
}

impl Workload {
    fn check(&self, number: usize, state: &str) -> Result<(), BenchError> {
        let expected = self.end(number);
        if state == expected {
            return Ok(());
        }
        Err(BenchError::Ended {
            id: self.id(number),
            state: state.to_owned(),
            expected,
        })
    }
}
