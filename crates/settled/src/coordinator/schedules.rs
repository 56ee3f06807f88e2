//! Schedules by a running coordinator: what its callers ask for, and what the schedules stand on.
//!
//! Which run is due, and what becomes of it, is decided in [`crate::schedule`].

use std::sync::Arc;
use std::time::Duration;

use settled_journal::{CommitError, ReadError, ScheduleChange, ScheduleRow};
use settled_protocol::{Event, Json, SagaState, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{Coordinator, Health, SubmitError, Submitted};
use crate::definition::{Invalid, Submission};
use crate::observe::{Observer, Scheduled};
use crate::schedule::{
    self, Command, Ground, NAME_FORM, Schedule, ScheduleError, ScheduleView, Scheduler,
    TRIGGER_FORM, Triggered, Wish, is_schedule_name, is_trigger_id,
};

/// How soon a saga that is waited for is looked at once more: what was on its way to the journal when
/// the waiting began is told to nobody.
const SECOND_LOOK: Duration = Duration::from_millis(500);

const STOPPED: &str = "the coordinator has stopped";

impl Coordinator {
    /// Makes a schedule, or puts another document in the place of the one that it has. Answers with
    /// the schedule as it stands, and whether it is a new one. Due times that come after this are
    /// run; those of an interval that stays as it was are counted on.
    ///
    /// Not cancel-safe in the sense that a schedule whose future is dropped may be put all the same;
    /// to put the same document again changes nothing.
    ///
    /// # Errors
    /// [`ScheduleError::Invalid`] names the field of the document.
    pub async fn put_schedule(
        &self,
        name: &str,
        document: &[u8],
    ) -> Result<(ScheduleView, bool), ScheduleError> {
        if !is_schedule_name(name) {
            return Err(Invalid::new("name", format!("expected {NAME_FORM}")).into());
        }
        let schedule = Arc::new(Schedule::parse(&self.definitions, document)?);
        let document = std::str::from_utf8(document)
            .ok()
            .and_then(|text| Json::parse(text).ok())
            .ok_or_else(|| Invalid::new("", "expected a JSON object in UTF-8"))?;
        let put = |reply| Wish::Put {
            document,
            schedule,
            reply,
        };
        let new = self.wish(name, put).await?;
        let view = self.schedule(name).await?;
        Ok((view.ok_or(ScheduleError::NotFound)?, new))
    }

    /// Every schedule, in order of its name. An item that is an error is one whose record cannot be
    /// read; the others can. Cancel-safe.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn schedules(&self) -> Result<Vec<Result<ScheduleView, ReadError>>, ReadError> {
        let (definitions, now) = (Arc::clone(&self.definitions), self.clock.now());
        self.readers
            .ask(move |reader| schedule::views(reader, &definitions, now))
            .await
    }

    /// A schedule as it stands; none where there is none of this name. Cancel-safe.
    ///
    /// # Errors
    /// Where the journal, or the schedule's record, cannot be read.
    pub async fn schedule(&self, name: &str) -> Result<Option<ScheduleView>, ReadError> {
        let (definitions, now) = (Arc::clone(&self.definitions), self.clock.now());
        let name = name.to_owned();
        self.readers
            .ask(move |reader| match reader.schedule(&name)? {
                Some(row) => schedule::view(reader, &definitions, row, now).map(Some),
                None => Ok(None),
            })
            .await
    }

    /// Removes a schedule. Sagas that it has started go on.
    ///
    /// Not cancel-safe, as [`Coordinator::put_schedule`].
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] where there is none of this name.
    pub async fn delete_schedule(&self, name: &str) -> Result<(), ScheduleError> {
        self.wish(name, |reply| Wish::Delete { reply }).await
    }

    /// Runs a schedule's saga now, out of turn and whatever its policies say. Under the same `id` it
    /// is the same run (R8); without one it is another run each time.
    ///
    /// Not cancel-safe in the sense that a run whose future is dropped may have been started.
    ///
    /// # Errors
    /// [`ScheduleError::Conflict`] where the schedule's saga has changed since a run with this id.
    pub async fn trigger_schedule(
        &self,
        name: &str,
        id: Option<&str>,
    ) -> Result<Triggered, ScheduleError> {
        if id.is_some_and(|id| !is_trigger_id(id)) {
            return Err(Invalid::new("id", format!("expected {TRIGGER_FORM}")).into());
        }
        let id = id.map(str::to_owned);
        self.wish(name, |reply| Wish::Trigger { id, reply }).await
    }

    async fn wish<T>(
        &self,
        name: &str,
        wish: impl FnOnce(oneshot::Sender<Result<T, ScheduleError>>) -> Wish,
    ) -> Result<T, ScheduleError> {
        if !is_schedule_name(name) {
            return Err(ScheduleError::NotFound);
        }
        let stopped = || ScheduleError::Unavailable(STOPPED.to_owned());
        let (reply, answer) = oneshot::channel();
        let command = Command {
            name: name.to_owned(),
            wish: wish(reply),
        };
        self.schedules.send(command).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Starts the task that runs schedules. It ends when the coordinator begins to drain.
pub(super) fn start(
    coordinator: Coordinator,
    observer: Arc<dyn Observer>,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut health = coordinator.health.clone();
    let stop = async move {
        let _ = health.wait_for(|health| *health != Health::Running).await;
    };
    let ground = Live {
        coordinator,
        observer,
    };
    tokio::spawn(Scheduler::new(ground).run(commands, stop));
}

/// The coordinator at work.
#[derive(Clone)]
struct Live {
    coordinator: Coordinator,
    observer: Arc<dyn Observer>,
}

impl Ground for Live {
    fn now(&self) -> Timestamp {
        self.coordinator.clock.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.coordinator.clock.instant(at)).await;
    }

    fn parse(&self, document: &[u8]) -> Result<Schedule, Invalid> {
        Schedule::parse(&self.coordinator.definitions, document)
    }

    async fn rows(&self) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError> {
        let readers = &self.coordinator.readers;
        readers.ask(|reader| reader.schedules()).await
    }

    async fn row(&self, name: &str) -> Result<Option<ScheduleRow>, ReadError> {
        let name = name.to_owned();
        let readers = &self.coordinator.readers;
        readers.ask(move |reader| reader.schedule(&name)).await
    }

    async fn change(&self, change: ScheduleChange) -> Result<bool, CommitError> {
        self.coordinator.change(change.into()).await
    }

    async fn saga_state(&self, saga: &str) -> Result<Option<SagaState>, ReadError> {
        let Coordinator {
            definitions,
            readers,
            clock,
            ..
        } = &self.coordinator;
        let (definitions, now, saga) = (Arc::clone(definitions), clock.now(), saga.to_owned());
        readers
            .ask(move |reader| schedule::saga_state(reader, &definitions, &saga, now))
            .await
    }

    async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        self.coordinator.submit(submission, None, None).await
    }

    async fn settled(&self, saga: &str) {
        let ended = |state: Result<Option<SagaState>, ReadError>| match state {
            Ok(state) => state.is_none_or(SagaState::is_settled),
            // What cannot be read is not taken for settled.
            Err(_) => false,
        };
        loop {
            let mut watching = self.coordinator.watch(saga);
            let mut look_again = Some(SECOND_LOOK);
            if ended(self.saga_state(saga).await) {
                return;
            }
            loop {
                let next = watching.next();
                let told = match look_again.take() {
                    None => next.await,
                    Some(pause) => match tokio::time::timeout(pause, next).await {
                        Ok(told) => {
                            look_again = Some(pause);
                            told
                        }
                        Err(_) if ended(self.saga_state(saga).await) => return,
                        Err(_) => continue,
                    },
                };
                let Some(records) = told else {
                    break;
                };
                let settled = |event: &Event| matches!(event, Event::Settled { .. });
                if records.iter().any(|record| settled(&record.event)) {
                    return;
                }
            }
        }
    }

    fn tell(&self, schedule: &str, what: Scheduled, count: u64) {
        self.observer.scheduled(schedule, what, count);
    }

    fn trouble(&self, what: &str) {
        self.observer.trouble(what);
    }
}
