//! A schedule in words: when it is due, its runs, its document. Pure, but for the clock's time that it
//! is given.

use settled::protocol::{SagaState, Timestamp};
use settled::schedule::{RunView, ScheduleView, Timing};

use super::words::Words;
use crate::console::shape;
use crate::view::Shown as Payloads;

/// One schedule as it is shown.
pub(super) struct Shown<'a> {
    pub(super) of: &'a ScheduleView,
    pub(super) state: &'static str,
    pub(super) word: &'a str,
    pub(super) timing: String,
    pub(super) zone: &'a str,
    /// How long from now, and when.
    pub(super) next: Option<(String, Timestamp)>,
    pub(super) last_run: Option<Run<'a>>,
    pub(super) triggered_run: Option<Run<'a>>,
    pub(super) error: Option<String>,
}

/// One run of a schedule.
pub(super) struct Run<'a> {
    pub(super) saga: &'a str,
    /// None where the saga was removed, or its record is damaged.
    pub(super) state: Option<&'static str>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        of: &'a ScheduleView,
        words: &'a Words,
        now: Timestamp,
        payloads: Payloads<'_>,
    ) -> Self {
        let (timing, zone) = match of.schedule.as_ref().map(|said| &said.timing) {
            Ok(Timing::Cron(cron)) => (cron.pattern.clone(), cron.timezone.as_str()),
            Ok(Timing::Every(step)) => (format!("{} {step}", words.every), ""),
            Err(_) => ("–".to_owned(), ""),
        };
        let broken = of.schedule.as_ref().err().map(ToString::to_string);
        let error = broken.or_else(|| of.row.error.clone());
        let state = of.state.as_str();
        Self {
            of,
            state,
            word: words.state(state),
            timing,
            zone,
            next: of.row.next_due_at.map(|at| {
                let left = (at - now).0;
                let word = match left.div_euclid(1_000_000) {
                    _ if left <= 0 => words.overdue.to_owned(),
                    // Less than a second's part of it is gone before it is read.
                    seconds @ 0..10 => format!("{} {} s", words.in_time, seconds + 1),
                    _ => format!("{} {}", words.in_time, shape::span(left)),
                };
                (word, at)
            }),
            last_run: of.last_run.as_ref().map(run),
            triggered_run: of.triggered_run.as_ref().map(run),
            error: error.map(|error| shape::visible(&payloads.text(&error))),
        }
    }
}

fn run(of: &RunView) -> Run<'_> {
    Run {
        saga: &of.saga,
        state: of.state.map(SagaState::as_str),
    }
}
