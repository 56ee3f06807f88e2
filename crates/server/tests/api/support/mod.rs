//! A real server on a free port, over a real coordinator on a journal in memory, with participants
//! that do as they are told, and a client that shows the bytes as they are.

pub(crate) mod client;
pub(crate) mod log;
pub(crate) mod participant;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use settled::coordinator::{Coordinator, CoordinatorSettings, OpenJournal};
use settled::journal::{Journal, Keeper, MemoryJournal};
use settled::participant::{HttpParticipants, HttpSettings};
use settled_server::{Metrics, Server, ServerSettings};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use client::Reply;
pub(crate) use participant::Participant;

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A server at work.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) coordinator: Coordinator,
    pub(crate) participant: Participant,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<()>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::with(ServerSettings::default()).await
    }

    pub(crate) async fn with(settings: ServerSettings) -> Self {
        let journal = MemoryJournal::new();
        let keeper: Arc<dyn Keeper> = Arc::new(journal.clone());
        Self::over(Box::new(journal), keeper, settings).await
    }

    pub(crate) async fn over(
        writer: Box<dyn Journal>,
        keeper: Arc<dyn Keeper>,
        settings: ServerSettings,
    ) -> Self {
        log::begin();
        let metrics = Metrics::new();
        let observer = Arc::clone(&metrics);
        let participants = HttpParticipants::new(HttpSettings::default()).unwrap();
        let journal = OpenJournal { writer, keeper };
        let coordinator = Coordinator::start(
            journal,
            participants,
            observer,
            CoordinatorSettings::default(),
        )
        .unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(any, coordinator.clone(), metrics, settings)
            .await
            .unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            coordinator,
            participant: Participant::start().await,
            stop: Some(stop),
            serving,
        }
    }

    /// Tells the server to end.
    pub(crate) fn shut_down(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// A step that calls a path of the participant.
    pub(crate) fn step(&self, name: &str, path: &str) -> Value {
        json!({"name": name, "action": {"url": self.participant.url(path)}})
    }

    /// The same with a compensation.
    pub(crate) fn undone_step(&self, name: &str, path: &str, back: &str) -> Value {
        let mut step = self.step(name, path);
        step["compensation"] = json!({"url": self.participant.url(back)});
        step["retry"] = json!({"max_attempts": 1});
        step["on_unknown"] = json!("incident");
        step
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        client::send(self.address, "GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        client::send(self.address, "POST", path, &[], body).await
    }

    pub(crate) async fn put_json(&self, path: &str, body: &Value) -> Reply {
        client::send(self.address, "PUT", path, &[], body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        client::send(self.address, "DELETE", path, &[], "").await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.post(path, &body.to_string()).await
    }

    /// Submits a saga of these steps and waits for its end.
    pub(crate) async fn run(&self, id: &str, steps: Value) -> Value {
        let saga = json!({"id": id, "name": "test", "input": {"n": 1}, "steps": steps});
        let reply = self.post_json("/v1/sagas?wait=20s", &saga).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    /// Asks for a saga until it is as it should be.
    pub(crate) async fn until(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let saga = self.get(&format!("/v1/sagas/{id}")).await.json();
                if fits(&saga) {
                    return saga;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.expect(id)
    }
}
