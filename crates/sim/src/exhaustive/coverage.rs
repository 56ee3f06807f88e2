//! What the exhaustive runs reached: a set that reaches less than it is meant to proves less.
//!
//! Counting never changes a run.

use std::collections::BTreeMap;

use settled_protocol::{Answered, Direction, Event, Finding, Saga, SagaState, StepState};

/// Counts of everything reached.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Which event met a step in which state, per direction.
    pub transitions: BTreeMap<(StepState, &'static str, Direction), u64>,
    /// The events with what they said.
    pub events: BTreeMap<(&'static str, Option<Direction>, &'static str), u64>,
    /// The words of sagas.
    pub states: BTreeMap<SagaState, u64>,
    /// The words of steps.
    pub step_states: BTreeMap<StepState, u64>,
    /// Decisions that were refused as making no sense.
    pub unfit: u64,
}

impl Coverage {
    pub(crate) fn state(&mut self, state: SagaState) {
        *self.states.entry(state).or_default() += 1;
    }

    /// What an event made of its step; of all steps where it was about the saga as a whole.
    pub(crate) fn steps(&mut self, saga: &Saga, event: &Event) {
        let only = event.leg().map(|leg| usize::from(leg.step));
        for (_, step) in saga
            .steps()
            .enumerate()
            .filter(|(index, _)| only.is_none_or(|only| only == *index))
        {
            *self.step_states.entry(step.state).or_default() += 1;
        }
    }

    pub(crate) fn event(&mut self, saga: &Saga, event: &Event) {
        if let Some(leg) = event.leg()
            && let Some(step) = saga.steps().nth(usize::from(leg.step))
        {
            let transition = (step.state, event.kind(), leg.direction);
            *self.transitions.entry(transition).or_default() += 1;
        }
        let direction = event.leg().map(|leg| leg.direction);
        let said = (event.kind(), direction, Self::says(event));
        *self.events.entry(said).or_default() += 1;
    }

    /// What an event says, in a word.
    fn says(event: &Event) -> &'static str {
        match event {
            Event::AttemptEnded { answer, .. } => answer.outcome.as_str(),
            Event::CheckEnded { finding, .. } => match finding {
                Finding::Happened => "happened",
                Finding::DidNotHappen => "did_not_happen",
                Finding::Inconclusive => "inconclusive",
            },
            Event::CallbackReceived { outcome, .. } => match outcome {
                Answered::Done => "done",
                Answered::Refused => "refused",
            },
            Event::Turned { reason } => reason.cause.as_str(),
            Event::IncidentOpened { kind, .. } => kind.as_str(),
            Event::IncidentResolved { resolution, .. } => resolution.decision.as_str(),
            Event::Settled { state } => state.as_str(),
            _ => "",
        }
    }

    /// Adds what another thread reached.
    pub fn merge(&mut self, other: &Self) {
        for (key, count) in &other.transitions {
            *self.transitions.entry(*key).or_default() += count;
        }
        for (key, count) in &other.events {
            *self.events.entry(*key).or_default() += count;
        }
        for (key, count) in &other.states {
            *self.states.entry(*key).or_default() += count;
        }
        for (key, count) in &other.step_states {
            *self.step_states.entry(*key).or_default() += count;
        }
        self.unfit += other.unfit;
    }
}
