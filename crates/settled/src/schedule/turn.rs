//! One turn of one schedule: what is due is decided and run, or what somebody asked for is done.
//!
//! A turn has its schedule to itself. It may be broken off anywhere: the row is written before
//! anything follows from it, and what follows can be done again.

use std::sync::Arc;

use settled_journal::{ReadError, ScheduleChange, ScheduleRow};
use settled_protocol::{Json, Span, Timestamp};

use super::decide::{self, decide};
use super::driver::{Command, ScheduleError, Triggered, Wish};
use super::ground::Ground;
use super::id::{due_id, trigger_id};
use super::spec::Schedule;
use crate::coordinator::SubmitError;
use crate::observe::Scheduled;

/// How long to wait after a failure; twice as long after each further one.
const FIRST_PAUSE: Span = Span::from_secs(1);
const LONGEST_PAUSE: Span = Span::from_secs(60);

/// A schedule as the task knows it between turns.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Whether the row is as the journal has it.
    known: bool,
    row: Option<ScheduleRow>,
    /// None where its document cannot be read by this build.
    schedule: Option<Arc<Schedule>>,
    /// Why the row cannot be read.
    damaged: Option<ReadError>,
    /// When to try again what failed.
    retry_at: Option<Timestamp>,
    pause: Option<Span>,
    /// The saga that the next run waits for.
    pub(super) waits_for: Option<String>,
}

/// It could not be done now.
struct NotNow(String);

impl Entry {
    pub(super) fn unknown(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Who submits its runs.
    fn signature(&self) -> String {
        format!("schedule {}", self.name)
    }

    /// A schedule as it was read.
    pub(super) fn known(ground: &impl Ground, row: ScheduleRow) -> Self {
        let mut entry = Self::unknown(row.name.clone());
        entry.learn(ground, Some(row));
        entry
    }

    /// Whether there is such a schedule, as far as is known.
    pub(super) fn is_there(&self) -> bool {
        !self.known || self.row.is_some() || self.damaged.is_some()
    }

    /// When its next turn is; none where only others can bring it about.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let row = self.row.as_ref().filter(|_| self.known);
        let due = match row {
            Some(_) if self.schedule.is_none() => None,
            Some(row) if row.waiting_due_at.is_some() && self.waits_for.is_none() => {
                row.waiting_due_at
            }
            Some(row) => row.next_due_at,
            None => None,
        };
        self.retry_at.or(due)
    }

    /// Takes a turn.
    pub(super) async fn turn(mut self, ground: &impl Ground, command: Option<Command>) -> Self {
        self.retry_at = None;
        let done = match command {
            None => self.run(ground).await,
            Some(command) => self.obey(ground, command).await,
        };
        match done {
            // What became of a wish was told; what became of the row is still to be found out.
            Ok(()) if !self.known => self.retry_at = Some(ground.now() + FIRST_PAUSE),
            Ok(()) => self.pause = None,
            Err(NotNow(why)) => {
                let pause = self.pause.map_or(FIRST_PAUSE, |pause| pause + pause);
                let pause = pause.min(LONGEST_PAUSE);
                self.pause = Some(pause);
                self.retry_at = Some(ground.now() + pause);
                let name = &self.name;
                ground.trouble(&format!("schedule {name}: {why}; it is tried again"));
            }
        }
        self
    }

    async fn obey(&mut self, ground: &impl Ground, command: Command) -> Result<(), NotNow> {
        let read = self.read(ground).await;
        match command.wish {
            Wish::Put {
                document,
                schedule,
                reply,
            } => {
                let put = match read {
                    Ok(()) => self.put(ground, document, schedule).await,
                    Err(NotNow(why)) => Err(ScheduleError::Unavailable(why)),
                };
                let _ = reply.send(put);
            }
            Wish::Delete { reply } => {
                let deleted = match read {
                    Ok(()) => self.delete(ground).await,
                    Err(NotNow(why)) => Err(ScheduleError::Unavailable(why)),
                };
                let _ = reply.send(deleted);
            }
            Wish::Trigger { id, reply } => {
                let triggered = match read {
                    Ok(()) => self.trigger(ground, id).await,
                    Err(NotNow(why)) => Err(ScheduleError::Unavailable(why)),
                };
                let _ = reply.send(triggered);
            }
        }
        Ok(())
    }

    /// Reads the row, where it is not known for certain.
    async fn read(&mut self, ground: &impl Ground) -> Result<(), NotNow> {
        if self.known {
            return Ok(());
        }
        match ground.row(&self.name).await {
            Ok(row) => self.learn(ground, row),
            Err(error @ ReadError::Schedule { .. }) => {
                self.learn(ground, None);
                self.damaged = Some(error);
            }
            Err(error) => return Err(NotNow(error.to_string())),
        }
        Ok(())
    }

    fn learn(&mut self, ground: &impl Ground, mut row: Option<ScheduleRow>) {
        self.schedule = None;
        if let Some(row) = &mut row {
            match ground.parse(row.document.as_str().as_bytes()) {
                Ok(schedule) => {
                    decide::refresh(row, &schedule);
                    self.schedule = Some(Arc::new(schedule));
                }
                Err(invalid) => ground.trouble(&format!(
                    "schedule {}: its document cannot be read: {invalid}; put it again",
                    self.name
                )),
            }
        }
        self.row = row;
        self.known = true;
        self.damaged = None;
        self.waits_for = None;
    }

    /// Writes the row. Where it is not certain what became of that, the journal is asked next time.
    async fn write(&mut self, ground: &impl Ground, row: ScheduleRow) -> Result<bool, NotNow> {
        self.known = false;
        let change = ScheduleChange::Put(Box::new(row.clone()));
        let there = ground
            .change(change)
            .await
            .map_err(|error| NotNow(error.to_string()))?;
        self.known = true;
        self.row = Some(row);
        Ok(there)
    }

