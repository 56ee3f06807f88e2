//! A coordinator with alerts, and a server that is the receiver of them and a participant that breaks.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use settled::alerts::{ALERT_SAGA, AlertSettings, Alerts};
use settled::coordinator::{Coordinator, CoordinatorSettings, OpenJournal};
use settled::journal::{
    Append, Appended, Change, CommitError, IncidentFilter, IncidentRow, Journal, Misplaced, Opened,
    ReadError, SagaFilter, SagaNo, SqliteJournal,
};
use settled::observe::Unobserved;
use settled::participant::{AlertPost, AllowList, HttpParticipants, HttpSettings};
use settled::protocol::{Decision, Resolution, Retry, Span, Timestamp};
use settled::snapshot::SagaSnapshot;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SECRET: &str = "a secret that nobody else knows";
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A request to the receiver.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) status: u16,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The event, of which it is sure that it comes from the holder of the secret.
    pub(crate) fn event(&self) -> Value {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(self.header("webhook-signature"), format!("v1,{signature}"));
        assert_eq!(self.header("content-type"), "application/cloudevents+json");
        assert_eq!(self.header("settled-callback"), "");
        let event: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], id);
        assert_eq!(event["datacontenttype"], "application/json");
        event
    }

    pub(crate) fn kind(&self) -> String {
        let event = self.event();
        event["type"].as_str().unwrap().to_owned()
    }
}

/// `/alerts` answers with the next status of its script, 200 at its end; anything else is broken.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    pub(crate) address: String,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    pub(crate) async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let receiver = Self {
            address,
            ..Self::default()
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.converse(stream).await });
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answers(&self, script: impl IntoIterator<Item = u16>) {
        self.script.lock().unwrap().extend(script);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// What it got, once it is so much.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Got> {
        until(async || (self.got().len() >= count).then(|| self.got())).await
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.got().iter().map(Got::kind).collect()
    }

    async fn converse(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut first = String::new();
            stream.read_line(&mut first).await.ok()?;
            let path = first.split(' ').nth(1)?.to_owned();
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.ok()?;
                match line.trim_end().split_once(": ") {
                    Some((name, value)) => {
                        headers.push((name.to_ascii_lowercase(), value.to_owned()));
                    }
                    None => break,
                }
            }
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, value)| value.parse().unwrap());
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let mut status = 500;
            if path == "/alerts" {
                status = self.script.lock().unwrap().pop_front().unwrap_or(200);
                let body = String::from_utf8(body).unwrap();
                self.got.lock().unwrap().push(Got {
                    headers,
                    body,
                    status,
                });
            }
            let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }
}

/// A journal that loses what was told, where it is asked to: as if the process had ended before.
struct Torn {
    inner: SqliteJournal,
    loses: Arc<AtomicBool>,
}

impl Journal for Torn {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        self.inner.commit(batch)
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        self.inner.reopen()
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        self.inner.last_seq(saga)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.inner.prune(before, limit)
    }

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        if self.loses.load(SeqCst) && matches!(change, Change::Told(_)) {
            return Err(CommitError::Full("no room for what was told".to_owned()));
        }
        self.inner.change(change)
    }
}

/// A coordinator over a journal file.
pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) path: PathBuf,
    pub(crate) loses: Arc<AtomicBool>,
}

/// Quick enough for a test.
pub(crate) fn settings() -> AlertSettings {
    AlertSettings {
        remind_every: None,
        source: "https://settled.example.com".to_owned(),
        retry: retry(100),
        ..AlertSettings::default()
    }
}

pub(crate) fn retry(max_attempts: u32) -> Retry {
    Retry {
        max_attempts,
        first_delay: Span::from_millis(20),
        max_delay: Span::from_millis(20),
        factor: 1.0,
    }
}

impl World {
    /// Starts, with alerts on where there is a receiver.
    pub(crate) fn start(directory: &Path, alerts_to: &str) -> Self {
        Self::allowing(directory, alerts_to, AllowList::open())
    }

    pub(crate) fn allowing(directory: &Path, alerts_to: &str, allow: AllowList) -> Self {
        let path = directory.join("j.db");
        let inner = SqliteJournal::open(&path).unwrap();
        let keeper = Arc::new(inner.keeper());
        let loses = Arc::new(AtomicBool::new(false));
        let writer = Box::new(Torn {
            inner,
            loses: Arc::clone(&loses),
        });
        let http = HttpSettings {
            allow,
            ..HttpSettings::default()
        };
        let post = AlertPost::new(alerts_to, SECRET, HttpSettings::default()).unwrap();
        let participants = HttpParticipants::new(http).unwrap().with_alerts(post);
        let coordinator = Coordinator::start(
            OpenJournal { writer, keeper },
            participants,
            Arc::new(Unobserved),
            CoordinatorSettings::default(),
        );
        Self {
            coordinator: coordinator.unwrap(),
            path,
            loses,
        }
    }

    pub(crate) fn tell(&self, settings: AlertSettings) -> Alerts {
        Alerts::start(&self.coordinator, settings).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.coordinator.drain(Duration::ZERO).await;
    }

    /// A saga that ends as an incident.
    pub(crate) async fn open_incident(&self, id: &str, receiver: &Receiver) {
        self.submit(&json!({
            "id": id, "name": "order", "input": {"card": "4111-1111"},
            "steps": [{
                "name": "pay", "on_unknown": "incident",
                "action": {"url": receiver.url("/broken"), "body": {"card": "${ input.card }"}},
                "retry": {"max_attempts": 1}
            }]
        }))
        .await;
        let id = format!("{id}~1");
        until(async || self.coordinator.incident(&id).await.unwrap()).await;
    }

    pub(crate) async fn submit(&self, document: &Value) {
        let definitions = self.coordinator.definitions();
        let submission = definitions.parse(document.to_string().as_bytes()).unwrap();
        let taken = self.coordinator.submit(submission, None, None).await;
        taken.unwrap();
    }

    pub(crate) async fn resolve(&self, incident: &str) {
        let resolution = Resolution {
            decision: Decision::NotDone,
            note: "asked them".to_owned(),
            by: "ada".to_owned(),
            result: None,
            body: None,
        };
        self.coordinator
            .resolve(incident, resolution)
            .await
            .unwrap();
    }

    /// Every alert on record.
    pub(crate) async fn alerts(&self) -> Vec<SagaSnapshot> {
        let filter = SagaFilter {
            name: Some(ALERT_SAGA.to_owned()),
            ..SagaFilter::default()
        };
        let page = self.coordinator.sagas(filter, None, 1_000).await.unwrap();
        page.items.into_iter().map(Result::unwrap).collect()
    }

    /// Every incident.
    pub(crate) async fn incidents(&self) -> Vec<IncidentRow> {
        let filter = IncidentFilter::default();
        let page = self.coordinator.incidents(filter, None, 1_000).await;
        page.unwrap().items
    }

    pub(crate) async fn untold(&self) -> usize {
        self.coordinator.untold(None, 1_000).await.unwrap().len()
    }
}

/// Waits for something to come true.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("in time")
}
