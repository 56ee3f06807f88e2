//! What a schedule stands on: a clock, the journal, and somebody who runs sagas.
//!
//! The running coordinator is one; tests have one of their own. Nothing is decided here.

use settled_journal::{CommitError, ReadError, ScheduleChange, ScheduleRow};
use settled_protocol::{SagaState, Timestamp};

use super::spec::Schedule;
use crate::coordinator::{SubmitError, Submitted};
use crate::definition::{Invalid, Submission};
use crate::observe::Scheduled;

/// Everything that a schedule does to the world, and learns of it.
pub(crate) trait Ground: Clone + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Sleeps until then.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;

    /// Reads a document that the journal holds.
    fn parse(&self, document: &[u8]) -> Result<Schedule, Invalid>;

    /// Every row.
    fn rows(
        &self,
    ) -> impl Future<Output = Result<Vec<Result<ScheduleRow, ReadError>>, ReadError>> + Send;

    /// One row.
    fn row(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<ScheduleRow>, ReadError>> + Send;

    /// Changes the table, durably; says whether there was a row before.
    fn change(
        &self,
        change: ScheduleChange,
    ) -> impl Future<Output = Result<bool, CommitError>> + Send;

    /// The state of a saga; none where there is no such saga.
    fn saga_state(
        &self,
        saga: &str,
    ) -> impl Future<Output = Result<Option<SagaState>, ReadError>> + Send;

    /// Submits a saga, durably.
    fn submit(
        &self,
        submission: Submission,
    ) -> impl Future<Output = Result<Submitted, SubmitError>> + Send;

    /// Ends when the saga is settled, or gone.
    fn settled(&self, saga: &str) -> impl Future<Output = ()> + Send;

    /// Tells whoever counts or logs it.
    fn tell(&self, schedule: &str, what: Scheduled, count: u64);

    /// Tells that something is wrong.
    fn trouble(&self, what: &str);
}
