//! What happens to a saga while somebody looks on: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use settled::protocol::{Direction, Event, Finding, LegId, Outcome, Plan, Record};

use crate::output::{self, Tint, cut, paint, plain};

/// Tells a person what happens, on standard error.
pub(super) struct Progress {
    plan: Arc<Plan>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to tell.
    pub(super) fn begin(id: &str, plan: &Arc<Plan>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{spinner} {bar:24} {pos}/{len} {msg} · {elapsed}";
            // The template is a constant; were it ever wrong, a plain bar does as well.
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸ ");
            let bar = ProgressBar::new(plan.steps.len() as u64).with_style(style);
            bar.set_message(plain(id));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            output::say(&format!("saga {}", plain(id)));
        }
        Self {
            plan: Arc::clone(plan),
            bar,
        }
    }

    /// Tells what became durable.
    pub(super) fn show(&mut self, records: &[Record]) {
        for record in records {
            if let Some(bar) = &self.bar
                && let Event::AttemptEnded { leg, answer, .. } = &record.event
                && answer.outcome == Outcome::Done
            {
                match leg.direction {
                    Direction::Action => bar.inc(1),
                    Direction::Compensation => bar.set_position(bar.position().saturating_sub(1)),
                }
            }
            if let Some(line) = self.line(&record.event) {
                match &self.bar {
                    Some(bar) => bar.suspend(|| output::say(&line)),
                    None => output::say(&line),
                }
            }
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::AttemptStarted { leg, attempt, .. } if *attempt > 1 => {
                Some(format!("{}: attempt {attempt}", self.name(*leg)))
            }
            Event::AttemptEnded { leg, answer, .. } => {
                let word = answer.outcome.as_str();
                let why = answer
                    .error
                    .as_deref()
                    .filter(|_| answer.outcome != Outcome::Done);
                Some(format!(
                    "{}: {}{}",
                    self.name(*leg),
                    paint(Tint::of_state(word), &word.replace('_', " ")),
                    why.map_or_else(String::new, |why| format!(" ({})", cut(&plain(why), 160))),
                ))
            }
            Event::Unmakeable { leg, error } => Some(format!(
                "{}: the request cannot be made: {}",
                self.name(*leg),
                cut(&plain(error), 160)
            )),
            Event::CheckEnded { leg, finding, .. } => Some(format!(
                "{}: asked; {}",
                self.name(*leg),
                match finding {
                    Finding::Happened => "it happened",
                    Finding::DidNotHappen => "it did not happen",
                    Finding::Inconclusive => "the answer does not tell",
                }
            )),
            Event::Turned { reason } => Some(format!(
                "going back: {} {}",
                reason.cause.as_str(),
                cut(&plain(&reason.message), 160)
            )),
            Event::IncidentOpened { leg, kind, .. } => Some(format!(
                "{}: {} ({kind})",
                self.name(*leg),
                paint(Tint::Bad, "a person is needed")
            )),
            _ => None,
        }
    }

    fn name(&self, leg: LegId) -> String {
        let step = self.plan.steps.get(usize::from(leg.step));
        let step = plain(step.map_or("", |step| &step.name));
        match leg.direction {
            Direction::Action => step,
            Direction::Compensation => format!("{step} compensation"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
