//! A journal in a folder of its own, a book in which closures note what they do, and ways to wait.

#![allow(dead_code, reason = "not every test file needs all of it")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use settled::journal::{IncidentFilter, IncidentRow};
use settled::observe::Observer;
use settled::protocol::{Decision, Json, Resolution, Span};
use settled::{Builder, Retry, Settled};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What closures noted, and whether they are to fail.
#[derive(Clone, Default)]
pub(crate) struct Book {
    lines: Arc<Mutex<Vec<String>>>,
    down: Arc<AtomicBool>,
}

impl Book {
    pub(crate) fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn clear(&self) {
        self.lines.lock().unwrap().clear();
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    pub(crate) async fn wait_for(&self, part: &str) {
        let wait = async {
            while !self.lines().iter().any(|line| line.contains(part)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "no `{part}` in {:?}", self.lines());
    }
}

/// Troubles are noted too.
struct Ear(Book);

impl Observer for Ear {
    fn trouble(&self, what: &str) {
        self.0.note(what.to_owned());
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) book: Book,
    pub(crate) troubles: Book,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            book: Book::default(),
            troubles: Book::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn start(&self, fill: impl FnOnce(Builder<Book>) -> Builder<Book>) -> Settled {
        let builder = Settled::with_state(self.book.clone())
            .journal(self.path("settled.db"))
            .observer(Arc::new(Ear(self.troubles.clone())));
        fill(builder).start().unwrap()
    }

    /// The saga's first open incident, once there is one.
    pub(crate) async fn incident(&self, settled: &Settled, saga: &str) -> IncidentRow {
        let filter = IncidentFilter {
            open: Some(true),
            saga: Some(saga.to_owned()),
            ..IncidentFilter::default()
        };
        let wait = async {
            loop {
                let page = settled
                    .coordinator()
                    .incidents(filter.clone(), None, 1)
                    .await
                    .unwrap();
                if let Some(incident) = page.items.into_iter().next() {
                    return incident;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }

    pub(crate) async fn resolve(
        &self,
        settled: &Settled,
        incident: &str,
        decision: Decision,
        result: Option<&str>,
    ) {
        let resolution = Resolution {
            decision,
            note: "as seen".to_owned(),
            by: "me".to_owned(),
            result: result.map(Json::from_valid),
            body: None,
        };
        settled
            .coordinator()
            .resolve(incident, resolution)
            .await
            .unwrap();
    }
}

/// Tries again soon, and as often.
pub(crate) fn quick(max_attempts: u32) -> Retry {
    Retry {
        max_attempts,
        first_delay: Span::from_millis(5),
        max_delay: Span::from_millis(20),
        factor: 2.0,
    }
}
