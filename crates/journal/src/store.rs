//! What a store must do, and the errors that it may give.

use settled_protocol::{Json, Record, SagaState, Timestamp};

use crate::audit::{AuditFilter, AuditRow};
use crate::change::Change;
use crate::entry::{Append, Appended, Misplaced, SagaNo};
use crate::incident::{IncidentFilter, IncidentGroup, IncidentRow, IncidentTally, Untold};
use crate::schedule::ScheduleRow;
use crate::seen::Seen;

/// What is known of a journal when it is opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The number for the next saga.
    pub next_saga: SagaNo,
    /// 32 random bytes made with the journal: what callback tokens are signed with.
    pub secret: [u8; 32],
}

/// The one writer of a journal.
pub trait Journal: Send {
    /// What was found on opening.
    fn opened(&self) -> &Opened;

    /// Makes a batch durable, all of it in one transaction. Appends are applied in order; there is
    /// one answer for each, in the same order. One that does not continue its saga's history is
    /// left out and does not keep the others from being written.
    ///
    /// # Errors
    /// [`CommitError`] says what is known of the batch. After [`CommitError::Unknown`] the writer
    /// must be [`reopened`](Journal::reopen) before it is used again.
    fn commit(&mut self, batch: &[Append])
    -> Result<Vec<Result<Appended, Misplaced>>, CommitError>;

    /// Closes whatever is open and opens it anew; what was committed before is then durable again,
    /// also after an fsync that failed.
    ///
    /// # Errors
    /// Where the journal cannot be opened.
    fn reopen(&mut self) -> Result<(), CommitError>;

    /// The `seq` of the last durable record of a saga, 0 for an unknown one: how to find out what
    /// became of a batch whose commit failed.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError>;

    /// Removes up to `limit` sagas that were settled before `before` and have no open incident, with
    /// everything of theirs; those that were settled first go first. Returns how many were removed:
    /// fewer than `limit` means that there are no more.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError>;

    /// Changes what stands beside the events, durably, in a transaction of its own. To make the same
    /// change again does no harm. What is returned is said at each [`Change`].
    ///
    /// # Errors
    /// As [`Journal::commit`].
    fn change(&mut self, change: &Change) -> Result<bool, CommitError>;
}

/// Reads what is durable; any number of these may be open beside the writer.
pub trait Reader: Send {
    /// A saga with its whole history.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] where the history has a hole or does not match its hashes.
    fn load(&mut self, key: SagaKey<'_>) -> Result<Option<StoredSaga>, ReadError>;

    /// The sagas to wake: those with `wake_at` no later than `until`, after `after`, in order of
    /// `(wake_at, saga)`, `limit` at most.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn due(
        &mut self,
        after: Option<DueCursor>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Due, ReadError>;

    /// Sagas that match, newest first. An item that is an error is one saga that cannot be read;
    /// the others can. A search that finds little may end a page early, so that it never reads on
    /// for ever: a page may have fewer items than `limit`, or none, and still a `next_cursor`.
    ///
    /// # Errors
    /// Where the journal cannot be read, or the cursor is not one of ours.
    fn list(
        &mut self,
        filter: &SagaFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Result<StoredSaga, ReadError>>, ReadError>;

    /// Incidents that match, the one that was opened last first. A page may end early as in
    /// [`Reader::list`].
    ///
    /// # Errors
    /// Where the journal cannot be read, or the cursor is not one of ours.
    fn incidents(
        &mut self,
        filter: &IncidentFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<IncidentRow>, ReadError>;

    /// One incident by its id (`<saga id>~<number>`).
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn incident(&mut self, id: &str) -> Result<Option<IncidentRow>, ReadError>;

    /// The open incidents that match, put together by what is alike in them; those of which there
    /// are most first. Counts a bounded number of incidents, the newest ones.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn incident_groups(&mut self, filter: &IncidentFilter)
    -> Result<Vec<IncidentGroup>, ReadError>;

    /// Incidents, without their requests and answers, that there is something to tell of and nobody was
    /// told yet, the oldest first;
    /// those that are open and were last told of before `remind_before` come last.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn untold(
        &mut self,
        remind_before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Untold>, ReadError>;

    /// When that open incident was told of that was told of longest ago: the next to be reminded of.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn told_first(&mut self) -> Result<Option<Timestamp>, ReadError>;

    /// How many incidents were opened and resolved at or after a moment.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn incident_tally(&mut self, since: Timestamp) -> Result<IncidentTally, ReadError>;

    /// The sagas that were settled at or after a moment, the one that was settled last first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn ended(&mut self, since: Timestamp, limit: usize) -> Result<Vec<Ended>, ReadError>;

    /// Entries of the audit log that match, newest first. A page may end early as in
    /// [`Reader::list`].
    ///
    /// # Errors
    /// Where the journal cannot be read, or the cursor is not one of ours.
    fn audit(
        &mut self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditRow>, ReadError>;

    /// Counts for metrics and start-up.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn snapshot(&mut self, now: Timestamp) -> Result<Snapshot, ReadError>;

    /// Every schedule, in order of its name. An item that is an error is one row that cannot be
    /// read; the others can.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    fn schedules(&mut self) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError>;

    /// One schedule by its name.
    ///
    /// # Errors
    /// [`ReadError::Schedule`] where its row cannot be read.
    fn schedule(&mut self, name: &str) -> Result<Option<ScheduleRow>, ReadError>;
}

/// A journal that can be opened for reading as often as needed.
pub trait Keeper: Send + Sync {
    /// A new reader.
    ///
    /// # Errors
    /// Where the journal cannot be opened.
    fn reader(&self) -> Result<Box<dyn Reader>, ReadError>;
}

/// Names a saga.
#[derive(Clone, Copy, Debug)]
pub enum SagaKey<'a> {
    /// By the caller's id.
    Id(&'a str),
    /// By its number.
    No(SagaNo),
}

/// A saga as it stands in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSaga {
    /// Its number.
    pub no: SagaNo,
    /// The caller's id.
    pub id: String,
    /// Its kind.
    pub name: String,
    /// Its input.
    pub input: Json,
    /// Its definition's canonical document.
    pub definition: Json,
    /// Who submitted it, where that is known.
    pub submitted_by: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Not settled by then: compensate.
    pub deadline_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// Its state, as last written.
    pub state: SagaState,
    /// When a coordinator must look at it again, as last written.
    pub wake_at: Option<Timestamp>,
    /// Its whole history, in order.
    pub records: Vec<Record>,
    /// The chain hash of the last record.
    pub chain: u64,
}

/// Where the last search for due sagas ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueCursor {
    /// The wake-up time of the last saga.
    pub wake_at: Timestamp,
    /// Its number.
    pub saga: SagaNo,
}

/// Sagas to wake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// In order of their wake-up time.
    pub sagas: Vec<DueSaga>,
    /// The earliest wake-up time after `until`, where the page was not full.
    pub next: Option<Timestamp>,
}

/// One saga to wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueSaga {
    /// Its number.
    pub saga: SagaNo,
    /// When it is to be woken.
    pub wake_at: Timestamp,
}

