//! Schedules in a world without a clock, and in one whose clock is told.

#![allow(clippy::unwrap_used, reason = "a test")]

mod due_times;
mod fake;
mod policies;
mod refusals;
mod restarts;
mod turns;

use settled_protocol::Timestamp;

use super::spec::Schedule;
use crate::definition::Definitions;

/// The moment of an RFC 3339 text.
fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp(moment.as_microsecond())
}

/// A moment as RFC 3339 text.
fn shown(moment: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(moment.0)
        .unwrap()
        .to_string()
}

/// A schedule's document: `members` and a saga of one step.
fn document(members: &str) -> String {
    format!(
        r#"{{{members}, "saga": {{"name": "n", "steps": [{{"name": "a", "action": {{"url": "http://127.0.0.1:9/"}}}}]}}}}"#
    )
}

fn schedule(members: &str) -> Schedule {
    Schedule::parse(&Definitions::new(), document(members).as_bytes()).unwrap()
}

/// Due times of a schedule after a moment.
fn due_times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut last = at(after);
    let mut next = || {
        last = schedule.timing.next_after(Timestamp(0), last)?;
        Some(shown(last))
    };
    std::iter::from_fn(&mut next).take(count).collect()
}
