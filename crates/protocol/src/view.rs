//! What people are shown of a step: one word, the counts, and what came of it.
//!
//! A view is worked out from the state and never kept.

use crate::json::Json;
use crate::plan::StepIndex;
use crate::saga::{Leg, NotDone, Phase, Saga};
use crate::words::{LegId, StepState};

/// One step as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct StepView<'a> {
    /// Its name.
    pub name: &'a str,
    /// What became of it so far.
    pub state: StepState,
    /// How many attempts its action had.
    pub attempts: u32,
    /// How many attempts its compensation had.
    pub compensation_attempts: u32,
    /// What its action returned.
    pub result: Option<&'a Json>,
    /// What last went wrong, on the way that it is going.
    pub error: Option<&'a str>,
}

impl Saga {
    /// The steps in the order in which they were declared.
    pub fn steps(&self) -> impl Iterator<Item = StepView<'_>> {
        self.plan.steps.iter().enumerate().map(|(index, plan)| {
            let index = index as StepIndex;
            let (action, back) = (
                self.leg(LegId::action(index)),
                self.leg(LegId::compensation(index)),
            );
            let state = self.step_state_of(index);
            let shown = if back.attempts > 0 || state == StepState::CompensationFailed {
                back
            } else {
                action
            };
            StepView {
                name: &plan.name,
                state,
                attempts: action.attempts,
                compensation_attempts: back.attempts,
                result: action.result.as_ref(),
                error: shown
                    .last_answer()
                    .and_then(|answer| answer.error.as_deref()),
            }
        })
    }

    pub(crate) fn step_state_of(&self, step: StepIndex) -> StepState {
        self.step_state(
            self.leg(LegId::action(step)),
            self.leg(LegId::compensation(step)),
        )
    }

    fn step_state(&self, action: &Leg, back: &Leg) -> StepState {
        match back.phase {
            Phase::Done => return StepState::Compensated,
            Phase::Abandoned => return StepState::Abandoned,
            Phase::Incident(_) | Phase::NotDone(_) => return StepState::CompensationFailed,
            Phase::Open { .. } | Phase::Pending { .. } => return StepState::Compensating,
            Phase::Idle => {}
        }
        let in_doubt = action.doubt.is_some();
        match action.phase {
            Phase::Done => StepState::Done,
            Phase::Abandoned => StepState::Abandoned,
            Phase::NotDone(NotDone::Refused) => StepState::Refused,
            Phase::NotDone(_) => StepState::NotSent,
            Phase::Pending { .. } => StepState::Pending,
            Phase::Idle if self.turned || self.settled.is_some() => StepState::Skipped,
            Phase::Idle => StepState::Waiting,
            Phase::Incident(_) if in_doubt => StepState::Unknown,
            Phase::Incident(number) => match self.incidents[number as usize - 1].kind {
                crate::IncidentKind::Refused => StepState::Refused,
                _ => StepState::NotSent,
            },
            Phase::Open { .. } if action.call.is_some() => StepState::Running,
            Phase::Open { .. } if in_doubt => StepState::Unknown,
            Phase::Open { .. } if self.turned => StepState::NotSent,
            Phase::Open { .. } => StepState::Running,
        }
    }
}
