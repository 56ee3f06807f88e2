//! What each decision on an incident would come to: fields for programs, a sentence for people.
//!
//! It is worked out by the core; here it only gets its words. Nothing is promised that depends on
//! what participants or other people do next.

use serde::Serialize;
use settled::protocol::{
    CompensateOrder, Consequence, Decision, Direction, Foreseen, LegId, Refusal, StepIndex, Task,
};
use settled::snapshot::SagaSnapshot;
use utoipa::ToSchema;

use super::saga::step_name;
use super::words;

/// What one decision would come to, as far as it is certain from the record.
#[derive(Serialize, ToSchema)]
#[schema(as = ForeseenDecision)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own in the answer"
)]
pub(crate) struct DecisionView<'a> {
    /// The decision.
    #[schema(schema_with = words::decision)]
    pub(crate) decision: &'static str,
    /// Whether it may be taken now.
    pub(crate) allowed: bool,
    /// Why not; null where it may be taken.
    #[schema(required)]
    pub(crate) refused_because: Option<String>,
    /// Whether it may be taken only with a `note`.
    pub(crate) needs_note: bool,
    /// The calls that are made next.
    pub(crate) calls: Vec<NextCallView<'a>>,
    /// Whether the saga goes back by it.
    pub(crate) turns_back: bool,
    /// The steps that are left to be compensated then: in this order, or all at once where the saga
    /// says so. A step in doubt may join them.
    pub(crate) compensates: Vec<&'a str>,
    /// The ids of the saga's incidents that are open then.
    pub(crate) open_incidents: Vec<String>,
    /// Whether what comes after that is for the saga's Rust function to say.
    pub(crate) up_to_function: bool,
    /// The state of the incident's step then; null where the decision may not be taken.
    #[schema(schema_with = words::step_state_or_none, required)]
    pub(crate) step_state_after: Option<&'static str>,
    /// The state of the saga then; null where the decision may not be taken.
    #[schema(schema_with = words::saga_state_or_none, required)]
    pub(crate) state_after: Option<&'static str>,
    /// All of it in a sentence.
    #[schema(example = "calls `stock` again (compensation) with the same idempotency key")]
    pub(crate) text: String,
}

/// A call that is made next.
#[derive(Serialize, ToSchema)]
#[schema(as = NextCall)]
pub(crate) struct NextCallView<'a> {
    /// The step.
    pub(crate) step: &'a str,
    /// Which call of the step.
    #[schema(schema_with = words::direction)]
    pub(crate) direction: &'static str,
    /// `attempt`, or `check` where the participant is only asked.
    #[schema(schema_with = words::call_kind)]
    pub(crate) kind: &'static str,
}

impl<'a> DecisionView<'a> {
    /// What was foreseen for the incident of a leg.
    pub(crate) fn new(at: &'a SagaSnapshot, leg: LegId, foreseen: &Foreseen) -> Self {
        let mut view = Self {
            decision: foreseen.decision.as_str(),
            allowed: false,
            refused_because: None,
            needs_note: foreseen.needs_note,
            calls: Vec::new(),
            turns_back: false,
            compensates: Vec::new(),
            open_incidents: Vec::new(),
            up_to_function: false,
            step_state_after: None,
            state_after: None,
            text: String::new(),
        };
        match &foreseen.consequence {
            Ok(then) => view.tell(at, leg, foreseen.decision, then),
            Err(refusal) => {
                let why = match refusal {
                    Refusal::Unfit(why) => (*why).to_owned(),
                    refusal => refusal.to_string(),
                };
                view.text = format!("cannot be taken: {why}");
                view.refused_because = Some(why);
            }
        }
        view
    }

    fn tell(&mut self, at: &'a SagaSnapshot, leg: LegId, decision: Decision, then: &Consequence) {
        self.allowed = true;
        self.calls = then.calls.iter().map(|task| called(at, *task)).collect();
        self.turns_back = then.turns;
        let names = then.undoes.iter().map(|step| step_name(at, *step));
        self.compensates = names.collect();
        let ids = then.open.iter();
        self.open_incidents = ids.map(|number| format!("{}~{number}", at.id)).collect();
        self.up_to_function = then.up_to_function;
        self.step_state_after = Some(then.step.as_str());
        self.state_after = Some(then.state.as_str());
        self.text = sentence(at, leg, decision, then);
    }
}

fn called(at: &SagaSnapshot, task: Task) -> NextCallView<'_> {
    let leg = task.leg();
    NextCallView {
        step: step_name(at, leg.step),
        direction: leg.direction.as_str(),
        kind: match task {
            Task::Attempt(_) => "attempt",
            Task::Check(_) => "check",
        },
    }
}

