//! What a program holds of a running coordinator: it asks through here and is told the truth (R7).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use settled_journal::{
    AuditFilter, AuditRow, Change, ChangeReply, CommitError, CommitStats, Ended, IncidentFilter,
    IncidentGroup, IncidentRow, IncidentTally, Page, ReadError, SagaFilter, SagaKey, SagaNo,
    Untold,
};
use settled_protocol::{Answered, Json, Record, Refusal, Resolution, Span, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::clock::Clock;
use super::driver::{Health, Load, Message, Watchers};
use super::readers::Readers;
use crate::callback::CallbackKey;
use crate::definition::{Definitions, Invalid, Submission};
use crate::engine::{Command, Incoming, Limits, Reply};
use crate::mask::Mask;
use crate::snapshot::SagaSnapshot;

/// A handle to a running coordinator; cheap to clone. Dropping the last one stops nothing: see
/// [`Coordinator::drain`].
#[derive(Clone)]
pub struct Coordinator {
    pub(super) inbox: mpsc::UnboundedSender<Message>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) readers: Readers,
    pub(super) callbacks: CallbackKey,
    pub(super) clock: Clock,
    pub(super) watchers: Watchers,
    pub(super) health: watch::Receiver<Health>,
    pub(super) stats: Arc<CommitStats>,
    pub(super) load: Arc<Load>,
    pub(super) default_limits: Arc<Limits>,
    pub(super) mask: Mask,
    pub(super) schedules: mpsc::UnboundedSender<crate::schedule::Command>,
}

/// A submission that was taken.
#[derive(Debug)]
pub struct Submitted {
    /// The saga as it stands, durably.
    pub saga: SagaSnapshot,
    /// Whether this submission made it, rather than finding it there.
    pub new: bool,
    /// Whether the caller waited, and the time was over before the saga ended.
    pub still_running: bool,
}

/// Why a submission was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// R8.
    #[error("id: a saga with this id is there already, with other content; use another id")]
    Conflict,
    /// Nothing was taken; the same submission may be sent again later.
    #[error("the saga cannot be taken durably now: {0}")]
    Unavailable(String),
    /// The saga is there and cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such saga.
    #[error("there is no such saga")]
    NotFound,
    /// What was said does not fit the saga as it stands.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A field of what was said cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It could not be recorded now.
    #[error("the coordinator cannot take this now: {0}")]
    Unavailable(String),
}

/// Why a callback changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// It was not made here.
    #[error("the token is not one that was given out with a request")]
    Token,
    /// The saga would not have it.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// A saga with its whole history.
#[derive(Debug)]
pub struct History {
    /// As it stands.
    pub saga: SagaSnapshot,
    /// Everything that happened, in order.
    pub records: Vec<Record>,
}

/// The records of one saga as they become durable; see [`Coordinator::watch`].
pub struct Watching {
    pub(super) saga: String,
    pub(super) inbox: mpsc::UnboundedSender<Message>,
    pub(super) records: broadcast::Receiver<Arc<Vec<Record>>>,
}

impl Watching {
    /// The next records; none when the coordinator has stopped, or when this watcher has fallen so
    /// far behind that records were dropped. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Vec<Record>>> {
        self.records.recv().await.ok()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let saga = std::mem::take(&mut self.saga);
        let _ = self.inbox.send(Message::Engine(Incoming::Unwatch { saga }));
    }
}

pub(super) const STOPPED: &str = "the coordinator has stopped";

impl Coordinator {
    /// Reads a submission's text; the compiled steps are kept for the next one like it.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// What is masked in copies; whoever shows payloads masks them by the same.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// The clock that sagas are driven by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How the coordinator is.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Waits until the coordinator has stopped, and tells why. Cancel-safe.
    pub async fn stopped(&self) -> Health {
        let mut health = self.health.clone();
        match health.wait_for(Health::is_stopped).await {
            Ok(health) => health.clone(),
            Err(_) => Health::Failed(STOPPED.to_owned()),
        }
    }

    /// What the journal's writer has counted.
    pub fn journal_stats(&self) -> &CommitStats {
        &self.stats
    }

    /// How many sagas are in memory, and how many calls under way.
    pub fn load(&self) -> (usize, usize) {
        let Load {
            in_flight,
            open_calls,
        } = &*self.load;
        (
            in_flight.load(Ordering::Relaxed),
            open_calls.load(Ordering::Relaxed),
        )
    }

