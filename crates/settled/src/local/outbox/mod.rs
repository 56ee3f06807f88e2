//! The outbox: sagas that were put into the service's database together with a business write, handed
//! to the coordinator when that is committed.
//!
//! A row is submitted and then removed. Whoever ends in between submits it again when he comes back,
//! and so do two processes that read the same row: a submission is idempotent by its id (R8), so that
//! nothing is doubled, and no locks are needed. Rows go in the order of their positions. One that is
//! refused for good is set aside with the reason in its column `error`, where a person finds it; it is
//! never lost and holds nobody up.
//!
//! A row may be held for a time: it is an operation's start record, and is submitted only if whoever made
//! it has not taken it back by then.
//!
//! It never submits what was not committed, and it never counts on being woken: a look every second
//! finds what another process wrote, or what was committed as this one ended.

mod run;
mod wakes;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use settled_transaction::Tx;
use tokio::task::JoinHandle;

use self::run::Run;
use self::wakes::Wakes;
use super::error::LocalError;
use super::row::{OutboxRow, Position};
use super::traits::{Boxed, LocalPool, LocalTransaction};

/// A row that waits in the outbox, as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where.
    pub position: Position,
    /// The saga's id.
    pub id: String,
    /// The submission's text.
    pub document: String,
    /// Whether it was held until now: it must be claimed before it is submitted.
    pub held: bool,
}

impl Waiting {
    /// A row of the statement `WAITING`.
    pub fn new((position, id, document, held): (i64, String, String, i64)) -> Self {
        Self {
            position: Position(position),
            id,
            document,
            held: held != 0,
        }
    }
}

/// Where an outbox's rows are: the service's pool.
pub trait OutboxStore: Clone + Send + Sync + 'static {
    /// The rows after a position that are committed, not set aside, and not held any longer, in order,
    /// `limit` at most.
    ///
    /// # Errors
    /// What the driver says.
    fn waiting(
        &self,
        after: Position,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Waiting>, LocalError>> + Send;

    /// Claims a row that was held for long enough: whoever holds it can take it back no more. False
    /// where it was taken back, or is held again.
    ///
    /// # Errors
    /// What the driver says.
    fn claim(&self, position: Position) -> impl Future<Output = Result<bool, LocalError>> + Send;

    /// Removes a row; one that is gone already is no error.
    ///
    /// # Errors
    /// What the driver says.
    fn remove(&self, position: Position) -> impl Future<Output = Result<(), LocalError>> + Send;

    /// Leaves a row where it is, out of the line, with the reason.
    ///
    /// # Errors
    /// What the driver says.
    fn set_aside(
        &self,
        position: Position,
        why: &str,
    ) -> impl Future<Output = Result<(), LocalError>> + Send;
}

/// Takes the submissions: durably, and idempotent by their id. Any `Fn(OutboxRow)` that gives such a
/// future is one.
pub trait Submit: Send + Sync + 'static {
    /// Submits a saga. `Ok` says that it is durable: its row is then removed.
    ///
    /// # Errors
    /// [`SubmitError`] says what becomes of the row.
    fn submit(&self, row: OutboxRow) -> impl Future<Output = Result<(), SubmitError>> + Send;
}

impl<F, R> Submit for F
where
    F: Fn(OutboxRow) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), SubmitError>> + Send,
{
    fn submit(&self, row: OutboxRow) -> impl Future<Output = Result<(), SubmitError>> + Send {
        self(row)
    }
}

/// Why a submission was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// For good: the document is bad, or there is another saga with this id. The row is set aside.
    #[error("{0}")]
    Refused(String),
    /// Nothing can be taken now. The row and those after it stay, and are tried again.
    #[error("{0}")]
    NotNow(String),
}

/// How an outbox is read.
#[derive(Clone, Debug)]
pub struct OutboxOptions {
    /// How often to look without being woken. Default: a second.
    pub sweep: Duration,
    /// How many rows to read at a time. Default: 100.
    pub batch: u32,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(1),
            batch: 100,
        }
    }
}

/// The reader of an outbox, at work on the tokio runtime. When dropped it ends where it stands;
/// whatever was not removed by then is submitted again by the next one.
#[derive(Debug)]
pub struct Outbox {
    handle: OutboxHandle,
    task: JoinHandle<()>,
}

impl Outbox {
    /// Starts reading the outbox in `store`, handing each row to `submit`. It must be called within a
    /// tokio runtime. Any number of processes may read the same outbox.
    pub fn start(store: impl OutboxStore, submit: impl Submit, options: OutboxOptions) -> Self {
        let wakes = Arc::new(Wakes::default());
        let run = Run::new(store, submit, options, Arc::clone(&wakes));
        Self {
            handle: OutboxHandle { wakes },
            task: tokio::spawn(run.supervise()),
        }
    }

    /// What wakes it.
    pub fn handle(&self) -> OutboxHandle {
        self.handle.clone()
    }

    /// Ends it after the row that is under way. Cancel-safe: dropped, it is ended at once.
    pub async fn stop(mut self) {
        self.handle.wakes.close();
        // Only a panic of the reader itself gives an error here, and it was logged.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.handle.wakes.close();
        self.task.abort();
    }
}

/// Puts sagas into an outbox and wakes its reader. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OutboxHandle {
    wakes: Arc<Wakes>,
}

impl OutboxHandle {
    /// Puts a saga into the outbox as a part of `transaction`. It is submitted if and only if that
    /// commits, at once after it where the token is told so ([`Pending::committed`]) or dropped then.
    ///
    /// # Errors
    /// As [`LocalTransaction::enqueue`].
    pub fn enqueue<'a, T: LocalTransaction>(
        &'a self,
        transaction: &'a mut T,
        row: &'a OutboxRow,
    ) -> Boxed<'a, Pending> {
        Box::pin(async move {
            let position = transaction.enqueue(row).await?;
            Ok(self.pending(position))
        })
    }

    /// Puts a saga into the outbox as a part of a transaction, and wakes the reader when that has
    /// committed.
    ///
    /// # Errors
    /// As [`LocalTransaction::enqueue`].
    pub async fn enqueue_in<P: LocalPool>(
        &self,
        tx: &Tx<P>,
        row: &OutboxRow,
    ) -> Result<Position, LocalError> {
        let position = P::enqueue(tx, row).await?;
        let wakes = self.clone();
        let told = tx.after_commit(move || async move {
            wakes.pending(position).committed();
            Ok(())
        });
        if told.is_err() {
            // Hooks are switched off: it looks for the row for a while.
            drop(self.pending(position));
        }
        Ok(position)
    }

    /// The token of a row that was put there by other means.
    pub fn pending(&self, position: Position) -> Pending {
        Pending {
            wakes: Arc::clone(&self.wakes),
            position: Some(position),
        }
    }
}

/// A row whose transaction has not committed yet. When dropped it wakes the outbox, which looks for
/// the row at once, and again with growing pauses for two seconds, so that the token may also be
/// dropped a little before the commit.
#[must_use = "dropped before the commit, it makes the outbox look for what is not there yet"]
#[derive(Debug)]
pub struct Pending {
    wakes: Arc<Wakes>,
    position: Option<Position>,
}

impl Pending {
    /// Where the row stands.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The transaction has committed: the outbox submits it now.
    pub fn committed(self) {
        drop(self);
    }

    /// The transaction was rolled back: there is nothing to look for.
    pub fn rolled_back(mut self) {
        self.position = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(position) = self.position.take() {
            self.wakes.wake(position);
        }
    }
}