    /// Decides about what is due, and submits what is to run.
    async fn run(&mut self, ground: &impl Ground) -> Result<(), NotNow> {
        self.read(ground).await?;
        let (Some(row), Some(schedule)) = (self.row.clone(), self.schedule.clone()) else {
            return Ok(());
        };
        self.waits_for = None;
        let now = ground.now();
        if row.waiting_due_at.is_none() && row.next_due_at.is_none_or(|due| due > now) {
            return Ok(());
        }
        let open = open_run(ground, &row).await?;
        if let Some(decision) = decide(&schedule, &row, now, open.is_some()) {
            let (missed, overlapped) = (decision.missed, decision.overlapped);
            self.write(ground, decision.row).await?;
            if missed > 0 {
                ground.tell(&self.name, Scheduled::Missed, missed);
            }
            if overlapped {
                ground.tell(&self.name, Scheduled::Overlapped, 1);
            }
        }
        let Some(row) = self.row.clone() else {
            return Ok(());
        };
        match (row.waiting_due_at, open) {
            (None, _) => Ok(()),
            (Some(_), Some(saga)) => {
                self.waits_for = Some(saga);
                Ok(())
            }
            (Some(due), None) => self.submit(ground, &schedule, &row, due).await,
        }
    }

    async fn submit(
        &mut self,
        ground: &impl Ground,
        schedule: &Schedule,
        row: &ScheduleRow,
        due: Timestamp,
    ) -> Result<(), NotNow> {
        let id = due_id(&self.name, due);
        let mut submission = schedule.submission.clone();
        submission.id = Some(id.clone());
        submission.by = Some(self.signature());
        // The saga is there in each case but one. It counts as this run, whoever submitted it: to run
        // under another id would be to run twice.
        let error = match ground.submit(submission).await {
            Ok(_) => None,
            Err(SubmitError::Conflict) => Some(format!(
                "a saga with the id {id} was there already, with other content; it was taken for \
                 this run"
            )),
            Err(SubmitError::Read(error)) => Some(format!(
                "the saga {id} was there already and cannot be read: {error}"
            )),
            Err(SubmitError::Unavailable(why)) => return Err(NotNow(why)),
        };
        self.write(ground, decide::ran(row, due, error)).await?;
        ground.tell(&self.name, Scheduled::Ran, 1);
        Ok(())
    }

    async fn put(
        &mut self,
        ground: &impl Ground,
        document: Json,
        schedule: Arc<Schedule>,
    ) -> Result<bool, ScheduleError> {
        // What was due before is of the document that was there then.
        if let Err(NotNow(why)) = self.run(ground).await {
            return Err(ScheduleError::Unavailable(why));
        }
        if self
            .row
            .as_ref()
            .is_some_and(|row| row.document == document)
        {
            return Ok(false);
        }
        let before = self.row.as_ref().map(|row| (row, self.schedule.as_deref()));
        let row = decide::put(&self.name, &document, &schedule, before, ground.now());
        let written = self.write(ground, row).await;
        let there = written.map_err(|NotNow(why)| ScheduleError::Unavailable(why))?;
        self.schedule = Some(schedule);
        self.damaged = None;
        Ok(!there)
    }

    async fn delete(&mut self, ground: &impl Ground) -> Result<(), ScheduleError> {
        if self.row.is_none() && self.damaged.is_none() {
            return Err(ScheduleError::NotFound);
        }
        self.known = false;
        let change = ScheduleChange::Remove(self.name.clone());
        let removed = ground.change(change).await;
        removed.map_err(|error| ScheduleError::Unavailable(error.to_string()))?;
        self.learn(ground, None);
        Ok(())
    }

    async fn trigger(
        &mut self,
        ground: &impl Ground,
        id: Option<String>,
    ) -> Result<Triggered, ScheduleError> {
        if let Some(error) = &self.damaged {
            return Err(error.clone().into());
        }
        let row = self.row.clone().ok_or(ScheduleError::NotFound)?;
        let schedule = self.schedule.clone().ok_or(ScheduleError::Broken)?;
        let id = id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let id = trigger_id(&self.name, &id);
        let there = match ground.saga_state(&id).await {
            Ok(state) => state.is_some(),
            Err(ReadError::Damaged { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if !there {
            // Before the saga is there, so that a due time never overlooks it.
            let row = decide::triggered(&row, &id, ground.now());
            let written = self.write(ground, row).await;
            written.map_err(|NotNow(why)| ScheduleError::Unavailable(why))?;
        }
        let mut submission = schedule.submission.clone();
        submission.id = Some(id);
        submission.by = Some(self.signature());
        let taken = ground.submit(submission).await?;
        if taken.new {
            ground.tell(&self.name, Scheduled::Triggered, 1);
        }
        Ok(Triggered {
            saga: taken.saga,
            new: taken.new,
        })
    }
}

/// An earlier run that is not settled. One that cannot be read is not taken for settled.
async fn open_run(ground: &impl Ground, row: &ScheduleRow) -> Result<Option<String>, NotNow> {
    for saga in [&row.last_saga, &row.triggered_saga].into_iter().flatten() {
        match ground.saga_state(saga).await {
            Ok(Some(state)) if !state.is_settled() => return Ok(Some(saga.clone())),
            Ok(_) => {}
            Err(ReadError::Damaged { .. }) => return Ok(Some(saga.clone())),
            Err(error) => return Err(NotNow(error.to_string())),
        }
    }
    Ok(None)
}