/// Which sagas to list; a field that is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct SagaFilter {
    /// In this state.
    pub state: Option<SagaState>,
    /// Of this kind.
    pub name: Option<String>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// With this text in id, name or input, in any case.
    pub text: Option<String>,
    /// What of an input is seen by whoever looks; all of it where there is none. A text that is in what
    /// is not seen is not found, and costs what any text costs that is not there.
    pub seen: Option<Seen>,
}

/// One page of a longer list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// Where to go on; none at the end.
    pub next_cursor: Option<String>,
}

/// A saga that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it ended as.
    pub state: SagaState,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was settled.
    pub settled_at: Timestamp,
}

/// Counts over the whole journal; each costs what is unsettled, not what is settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sagas whose wake-up time has come.
    pub due: u64,
    /// Unsettled sagas that wait for a later moment.
    pub parked: u64,
    /// When the oldest unsettled saga was accepted.
    pub oldest_unsettled: Option<Timestamp>,
    /// Incidents that nobody has settled.
    pub open_incidents: u64,
}

/// Why a commit gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// There was no room; nothing of the batch was written and the journal is whole. The same batch
    /// may be tried again when there is room.
    #[error("the journal has no room left: {0}; free some disk space, it goes on by itself")]
    Full(String),
    /// Somebody else holds the journal; nothing of the batch was written. The same batch may be
    /// tried again.
    #[error(
        "another program holds the journal's write lock: {0}; end its transaction, it goes on by \
         itself"
    )]
    Busy(String),
    /// Whether the batch is durable is not known: reopen, and read back.
    #[error("the journal could not confirm a commit: {0}")]
    Unknown(String),
    /// The journal cannot be used; nothing of the batch was written.
    #[error("{0}")]
    Unusable(String),
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The history of one saga is not what was written; the others are not touched by it.
    #[error("saga {saga}: its history is damaged at event {seq}: {what}")]
    Damaged {
        /// The saga's id.
        saga: String,
        /// Where.
        seq: u32,
        /// What is wrong.
        what: String,
    },
    /// The row of one schedule is not what was written; the others are not touched by it.
    #[error("schedule {name}: its row is damaged: {what}; put it again")]
    Schedule {
        /// The schedule's name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The cursor was not given out by this list.
    #[error("cursor: expected the `next_cursor` of an earlier answer")]
    Cursor,
    /// The store failed.
    #[error("the journal cannot be read: {0}")]
    Store(String),
}
