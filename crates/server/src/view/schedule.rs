//! A schedule as it is shown: what it says, how it is, and what came of its due times.

use serde::Serialize;
use settled::journal::ReadError;
use settled::protocol::Json;
use settled::schedule::{self, RunView, Timing};
use utoipa::ToSchema;

use super::{Shown, Time, words};

/// A schedule as it stands, durably.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(crate) struct ScheduleView<'a> {
    /// Chosen by whoever put it.
    #[schema(example = "shelve")]
    name: &'a str,
    /// When it is due, as a cron pattern; null for an interval.
    #[schema(example = "0 */4 * * *", required)]
    cron: Option<&'a str>,
    /// The time zone of the pattern.
    #[schema(example = "Asia/Shanghai", required)]
    timezone: Option<&'a str>,
    /// The interval at which it is due; null for a cron pattern.
    #[schema(required)]
    every: Option<String>,
    /// What becomes of due times at which nobody ran.
    #[schema(schema_with = words::missed_or_none, required)]
    missed: Option<&'static str>,
    /// What becomes of a due time at which an earlier run is not settled.
    #[schema(schema_with = words::overlap_or_none, required)]
    overlap: Option<&'static str>,
    /// The saga that it runs.
    #[schema(value_type = serde_json::Value)]
    saga: Option<Json>,
    /// How it is: `waiting` for an earlier run to be settled, `blocked` by one that is stuck until a
    /// person has settled its incident, `broken` where its document cannot be read by this build.
    #[schema(schema_with = words::schedule_state)]
    state: &'static str,
    /// The id of the run that is stuck.
    #[schema(required)]
    blocked_by: Option<&'a str>,
    /// When it is due next.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    next_due_at: Option<Time>,
    /// The due time of the run that waits.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    waiting_due_at: Option<Time>,
    /// The due time of the last run.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_due_at: Option<Time>,
    /// The last run for a due time.
    #[schema(required)]
    last_run: Option<ScheduleRunView<'a>>,
    /// The last run out of turn.
    #[schema(required)]
    triggered_run: Option<ScheduleRunView<'a>>,
    /// When that was started.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    triggered_at: Option<Time>,
    /// What came of its due times.
    counts: ScheduleCountsView,
    /// What is wrong with it, or with its last run.
    #[schema(required)]
    error: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When its document last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

/// One run of a schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleRun)]
struct ScheduleRunView<'a> {
    /// The saga's id.
    #[schema(example = "shelve.20261121T040000Z")]
    id: &'a str,
    /// The saga's state; null where the saga was removed, or its record is damaged.
    #[schema(schema_with = words::saga_state_or_none, required)]
    state: Option<&'static str>,
}

/// How many due times came to what.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleCounts)]
struct ScheduleCountsView {
    /// Run.
    runs: u64,
    /// Left out because nobody ran.
    missed: u64,
    /// Left out because an earlier run was not settled.
    overlapped: u64,
}

impl<'a> ScheduleView<'a> {
    pub(crate) fn new(view: &'a schedule::ScheduleView, shown: Shown<'_>) -> Self {
        let row = &view.row;
        let said = view.schedule.as_ref().ok();
        let (cron, timezone, every) = match said.map(|said| &said.timing) {
            Some(Timing::Cron(timing)) => {
                let (pattern, zone) = (timing.pattern.as_str(), timing.timezone.as_str());
                (Some(pattern), Some(zone), None)
            }
            Some(Timing::Every(step)) => (None, None, Some(step.to_string())),
            None => (None, None, None),
        };
        let broken = view.schedule.as_ref().err();
        Self {
            name: &row.name,
            cron,
            timezone,
            every,
            missed: said.map(|said| said.missed.as_str()),
            overlap: said.map(|said| said.overlap.as_str()),
            saga: said.map(|said| shown.json(&said.saga)),
            state: view.state.as_str(),
            blocked_by: view.blocked_by.as_deref(),
            next_due_at: Time::some(row.next_due_at),
            waiting_due_at: Time::some(row.waiting_due_at),
            last_due_at: Time::some(row.last_due_at),
            last_run: view.last_run.as_ref().map(run),
            triggered_run: view.triggered_run.as_ref().map(run),
            triggered_at: Time::some(row.triggered_at),
            counts: ScheduleCountsView {
                runs: row.runs,
                missed: row.missed,
                overlapped: row.overlapped,
            },
            error: (broken.map(ToString::to_string).or(row.error.clone()))
                .map(|error| shown.text(&error).into_owned()),
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
        }
    }
}

fn run(run: &RunView) -> ScheduleRunView<'_> {
    ScheduleRunView {
        id: &run.saga,
        state: run.state.map(settled::protocol::SagaState::as_str),
    }
}

/// Every schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedules)]
pub(crate) struct SchedulesView<'a> {
    /// In order of their names.
    schedules: Vec<ScheduleView<'a>>,
    /// Those whose record is damaged; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unreadable: Vec<UnreadableScheduleView>,
}

/// A schedule whose record is damaged.
#[derive(Serialize, ToSchema)]
#[schema(as = UnreadableSchedule)]
struct UnreadableScheduleView {
    /// What is wrong, and with which one.
    error: String,
}

impl<'a> SchedulesView<'a> {
    pub(crate) fn new(
        all: &'a [Result<schedule::ScheduleView, ReadError>],
        shown: Shown<'_>,
    ) -> Self {
        let mut list = Self {
            schedules: Vec::with_capacity(all.len()),
            unreadable: Vec::new(),
        };
        for item in all {
            match item {
                Ok(view) => list.schedules.push(ScheduleView::new(view, shown)),
                Err(error) => list.unreadable.push(UnreadableScheduleView {
                    error: shown.text(&error.to_string()).into_owned(),
                }),
            }
        }
        list
    }
}
