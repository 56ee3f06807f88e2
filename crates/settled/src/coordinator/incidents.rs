//! The incident table by a running coordinator: what whoever follows it needs besides its pages.
//!
//! Nothing is told of here to anybody; that is for [`crate::alerts`] and for consoles.

use std::collections::HashSet;

use settled_journal::{Append, ReadError, SagaNo};
use settled_protocol::{Event, Timestamp};
use tokio::sync::watch;

use super::{Coordinator, Health};

impl Coordinator {
    /// How the coordinator is, and each change of it.
    pub(crate) fn health_changes(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// A number that grows whenever an incident was opened or resolved, after that is durable: who
    /// reads the table then finds it. Several changes may come as one.
    pub fn incidents_changed(&self) -> watch::Receiver<u64> {
        self.incidents.clone()
    }

    /// When that open incident was told of that was told of longest ago: see
    /// [`settled_journal::Reader::told_first`].
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn told_first(&self) -> Result<Option<Timestamp>, ReadError> {
        self.readers.ask(|reader| reader.told_first()).await
    }
}

/// Which appends that are on their way to the journal change the incident table. A saga has one
/// append under way at a time.
pub(super) struct IncidentChanges {
    on_their_way: HashSet<SagaNo>,
    count: watch::Sender<u64>,
}

impl IncidentChanges {
    pub(super) fn new() -> (Self, watch::Receiver<u64>) {
        let (count, seen) = watch::channel(0);
        let on_their_way = HashSet::new();
        (
            Self {
                on_their_way,
                count,
            },
            seen,
        )
    }

    /// An append goes to the journal.
    pub(super) fn appending(&mut self, append: &Append) {
        let changes = |event: &Event| {
            matches!(
                event,
                Event::IncidentOpened { .. } | Event::IncidentResolved { .. }
            )
        };
        if append.records.iter().any(|record| changes(&record.event)) {
            self.on_their_way.insert(append.saga);
        }
    }

    /// It came there, or did not.
    pub(super) fn written(&mut self, saga: SagaNo, durable: bool) {
        if self.on_their_way.remove(&saga) && durable {
            self.count.send_modify(|count| *count += 1);
        }
    }
}
