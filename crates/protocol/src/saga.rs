//! The state of one saga: what its events add up to, and nothing that they do not say.
//!
//! A [`Saga`] is only ever changed by [`Saga::apply`]. It holds facts; what follows from them is
//! worked out by `course` and `decide`, so that two readers of the same events always agree.

use std::sync::Arc;

use crate::event::{AnswerRecord, Answered, Reason, RequestRecord};
use crate::json::Json;
use crate::plan::{Plan, StepIndex, StepPlan};
use crate::time::Timestamp;
use crate::words::{Direction, IncidentKind, LegId, SagaState};

/// One saga, as far as its events tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Saga {
    pub(crate) plan: Arc<Plan>,
    pub(crate) steps: Vec<Step>,
    pub(crate) seq: u32,
    pub(crate) deadline_at: Option<Timestamp>,
    pub(crate) trace: Option<Box<str>>,
    pub(crate) cancelled: bool,
    pub(crate) turned: bool,
    pub(crate) reason: Option<Reason>,
    /// What asked for going back, first things first: a step that failed, or (none) a person. A
    /// pivot in doubt can keep the saga from turning for long.
    pub(crate) failures: Vec<Option<StepIndex>>,
    pub(crate) finished: u32,
    pub(crate) told: u32,
    /// The step whose failure the saga's function gave back.
    pub(crate) gave_back: Option<StepIndex>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) settled: Option<SagaState>,
    pub(crate) settled_at: Option<Timestamp>,
}

/// One step: its way forward and its way back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) action: Leg,
    pub(crate) compensation: Leg,
    /// 1 for the step that took effect first, 2 for the next, …; 0 for one that did not.
    pub(crate) finished: u32,
    /// What the saga's function gave its action; none for a step that was not added by one.
    pub(crate) input: Option<Json>,
    /// In which order the saga's function was told of the steps' ends; 0 for not yet.
    pub(crate) told: u32,
    /// The saga's function took it back.
    pub(crate) withdrawn: bool,
    /// Where, in the same order, the function was told that nothing is left of it; 0 for not yet.
    pub(crate) taken_back: u32,
}

/// One direction of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Leg {
    pub(crate) phase: Phase,
    /// The request whose answer is awaited, if one is.
    pub(crate) call: Option<Call>,
    /// How many attempts were started.
    pub(crate) attempts: u32,
    /// How many of them were started before a person last said to go on.
    pub(crate) forgiven: u32,
    /// How many checks were started.
    pub(crate) checks: u32,
    /// How many checks in a row told nothing.
    pub(crate) vain_checks: u32,
    /// Set while an earlier attempt may have taken effect.
    pub(crate) doubt: Option<Doubt>,
    pub(crate) first_attempt_at: Option<Timestamp>,
    /// What the call returned, once it is known to have taken effect.
    pub(crate) result: Option<Json>,
    /// A callback that came before the answer to its own request.
    pub(crate) early: Option<(Answered, Json)>,
    /// The body that a person gave for the next attempts.
    pub(crate) edited: Option<Json>,
    /// The request that would settle the leg cannot be made.
    pub(crate) unmakeable: bool,
    /// A later answer that contradicts what was settled.
    pub(crate) contradicted: Option<Box<AnswerRecord>>,
    /// The last request and answer, kept while they may become evidence.
    pub(crate) trace: Option<Box<Trace>>,
}

/// Where a leg stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Never called.
    #[default]
    Idle,
    /// Called and not settled; what its policy asks for is due at this time.
    Open { again_at: Timestamp },
    /// Accepted by the participant, which answers later.
    Pending { until: Timestamp, ask_at: Timestamp },
    /// It took effect.
    Done,
    /// It certainly took no effect, and is not tried again by itself.
    NotDone(NotDone),
    /// It waits for a person: the index into [`Saga::incidents`].
    Incident(u32),
    /// A person accepted it as it is.
    Abandoned,
}

/// Why a leg took no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    Refused,
    Unmakeable,
    /// A person saw that it did not happen.
    Witnessed,
}

/// A request whose answer is not recorded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) kind: CallKind,
    pub(crate) started_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Attempt(u32),
    Check(u32),
}

impl CallKind {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Attempt(number) | Self::Check(number) => number,
        }
    }
}

/// An attempt may have taken effect; one that was lost on the way may still arrive until `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) until: Timestamp,
}

/// What was last sent for a leg and what came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trace {
    pub(crate) request: Option<Arc<RequestRecord>>,
    pub(crate) answer: Option<AnswerRecord>,
}

/// An incident, open or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The leg that it is about.
    pub leg: LegId,
    /// Why it was opened.
    pub kind: IncidentKind,
    /// Whether nobody has settled it yet.
    pub open: bool,
}