    /// Submits a saga. When this returns, the saga is durable or there is an error. With `wait` it
    /// returns when the saga is settled or stuck, or when the time is over.
    ///
    /// Not cancel-safe in the sense that a submission whose future is dropped may be taken all the
    /// same; submit it again under the same id to find out (R8).
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was taken then, except for [`SubmitError::Read`].
    pub async fn submit(
        &self,
        submission: Submission,
        traceparent: Option<String>,
        wait: Option<Duration>,
    ) -> Result<Submitted, SubmitError> {
        let id = submission
            .id
            .clone()
            .unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let wait_until = wait.map(|wait| self.clock.now() + Span::from(wait));
        let ask = |reply| Incoming::Submit {
            submission: Box::new(submission),
            id,
            trace: traceparent,
            wait_until,
            reply,
        };
        match self.ask(ask).await {
            Reply::Taken(saga) => Ok(Submitted {
                saga: *saga,
                new: true,
                still_running: false,
            }),
            Reply::Ended { saga, new } => Ok(Submitted {
                saga: *saga,
                new,
                still_running: false,
            }),
            Reply::Known(no) => self.read_submitted(no, false, false).await,
            Reply::StillRunning { saga, new } => self.read_submitted(saga, new, true).await,
            Reply::Conflict => Err(SubmitError::Conflict),
            Reply::Broken(why) => Err(SubmitError::Read(ReadError::Store(why))),
            Reply::Unavailable(why) => Err(SubmitError::Unavailable(why)),
            Reply::Accepted
            | Reply::Refused(_)
            | Reply::Invalid(_)
            | Reply::NotFound
            | Reply::Participants(_) => Err(SubmitError::Unavailable(STOPPED.to_owned())),
        }
    }

    /// Asks a saga to go back.
    ///
    /// # Errors
    /// [`CommandError`]: past the pivot, settled, or not there.
    pub async fn cancel(&self, saga: &str, by: &str) -> Result<(), CommandError> {
        self.command(saga, Command::Cancel { by: by.to_owned() })
            .await
    }

    /// A participant's later answer to a call that was `pending`.
    ///
    /// # Errors
    /// [`CallbackError`] where the token is not ours, or the saga will not have it.
    pub async fn callback(
        &self,
        token: &str,
        outcome: Answered,
        result: Json,
    ) -> Result<(), CallbackError> {
        let (saga, leg) = self.callbacks.read(token).ok_or(CallbackError::Token)?;
        Ok(self
            .command(
                &saga,
                Command::Callback {
                    leg,
                    outcome,
                    result,
                },
            )
            .await?)
    }

    /// A person's decision on an incident, by its id (`<saga>~<number>`).
    ///
    /// # Errors
    /// [`CommandError`]: not there, resolved already, or a decision that does not fit.
    pub async fn resolve(
        &self,
        incident: &str,
        resolution: Resolution,
    ) -> Result<(), CommandError> {
        let (saga, number) = incident.rsplit_once('~').ok_or(CommandError::NotFound)?;
        let incident = number.parse().map_err(|_| CommandError::NotFound)?;
        self.command(
            saga,
            Command::Resolve {
                incident,
                resolution,
            },
        )
        .await
    }

    /// One saga as it stands, durably.
    ///
    /// # Errors
    /// Where the journal, or this saga's record, cannot be read.
    pub async fn saga(&self, id: &str) -> Result<Option<SagaSnapshot>, ReadError> {
        Ok(self.history(id).await?.map(|history| history.saga))
    }

    /// One saga with everything that happened to it.
    ///
    /// # Errors
    /// As [`Coordinator::saga`].
    pub async fn history(&self, id: &str) -> Result<Option<History>, ReadError> {
        let (id, definitions) = (id.to_owned(), Arc::clone(&self.definitions));
        self.readers
            .ask(move |reader| {
                let Some(stored) = reader.load(SagaKey::Id(&id))? else {
                    return Ok(None);
                };
                let saga = snapshot(&stored, &definitions)?;
                Ok(Some(History {
                    saga,
                    records: stored.records,
                }))
            })
            .await
    }

    /// A page of sagas, newest first. An item that is an error is one saga that cannot be read; the
    /// others can.
    ///
    /// # Errors
    /// As [`Coordinator::saga`]; and for a cursor that is not one of ours.
    pub async fn sagas(
        &self,
        filter: SagaFilter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<Result<SagaSnapshot, ReadError>>, ReadError> {
        let definitions = Arc::clone(&self.definitions);
        self.readers
            .ask(move |reader| {
                let page = reader.list(&filter, cursor.as_deref(), limit)?;
                let mut items = Vec::with_capacity(page.items.len());
                for stored in page.items {
                    items.push(stored.and_then(|stored| snapshot(&stored, &definitions)));
                }
                Ok(Page {
                    items,
                    next_cursor: page.next_cursor,
                })
            })
            .await
    }

    /// A page of incidents, newest first.
    ///
    /// # Errors
    /// Where the journal cannot be read, or the cursor is not one of ours.
    pub async fn incidents(
        &self,
        filter: IncidentFilter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<IncidentRow>, ReadError> {
        self.readers
            .ask(move |reader| reader.incidents(&filter, cursor.as_deref(), limit))
            .await
    }

    /// One incident.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn incident(&self, id: &str) -> Result<Option<IncidentRow>, ReadError> {
        let id = id.to_owned();
        self.readers.ask(move |reader| reader.incident(&id)).await
    }

    /// The open incidents that match, put together by what is alike in them.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn incident_groups(
        &self,
        filter: IncidentFilter,
    ) -> Result<Vec<IncidentGroup>, ReadError> {
        self.readers
            .ask(move |reader| reader.incident_groups(&filter))
            .await
    }

