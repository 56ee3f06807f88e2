//! What the function of a saga is told of the steps that it added: the same, in the same order, each
//! time it is run again.

use crate::course::Course;
use crate::json::Json;
use crate::plan::StepIndex;
use crate::saga::{NotDone, Phase, Saga};
use crate::time::Timestamp;
use crate::words::{Direction, IncidentKind, LegId};

/// How a step ended, as its saga's function is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It took effect and returned this.
    Done(Json),
    /// A definite business no.
    Refused(String),
    /// It never got through.
    NotSent(String),
    /// It cannot be called: trying again is of no use.
    Broken(String),
    /// A person accepted it as it is.
    Abandoned,
    /// The function took it back, and nothing of it is left.
    TakenBack,
}

impl Saga {
    /// Lets the saga's function know of a step's end, in an order that stays the same each time it
    /// is run again. Where the step must be done there is nothing to tell before it is.
    pub(crate) fn tell_function(&mut self, id: LegId, at: Timestamp) {
        if !self.plan.function || id.step == 0 || id.direction == Direction::Compensation {
            return;
        }
        let must_be_done = self.must_be_done(id);
        let is_news = match self.course(id, false, at) {
            Course::Done => true,
            Course::NotDone(_) | Course::Exhausted(IncidentKind::NotSent) => !must_be_done,
            Course::Abandoned => must_be_done,
            _ => false,
        };
        if is_news && self.steps[usize::from(id.step)].told == 0 {
            self.told += 1;
            self.steps[usize::from(id.step)].told = self.told;
        }
    }

    /// Once a pivot is done there is no way back, so that what a person gave up beside it is for the
    /// function to know, and no reason to turn any more.
    pub(crate) fn tell_past_pivot(&mut self, id: LegId, at: Timestamp) {
        let is_done = matches!(self.leg(id).phase, Phase::Done);
        if self.plan.function && self.step_plan(id).pivot && is_done {
            for step in 1..self.steps.len() as StepIndex {
                self.tell_function(LegId::action(step), at);
            }
        }
    }

    /// Lets the saga's function know that nothing is left of a step that it took back, in the same
    /// order as of the ends: what it does beside that comes before it or after it, each time it is
    /// run again.
    pub(crate) fn tell_taken_back(&mut self, step: StepIndex) {
        let state = &self.steps[usize::from(step)];
        if state.withdrawn && state.taken_back == 0 && self.has_nothing_left(step) {
            self.told += 1;
            self.steps[usize::from(step)].taken_back = self.told;
        }
    }

    /// How a step ended, where its saga's function is to know, and its place in the order of ends.
    #[must_use]
    pub fn told(&self, step: StepIndex) -> Option<(u32, StepEnd)> {
        let state = self.steps.get(usize::from(step))?;
        if state.told == 0 {
            return None;
        }
        let leg = &state.action;
        let error = || {
            let answer = leg.last_answer();
            answer
                .and_then(|answer| answer.error.clone())
                .unwrap_or_default()
        };
        let end = match leg.phase {
            Phase::Done => StepEnd::Done(leg.result.clone().unwrap_or_else(Json::null)),
            Phase::NotDone(NotDone::Refused) => StepEnd::Refused(error()),
            Phase::NotDone(NotDone::Witnessed) => {
                StepEnd::Refused("a person saw that it did not happen".to_owned())
            }
            Phase::NotDone(NotDone::Unmakeable) => StepEnd::Broken(error()),
            Phase::Abandoned => StepEnd::Abandoned,
            Phase::Idle | Phase::Open { .. } | Phase::Pending { .. } | Phase::Incident(_) => {
                StepEnd::NotSent(error())
            }
        };
        Some((state.told, end))
    }

    /// What the saga's function gave the step's action.
    #[must_use]
    pub fn step_input(&self, step: StepIndex) -> Option<&Json> {
        self.steps.get(usize::from(step))?.input.as_ref()
    }

    /// The place, in the order of what the saga's function is told, at which nothing was left of a
    /// step that it had taken back.
    #[must_use]
    pub fn taken_back(&self, step: StepIndex) -> Option<u32> {
        let step = self.steps.get(usize::from(step))?;
        (step.taken_back > 0).then_some(step.taken_back)
    }

    /// How many things the saga's function is to know.
    #[must_use]
    pub fn told_count(&self) -> u32 {
        self.told
    }

    /// Whether the saga's function took the step back.
    #[must_use]
    pub fn is_withdrawn(&self, step: StepIndex) -> bool {
        (self.steps.get(usize::from(step))).is_some_and(|step| step.withdrawn)
    }

    /// Whether nothing of the step is left: it took no effect, or is undone, or a person accepted
    /// it as it is.
    pub(crate) fn has_nothing_left(&self, step: StepIndex) -> bool {
        let back = self.leg(LegId::compensation(step));
        if matches!(back.phase, Phase::Done | Phase::Abandoned) {
            return true;
        }
        let action = self.leg(LegId::action(step));
        let can_undo = self.plan.steps[usize::from(step)].compensation.is_some();
        if back.attempts > 0 || action.call.is_some() {
            return false;
        }
        match action.phase {
            // Also where nobody found out: a person accepted that.
            Phase::Abandoned => true,
            _ if action.doubt.is_some() => false,
            Phase::Done => !can_undo,
            Phase::NotDone(_) | Phase::Idle | Phase::Open { .. } => true,
            Phase::Pending { .. } | Phase::Incident(_) => false,
        }
    }
}