/// All of it in words: what becomes of the call, of the other steps, and of the saga.
fn sentence(at: &SagaSnapshot, leg: LegId, decision: Decision, then: &Consequence) -> String {
    if let Some(state) = at.saga.settled() {
        return format!("is put on record; nothing is called, and the saga stays {state}");
    }
    let mut parts = vec![of_the_call(at, leg, decision, then)];
    let quiet = parts.len();
    let undone = undone(at, leg, then);
    match (then.turns, undone) {
        (true, Some(undone)) => parts.push(format!("the saga goes back: {undone}")),
        (true, None) => parts.push("the saga goes back".to_owned()),
        (false, Some(undone)) => parts.push(undone),
        (false, None) => {}
    }
    for (is_check, verb) in [(false, "calls"), (true, "asks about")] {
        let steps: Vec<StepIndex> = then
            .calls
            .iter()
            .filter(|task| task.leg() != leg && matches!(task, Task::Check(_)) == is_check)
            .map(|task| task.leg())
            .filter(|leg| leg.direction == Direction::Action)
            .map(|leg| leg.step)
            .collect();
        if !steps.is_empty() {
            parts.push(format!("{verb} {}", listed(at, &steps, " and ")));
        }
    }
    if then.state.is_settled() {
        parts.push(format!("the saga is settled as {}", then.state));
    }
    match then.open.len() {
        0 => {}
        open => {
            let are = if open == 1 {
                "another incident is".to_owned()
            } else {
                format!("{open} other incidents are")
            };
            parts.push(if then.state == settled::protocol::SagaState::Stuck {
                format!("the saga stays stuck, as {are} open")
            } else {
                format!("{are} open")
            });
        }
    }
    if then.up_to_function {
        parts.push("what comes after that is up to the saga's function".to_owned());
    }
    if parts.len() == quiet && then.calls.is_empty() {
        parts.push("the saga goes on".to_owned());
    }
    parts.join("; ")
}

fn of_the_call(at: &SagaSnapshot, leg: LegId, decision: Decision, then: &Consequence) -> String {
    let (step, direction) = (step_name(at, leg.step), leg.direction);
    let is_back = direction == Direction::Compensation;
    let is_called = then.calls.contains(&Task::Attempt(leg));
    match decision {
        Decision::Retry if at.saga.plan().is_function(leg.step) => {
            "runs the saga's function again, from the record".to_owned()
        }
        Decision::Retry if is_called => {
            format!("calls `{step}` again ({direction}) with the same idempotency key")
        }
        Decision::Retry if then.calls.contains(&Task::Check(leg)) => {
            format!("asks about `{step}` ({direction})")
        }
        Decision::Retry => {
            format!("`{step}` is called again ({direction}) when it is its turn")
        }
        Decision::Done if is_back => format!("`{step}` counts as compensated"),
        Decision::Done => format!("`{step}` counts as done"),
        Decision::NotDone if is_called => format!(
            "`{step}` counts as not {}; it must be, so it is called again ({direction}) with the \
             same idempotency key",
            if is_back { "compensated" } else { "done" }
        ),
        Decision::NotDone if is_back => format!("`{step}` counts as not compensated"),
        Decision::NotDone => format!("`{step}` counts as not done"),
        Decision::Abandon if is_back => {
            format!("`{step}` is left as it is, and not compensated by the saga")
        }
        Decision::Abandon => format!("`{step}` is left as it is"),
    }
}

/// Which steps are compensated, but for the one whose compensation is the question.
fn undone(at: &SagaSnapshot, leg: LegId, then: &Consequence) -> Option<String> {
    let mut steps = then.undoes.clone();
    steps.retain(|step| LegId::compensation(*step) != leg);
    let one_by_one = at.saga.plan().compensate == CompensateOrder::Reverse;
    let between = if one_by_one { ", then " } else { " and " };
    let are = if steps.len() == 1 { "is" } else { "are" };
    (!steps.is_empty()).then(|| format!("{} {are} compensated", listed(at, &steps, between)))
}

/// More names than these make no sentence.
const MOST_NAMES: usize = 8;

fn listed(at: &SagaSnapshot, steps: &[StepIndex], between: &str) -> String {
    let named = steps.iter().take(MOST_NAMES);
    let mut names: Vec<String> = named
        .map(|step| format!("`{}`", step_name(at, *step)))
        .collect();
    if steps.len() > MOST_NAMES {
        names.push(format!("{} more", steps.len() - MOST_NAMES));
    }
    names.join(between)
}

#[cfg(test)]
#[path = "effect_tests.rs"]
mod tests;
