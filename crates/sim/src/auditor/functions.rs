//! Judges what is special about a saga that is a function: its steps come as it runs, it is told of
//! their ends, it may take some back, and it returns once.

use settled_protocol::{LegId, Outcome, Plan, Record};

use super::history::History;
use super::violation::{Invariant, Violation};

/// What the records prove of a saga's function.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionProof {
    /// How many steps there are so far; none where every step was there from the beginning.
    steps: Option<usize>,
    withdrawn: Vec<u16>,
    /// The steps that were refused, and whether there was no way back by then.
    refused: Vec<(u16, bool)>,
    /// The step whose failure the function gave back, and the record that says so.
    pub(crate) gave_back: Option<(u16, u32)>,
}

impl FunctionProof {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            steps: plan.function.then_some(1),
            ..Self::default()
        }
    }

    /// Whether the step was there by then.
    pub(crate) fn has_step(&self, step: u16) -> bool {
        self.steps.is_none_or(|steps| usize::from(step) < steps)
    }

    pub(crate) fn is_withdrawn(&self, step: u16) -> bool {
        self.withdrawn.contains(&step)
    }
}

/// A step was refused: past the pivot that is for a person, and not for the function.
pub(crate) fn refuse(history: &mut History<'_>, step: u16) {
    let past_pivot = history.is_past_pivot() && !history.turned;
    let refused = &mut history.function.refused;
    if refused.iter().all(|(known, _)| *known != step) {
        refused.push((step, past_pivot));
    }
}

/// The function runs: it was started, and neither returned nor was dropped.
fn is_running(history: &History<'_>) -> bool {
    history.plan.function && history.leg(LegId::FUNCTION).in_flight().is_some()
}

pub(crate) fn add(history: &mut History<'_>, step: u16, found: &mut Vec<Violation>) {
    let is_next = history.function.steps == Some(usize::from(step));
    if !is_running(history) || !is_next || history.turned || history.settled.is_some() {
        let what = "a step is added by a function that does not run, or out of turn";
        history.blame(found, Invariant::I2, "R2", what);
    }
    if let Some(steps) = &mut history.function.steps {
        *steps += 1;
    }
}

pub(crate) fn end(
    history: &mut History<'_>,
    attempt: u32,
    step: Option<u16>,
    outcome: Outcome,
    record: &Record,
    found: &mut Vec<Violation>,
) {
    if history.leg(LegId::FUNCTION).in_flight() != Some(attempt) {
        let what = "a function returned that did not run";
        history.blame(found, Invariant::I4, "R2", what);
    }
    if step.is_some_and(|step| !history.function.has_step(step)) {
        let what = "a function gave back the failure of a step that there is not";
        history.blame(found, Invariant::I4, "R7", what);
    }
    history.function.gave_back = step.map(|step| (step, record.seq));
    history
        .leg_mut(LegId::FUNCTION)
        .end(outcome, record.at, record.at, true);
}

/// The saga goes back, or a person is asked: the function goes no further, and took no effect.
pub(crate) fn drop_run(history: &mut History<'_>) {
    if is_running(history) {
        let at = history
            .record
            .map_or_else(Default::default, |record| record.at);
        (history.leg_mut(LegId::FUNCTION)).end(Outcome::NotSent, at, at, true);
    }
}

pub(crate) fn withdraw(history: &mut History<'_>, steps: &[u16], found: &mut Vec<Violation>) {
    for step in steps {
        let is_known = *step > 0 && history.function.has_step(*step);
        if !is_running(history) || !is_known || history.function.is_withdrawn(*step) {
            let what = "a step is taken back that is not there, or by no function";
            history.blame(found, Invariant::I5, "R3", what);
        }
        history.function.withdrawn.push(*step);
    }
}

/// Whether it is the function that makes something of the step's end.
pub(crate) fn is_told(history: &History<'_>, id: LegId) -> bool {
    history.plan.function && id.step > 0
}

/// What keeps a completed function's step from being settled.
pub(crate) fn unsettled(history: &History<'_>, step: u16) -> Vec<&'static str> {
    let (action, back) = (
        history.leg(LegId::action(step)),
        history.leg(LegId::compensation(step)),
    );
    let plan = &history.plan.steps[usize::from(step)];
    let can_undo = plan.compensation.is_some();
    let mut found = Vec::new();
    if back.in_doubt() && !back.abandoned {
        found.push("has a compensation in doubt");
    }
    if history.function.is_withdrawn(step) {
        if action.happened() && can_undo && !back.is_over() && !action.abandoned {
            found.push("was taken back and is not undone");
        }
        let may_be_in_doubt = plan.compensate_unknown && back.is_over();
        if action.in_doubt() && !action.abandoned && !may_be_in_doubt {
            found.push("was taken back and is in doubt");
        }
        return found;
    }
    if !back.attempts.is_empty() {
        found.push("was undone and not taken back");
    }
    // The function knows how it ended: done, or at its end without effect.
    let counted = action.attempts.len() - action.counts_from.min(action.attempts.len());
    let is_exhausted = counted >= plan.action.retry.max_attempts as usize && !action.in_doubt();
    if !(action.is_over() || action.is_no() || is_exhausted) {
        found.push("is not at its end");
    }
    if action.in_doubt() && !action.abandoned {
        found.push("is in doubt");
    }
    let nobody_asked = history.function.refused.contains(&(step, true)) && action.decisions == 0;
    if nobody_asked && !action.is_over() {
        found.push("was refused past the pivot, and nobody was asked");
    }
    found
}
