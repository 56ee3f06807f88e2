//! The loop that reads an outbox: when to look, and what to do with each row.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use settled_protocol::Json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::wakes::Wakes;
use super::{OutboxOptions, OutboxStore, Submit, SubmitError};
use crate::local::error::LocalError;
use crate::local::row::{OutboxRow, Position};

/// How long to look for a row that is not there yet; after that the sweep finds it.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// The reader.
pub(super) struct Run<S, F> {
    store: S,
    submit: Arc<F>,
    options: OutboxOptions,
    wakes: Arc<Wakes>,
    /// The rows that are looked for, and until when.
    awaited: HashMap<Position, Instant>,
    pause: Duration,
}

impl<S: OutboxStore, F: Submit> Run<S, F> {
    pub(super) fn new(store: S, submit: F, options: OutboxOptions, wakes: Arc<Wakes>) -> Self {
        Self::with(store, Arc::new(submit), options, wakes)
    }

    fn with(store: S, submit: Arc<F>, options: OutboxOptions, wakes: Arc<Wakes>) -> Self {
        Self {
            store,
            submit,
            options,
            wakes,
            awaited: HashMap::new(),
            pause: FIRST_PAUSE,
        }
    }

    /// Reads until it is closed. A panic in `submit` does not end it: the row is tried again at the
    /// next sweep. Dropped, it takes the reader with it.
    pub(super) async fn supervise(self) {
        while !self.wakes.is_closed() {
            let mut reader = JoinSet::new();
            let (store, submit) = (self.store.clone(), Arc::clone(&self.submit));
            let (options, wakes) = (self.options.clone(), Arc::clone(&self.wakes));
            reader.spawn(Self::with(store, submit, options, wakes).run());
            match reader.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    tracing::error!(%error, "the outbox: a submission broke off, which is a bug");
                    tokio::time::sleep(self.options.sweep).await;
                }
                _ => return,
            }
        }
    }

    async fn run(mut self) {
        loop {
            self.take_wakes();
            if let Err(error) = self.pass().await {
                tracing::warn!(%error, "the outbox cannot be read; it is tried again");
            }
            if self.wakes.is_closed() {
                return;
            }
            let wait = self.wait();
            tokio::select! {
                () = self.wakes.woken() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn take_wakes(&mut self) {
        let until = Instant::now() + PATIENCE;
        for position in self.wakes.take() {
            self.awaited.insert(position, until);
            self.pause = FIRST_PAUSE;
        }
    }

    /// How long to wait for something to wake it.
    fn wait(&mut self) -> Duration {
        let now = Instant::now();
        self.awaited.retain(|_, until| *until > now);
        if self.awaited.is_empty() {
            return self.options.sweep;
        }
        let wait = self.pause.min(self.options.sweep);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        wait
    }

    /// Looks at every row that is there, once.
    async fn pass(&mut self) -> Result<(), LocalError> {
        let mut after = Position(i64::MIN);
        let batch = self.options.batch.max(1);
        loop {
            let rows = self.store.waiting(after, batch).await?;
            let is_last = rows.len() < batch as usize;
            for waiting in rows {
                if self.wakes.is_closed() {
                    return Ok(());
                }
                after = waiting.position;
                self.awaited.remove(&waiting.position);
                if waiting.held && !self.store.claim(waiting.position).await? {
                    continue;
                }
                let done = match Json::parse(&waiting.document) {
                    Ok(document) => {
                        let id = waiting.id.clone();
                        self.submit.submit(OutboxRow { id, document }).await
                    }
                    Err(error) => Err(SubmitError::Refused(format!(
                        "its document is not JSON: {error}"
                    ))),
                };
                match done {
                    Ok(()) => self.store.remove(waiting.position).await?,
                    Err(SubmitError::Refused(why)) => {
                        tracing::error!(
                            saga = waiting.id,
                            why,
                            "the outbox: a submission was refused and is set aside; see its row in \
                             settled_outbox"
                        );
                        self.store.set_aside(waiting.position, &why).await?;
                    }
                    // Those behind it would fare no better, and must not overtake it.
                    Err(SubmitError::NotNow(why)) => {
                        tracing::warn!(saga = waiting.id, why, "the outbox waits");
                        return Ok(());
                    }
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
