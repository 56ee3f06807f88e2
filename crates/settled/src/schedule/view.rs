//! A schedule as it stands, with its runs: what people are shown.

use settled_journal::{ReadError, Reader, SagaKey, ScheduleRow};
use settled_protocol::{SagaState, Timestamp};

use super::decide::refresh;
use super::spec::Schedule;
use crate::definition::{Definitions, Invalid};
use crate::snapshot::SagaSnapshot;

/// How a schedule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleState {
    /// It runs when it is due.
    Active,
    /// A run waits until an earlier one is settled.
    Waiting,
    /// An earlier run is stuck: nothing runs until a person has settled its incident.
    Blocked,
    /// Its document cannot be read by this build; nothing runs until it is put again.
    Broken,
}

impl ScheduleState {
    /// Every state.
    pub const ALL: &'static [Self] = &[Self::Active, Self::Waiting, Self::Blocked, Self::Broken];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Broken => "broken",
        }
    }
}

/// One run of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Its saga's id.
    pub saga: String,
    /// The saga's state; none where it was removed, or its record is damaged.
    pub state: Option<SagaState>,
}

/// A schedule as it stands.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// What is on record of it.
    pub row: ScheduleRow,
    /// What its document says.
    pub schedule: Result<Schedule, Invalid>,
    /// How it is.
    pub state: ScheduleState,
    /// The last run for a due time.
    pub last_run: Option<RunView>,
    /// The last run out of turn.
    pub triggered_run: Option<RunView>,
    /// The run that is stuck.
    pub blocked_by: Option<String>,
}

/// The state of a saga, as its history says; none where there is no such saga.
pub(crate) fn saga_state(
    reader: &mut dyn Reader,
    definitions: &Definitions,
    saga: &str,
    now: Timestamp,
) -> Result<Option<SagaState>, ReadError> {
    let Some(stored) = reader.load(SagaKey::Id(saga))? else {
        return Ok(None);
    };
    match SagaSnapshot::from_stored(&stored, definitions) {
        Ok(snapshot) => Ok(Some(snapshot.saga.state(now))),
        Err(error) => Err(ReadError::Damaged {
            saga: stored.id,
            seq: stored.records.len() as u32,
            what: error.to_string(),
        }),
    }
}

/// A schedule with its runs.
///
/// # Errors
/// Where the journal cannot be read.
pub(crate) fn view(
    reader: &mut dyn Reader,
    definitions: &Definitions,
    mut row: ScheduleRow,
    now: Timestamp,
) -> Result<ScheduleView, ReadError> {
    let mut run = |saga: &Option<String>| -> Result<Option<RunView>, ReadError> {
        let Some(saga) = saga.clone() else {
            return Ok(None);
        };
        let state = match saga_state(reader, definitions, &saga, now) {
            Ok(state) => state,
            Err(ReadError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Some(RunView { saga, state }))
    };
    let last_run = run(&row.last_saga)?;
    let triggered_run = run(&row.triggered_saga)?;
    let blocked_by = [&last_run, &triggered_run]
        .into_iter()
        .flatten()
        .find(|run| run.state == Some(SagaState::Stuck))
        .map(|run| run.saga.clone());
    let schedule = Schedule::parse(definitions, row.document.as_str().as_bytes());
    if let Ok(schedule) = &schedule {
        refresh(&mut row, schedule);
    }
    let state = if schedule.is_err() {
        ScheduleState::Broken
    } else if blocked_by.is_some() {
        ScheduleState::Blocked
    } else if row.waiting_due_at.is_some() {
        ScheduleState::Waiting
    } else {
        ScheduleState::Active
    };
    Ok(ScheduleView {
        row,
        schedule,
        state,
        last_run,
        triggered_run,
        blocked_by,
    })
}

/// Every schedule with its runs; an item that is an error is one that cannot be read.
pub(crate) fn views(
    reader: &mut dyn Reader,
    definitions: &Definitions,
    now: Timestamp,
) -> Result<Vec<Result<ScheduleView, ReadError>>, ReadError> {
    let mut all = Vec::new();
    for row in reader.schedules()? {
        all.push(match row {
            Ok(row) => Ok(view(reader, definitions, row, now)?),
            Err(error) => Err(error),
        });
    }
    Ok(all)
}
