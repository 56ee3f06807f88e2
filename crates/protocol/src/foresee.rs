//! What each decision on an incident would come to, worked out by taking it on a copy of the saga.
//!
//! Nothing is told here that `receive`, `apply` and `decide` do not say: there are no rules of its
//! own. It tells what is certain from the record at that moment, and never what participants, other
//! people or a function will answer.

use crate::decide::Task;
use crate::event::{Record, Resolution};
use crate::plan::StepIndex;
use crate::receive::{Input, Refusal};
use crate::saga::Saga;
use crate::time::Timestamp;
use crate::words::{Decision, SagaState, StepState};

/// What one decision on an incident would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The decision.
    pub decision: Decision,
    /// What comes of it, or why it may not be taken.
    pub consequence: Result<Consequence, Refusal>,
    /// Whether it may be taken only with a note that says why.
    pub needs_note: bool,
}

/// What certainly comes of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// The calls that are made next, in this order as far as limits allow.
    pub calls: Vec<Task>,
    /// Whether the saga goes back by it.
    pub turns: bool,
    /// What is left to be undone then, in this order, but that what was begun before waits for
    /// nothing; or all at once, where the plan says so. Steps in doubt may join them.
    pub undoes: Vec<StepIndex>,
    /// The incidents that are open then: only their numbers.
    pub open: Vec<u32>,
    /// What comes after that is for the saga's function to say.
    pub up_to_function: bool,
    /// The state of the incident's step then.
    pub step: StepState,
    /// The state of the saga then.
    pub state: SagaState,
}

impl Saga {
    /// What each decision on an incident would come to at a given moment, in the order of
    /// [`Decision::ALL`].
    #[must_use]
    pub fn foresee(&self, incident: u32, now: Timestamp) -> Vec<Foreseen> {
        let foreseen = |decision: &Decision| {
            let consequence = self.consequence(incident, *decision, now);
            let needs_note = consequence.is_ok()
                && matches!(
                    self.receive(now, resolve(incident, *decision, "")),
                    Err(Refusal::Unfit(_))
                );
            Foreseen {
                decision: *decision,
                consequence,
                needs_note,
            }
        };
        Decision::ALL.iter().map(foreseen).collect()
    }

    fn consequence(
        &self,
        incident: u32,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Consequence, Refusal> {
        let event = self.receive(now, resolve(incident, decision, "seen"))?;
        let mut then = self.clone();
        let mut calls = Vec::new();
        let mut record = event;
        while let Some(event) = record {
            let seq = then.seq + 1;
            // What the saga itself made fits it.
            if then
                .apply(&Record {
                    seq,
                    at: now,
                    event,
                })
                .is_err()
            {
                break;
            }
            let next = then.decide(now);
            (record, calls) = (next.record, next.tasks);
        }
        let leg = self.incidents[incident as usize - 1].leg;
        let open = then.incidents.iter().zip(1..);
        Ok(Consequence {
            calls,
            turns: then.turned && !self.turned,
            undoes: then.left_to_undo(now),
            open: open
                .filter(|(incident, _)| incident.open)
                .map(|(_, number)| number)
                .collect(),
            up_to_function: then.is_up_to_function(),
            step: then.step_state_of(leg.step),
            state: then.state(now),
        })
    }

    /// Whether the saga's function runs, or is run again, and says what comes after what is under way.
    fn is_up_to_function(&self) -> bool {
        self.plan.function && !self.turned && self.settled.is_none() && !self.is_mismatched()
    }
}

/// A decision as it would come from a person.
fn resolve(incident: u32, decision: Decision, note: &str) -> Input {
    Input::Resolve {
        incident,
        resolution: Resolution {
            decision,
            note: note.to_owned(),
            by: String::new(),
            result: None,
            body: None,
        },
    }
}
