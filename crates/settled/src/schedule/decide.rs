//! What becomes of due times: the policies, as changes of a schedule's row.
//!
//! Nothing here waits, reads or writes. A row that comes out of here is made durable before anything
//! follows from it.

use settled_journal::ScheduleRow;
use settled_protocol::{Json, Span, Timestamp};

use super::id::due_id;
use super::spec::{Missed, Overlap, Schedule};
use super::timing::Timing;

/// A due time that is older than this was missed; a restart takes less. Of several that passed, only
/// the last can be on time.
pub(crate) const ON_TIME: Span = Span::from_secs(60);

/// What became of the due times that have passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The row that says so. A run that is to be has its due time in `waiting_due_at`.
    pub(crate) row: ScheduleRow,
    /// How many due times were left out because nobody ran.
    pub(crate) missed: u64,
    /// Whether one was left out because of an earlier run.
    pub(crate) overlapped: bool,
}

/// Decides about the due times that have passed since the row was written; none where none has.
/// `open` says whether an earlier run is not settled.
pub(crate) fn decide(
    schedule: &Schedule,
    row: &ScheduleRow,
    now: Timestamp,
    open: bool,
) -> Option<Decision> {
    let passed = schedule
        .timing
        .passed(row.anchor_at, row.decided_until, now)?;
    let due = passed.last;
    let wanted = now - due <= ON_TIME || schedule.missed == Missed::Once;
    let missed = passed.earlier + u64::from(!wanted);
    let mut row = ScheduleRow {
        decided_until: due,
        next_due_at: schedule.timing.next_after(row.anchor_at, due),
        missed: row.missed + missed,
        ..row.clone()
    };
    let room = match schedule.overlap {
        Overlap::Skip => !open && row.waiting_due_at.is_none(),
        Overlap::Queue => row.waiting_due_at.is_none(),
    };
    let overlapped = wanted && !room;
    if wanted && room {
        row.waiting_due_at = Some(due);
    }
    row.overlapped += u64::from(overlapped);
    Some(Decision {
        row,
        missed,
        overlapped,
    })
}

/// Works the next due time out anew: what a build knows of time zones may differ from what the one
/// before it knew.
pub(crate) fn refresh(row: &mut ScheduleRow, schedule: &Schedule) {
    row.next_due_at = schedule.timing.next_after(row.anchor_at, row.decided_until);
}

/// The row once the run that waited is submitted, durably.
pub(crate) fn ran(row: &ScheduleRow, due: Timestamp, error: Option<String>) -> ScheduleRow {
    ScheduleRow {
        waiting_due_at: None,
        last_due_at: Some(due),
        last_saga: Some(due_id(&row.name, due)),
        runs: row.runs + 1,
        error,
        ..row.clone()
    }
}

/// The row before a run out of turn is submitted.
pub(crate) fn triggered(row: &ScheduleRow, saga: &str, now: Timestamp) -> ScheduleRow {
    ScheduleRow {
        triggered_saga: Some(saga.to_owned()),
        triggered_at: Some(now),
        ..row.clone()
    }
}

/// The row of a schedule that is put, in place of the one that was there. Due times begin after now;
/// those of an interval that stays as it was are counted on from where they were.
pub(crate) fn put(
    name: &str,
    document: &Json,
    schedule: &Schedule,
    before: Option<(&ScheduleRow, Option<&Schedule>)>,
    now: Timestamp,
) -> ScheduleRow {
    let row = before.map(|(row, _)| row);
    let kept_step = before.is_some_and(|(_, former)| {
        let former = former.map(|former| &former.timing);
        matches!((former, &schedule.timing), (Some(Timing::Every(a)), Timing::Every(b)) if a == b)
    });
    let whole_second = Timestamp(now.0 - now.0.rem_euclid(1_000_000));
    let anchor_at = match row {
        Some(row) if kept_step => row.anchor_at,
        _ => whole_second,
    };
    // A clock that was put back makes nothing due twice.
    let decided_until = row.map_or(now, |row| row.decided_until.max(now));
    let fresh = ScheduleRow {
        name: name.to_owned(),
        document: document.clone(),
        created_at: now,
        updated_at: now,
        anchor_at,
        decided_until,
        next_due_at: schedule.timing.next_after(anchor_at, decided_until),
        waiting_due_at: None,
        last_due_at: None,
        last_saga: None,
        triggered_saga: None,
        triggered_at: None,
        runs: 0,
        missed: 0,
        overlapped: 0,
        error: None,
    };
    match row {
        None => fresh,
        Some(row) => ScheduleRow {
            document: fresh.document,
            updated_at: fresh.updated_at,
            anchor_at: fresh.anchor_at,
            decided_until: fresh.decided_until,
            next_due_at: fresh.next_due_at,
            error: None,
            ..row.clone()
        },
    }
}