impl Saga {
    /// A saga to which nothing has happened yet.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let steps = vec![Step::default(); plan.steps.len()];
        Self {
            plan,
            steps,
            seq: 0,
            deadline_at: None,
            trace: None,
            cancelled: false,
            turned: false,
            reason: None,
            failures: Vec::new(),
            finished: 0,
            told: 0,
            gave_back: None,
            incidents: Vec::new(),
            settled: None,
            settled_at: None,
        }
    }

    /// What the saga is to do.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The `seq` of the last event; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Why the saga went back (R7).
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// When it must be settled, before the pivot.
    #[must_use]
    pub fn deadline_at(&self) -> Option<Timestamp> {
        self.deadline_at
    }

    /// The W3C trace id of whoever asked for the saga.
    #[must_use]
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// `completed` or `compensated`, once nothing is left to do.
    #[must_use]
    pub fn settled(&self) -> Option<SagaState> {
        self.settled
    }

    /// When it was settled.
    #[must_use]
    pub fn settled_at(&self) -> Option<Timestamp> {
        self.settled_at
    }

    /// Whether the saga goes back.
    #[must_use]
    pub fn has_turned(&self) -> bool {
        self.turned
    }

    /// Every incident, in the order in which they were opened; the first has number 1.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// What a step's action returned, once it is known to have taken effect.
    #[must_use]
    pub fn result(&self, step: StepIndex) -> Option<&Json> {
        self.steps
            .get(usize::from(step))
            .and_then(|step| step.action.result.as_ref())
    }

    /// The number of attempts of a leg so far.
    #[must_use]
    pub fn attempts(&self, leg: LegId) -> u32 {
        self.leg(leg).attempts
    }

    /// The number of checks of a leg so far.
    #[must_use]
    pub fn checks(&self, leg: LegId) -> u32 {
        self.leg(leg).checks
    }

    /// The body that a person gave for a leg's next attempts.
    #[must_use]
    pub fn edited_body(&self, leg: LegId) -> Option<&Json> {
        self.leg(leg).edited.as_ref()
    }

    /// Whether any request's answer is still awaited. A function that runs is no request.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.steps
            .iter()
            .skip(usize::from(self.plan.function))
            .any(|step| step.action.call.is_some() || step.compensation.call.is_some())
    }

    /// Whether the saga is a function that was started and has not returned.
    #[must_use]
    pub fn is_function_running(&self) -> bool {
        self.plan.function && self.steps[0].action.call.is_some()
    }

    /// Whether there is no way back: a pivot is done, or there never was one.
    #[must_use]
    pub fn is_past_pivot(&self) -> bool {
        self.plan.forward || self.has_done_pivot()
    }

    fn has_done_pivot(&self) -> bool {
        self.steps
            .iter()
            .zip(&self.plan.steps)
            .any(|(step, plan)| plan.pivot && matches!(step.action.phase, Phase::Done))
    }

    /// Every leg that may ever be called, in the order of the steps.
    pub(crate) fn legs(&self) -> impl Iterator<Item = (LegId, &Leg)> {
        self.steps.iter().enumerate().flat_map(|(index, step)| {
            let index = index as StepIndex;
            [
                (LegId::action(index), &step.action),
                (LegId::compensation(index), &step.compensation),
            ]
        })
    }

    pub(crate) fn leg(&self, id: LegId) -> &Leg {
        let step = &self.steps[usize::from(id.step)];
        match id.direction {
            Direction::Action => &step.action,
            Direction::Compensation => &step.compensation,
        }
    }

    pub(crate) fn leg_mut(&mut self, id: LegId) -> &mut Leg {
        let step = &mut self.steps[usize::from(id.step)];
        match id.direction {
            Direction::Action => &mut step.action,
            Direction::Compensation => &mut step.compensation,
        }
    }

    pub(crate) fn step_plan(&self, id: LegId) -> &StepPlan {
        &self.plan.steps[usize::from(id.step)]
    }

    pub(crate) fn has_leg(&self, id: LegId) -> bool {
        self.plan
            .steps
            .get(usize::from(id.step))
            .is_some_and(|step| step.call(id.direction).is_some())
    }
}

impl Leg {
    /// Attempts that count against the policy's limit.
    pub(crate) fn tries(&self) -> u32 {
        self.attempts.saturating_sub(self.forgiven)
    }

    pub(crate) fn trace_mut(&mut self) -> &mut Trace {
        self.trace.get_or_insert_default()
    }

    pub(crate) fn last_answer(&self) -> Option<&AnswerRecord> {
        self.trace.as_ref().and_then(|trace| trace.answer.as_ref())
    }

    /// Whether the leg took effect, or took none, for good.
    pub(crate) fn is_resolved(&self) -> bool {
        matches!(
            self.phase,
            Phase::Done | Phase::NotDone(_) | Phase::Abandoned
        )
    }
}