    /// Incidents that there is something to tell of: see [`settled_journal::Reader::untold`].
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn untold(
        &self,
        remind_before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Untold>, ReadError> {
        self.readers
            .ask(move |reader| reader.untold(remind_before, limit))
            .await
    }

    /// How many incidents came and went since a moment.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn incident_tally(&self, since: Timestamp) -> Result<IncidentTally, ReadError> {
        self.readers
            .ask(move |reader| reader.incident_tally(since))
            .await
    }

    /// The sagas that were settled since a moment, the last one first, `limit` at most.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn ended(&self, since: Timestamp, limit: usize) -> Result<Vec<Ended>, ReadError> {
        self.readers
            .ask(move |reader| reader.ended(since, limit))
            .await
    }

    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// Where the journal cannot be read, or the cursor is not one of ours.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<AuditRow>, ReadError> {
        self.readers
            .ask(move |reader| reader.audit(&filter, cursor.as_deref(), limit))
            .await
    }

    /// Writes beside the events: see [`settled_journal::Journal::change`].
    ///
    /// Not cancel-safe in the sense that a change whose future is dropped may be made all the same;
    /// to make it again does no harm.
    ///
    /// # Errors
    /// [`CommitError`] says what is known of it.
    pub async fn change(&self, change: Change) -> Result<bool, CommitError> {
        let (send, answer) = oneshot::channel();
        let reply: ChangeReply = Box::new(move |changed| {
            let _ = send.send(changed);
        });
        let _ = self.inbox.send(Message::Change { change, reply });
        let stopped = |_| CommitError::Unknown(STOPPED.to_owned());
        answer.await.map_err(stopped)?
    }

    /// Counts over the whole journal.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn counts(&self) -> Result<settled_journal::Snapshot, ReadError> {
        let now = self.clock.now();
        self.readers.ask(move |reader| reader.snapshot(now)).await
    }

    /// Watches a saga: every record that becomes durable from now on. Read the history after this
    /// call and before the first record, and drop what is in both, to miss nothing.
    pub fn watch(&self, saga: &str) -> Watching {
        let records = self.watchers.subscribe(saga);
        let saga = saga.to_owned();
        let _ = self
            .inbox
            .send(Message::Engine(Incoming::Watch { saga: saga.clone() }));
        Watching {
            saga,
            inbox: self.inbox.clone(),
            records,
        }
    }

    /// Takes nothing new, lets the calls that are under way end (for `grace` at most), and stops.
    /// What is not settled goes on at the next start.
    pub async fn drain(&self, grace: Duration) {
        let _ = self.inbox.send(Message::Drain { grace });
        self.stopped().await;
    }

    async fn command(&self, saga: &str, command: Command) -> Result<(), CommandError> {
        let saga = saga.to_owned();
        match self
            .ask(|reply| Incoming::Command {
                saga,
                command,
                reply,
            })
            .await
        {
            Reply::Accepted => Ok(()),
            Reply::NotFound => Err(CommandError::NotFound),
            Reply::Refused(refusal) => Err(CommandError::Refused(refusal)),
            Reply::Invalid(invalid) => Err(CommandError::Invalid(invalid)),
            Reply::Broken(why) | Reply::Unavailable(why) => Err(CommandError::Unavailable(why)),
            _ => Err(CommandError::Unavailable(STOPPED.to_owned())),
        }
    }

    pub(super) async fn ask(
        &self,
        incoming: impl FnOnce(oneshot::Sender<Reply>) -> Incoming<oneshot::Sender<Reply>>,
    ) -> Reply {
        let (reply, answer) = oneshot::channel();
        let _ = self.inbox.send(Message::Engine(incoming(reply)));
        answer
            .await
            .unwrap_or_else(|_| Reply::Unavailable(STOPPED.to_owned()))
    }

    async fn read_submitted(
        &self,
        no: SagaNo,
        new: bool,
        still_running: bool,
    ) -> Result<Submitted, SubmitError> {
        let definitions = Arc::clone(&self.definitions);
        let saga = self
            .readers
            .ask(move |reader| match reader.load(SagaKey::No(no))? {
                Some(stored) => snapshot(&stored, &definitions).map(Some),
                None => Ok(None),
            })
            .await?;
        match saga {
            Some(saga) => Ok(Submitted {
                saga,
                new,
                still_running,
            }),
            None => Err(SubmitError::Unavailable(
                "the saga was removed meanwhile".to_owned(),
            )),
        }
    }
}

fn snapshot(
    stored: &settled_journal::StoredSaga,
    definitions: &Definitions,
) -> Result<SagaSnapshot, ReadError> {
    SagaSnapshot::from_stored(stored, definitions).map_err(|error| ReadError::Damaged {
        saga: stored.id.clone(),
        seq: stored.records.len() as u32,
        what: error.to_string(),
    })
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator")
            .field("health", &self.health())
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}
