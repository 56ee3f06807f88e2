//! What is next for a saga: the one place where its course as a whole is decided.
//!
//! Deciding reads the state and the time and changes nothing. What it decides is either an event to
//! record (then ask again), or calls to make, or a time to come back.

use crate::course::{Course, course};
use crate::event::{Cause, Event, Evidence, Reason};
use crate::plan::{CompensateOrder, StepIndex};
use crate::saga::{Leg, NotDone, Phase, Saga};
use crate::time::Timestamp;
use crate::words::{IncidentKind, LegId, SagaState};

/// What is next for a saga.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// A decision to record before anything else; the rest is empty then.
    pub record: Option<Event>,
    /// Calls to make now, in this order as far as limits allow.
    pub tasks: Vec<Task>,
    /// The earliest moment at which something more is to be done, if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

/// A call to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Send the request of this leg.
    Attempt(LegId),
    /// Ask the participant about this leg.
    Check(LegId),
}

impl Task {
    /// The leg that the call is for.
    #[must_use]
    pub const fn leg(self) -> LegId {
        match self {
            Self::Attempt(leg) | Self::Check(leg) => leg,
        }
    }
}

impl Saga {
    /// What is next at a given moment.
    #[must_use]
    pub fn decide(&self, now: Timestamp) -> Next {
        let mut next = Next::default();
        if self.seq == 0 {
            return next;
        }
        next.record = self.late_news(now);
        if next.record.is_some() || self.settled.is_some() {
            return next;
        }
        next.record = if self.turned {
            self.go_back(now, &mut next)
        } else {
            self.go_on(now, &mut next)
        };
        if next.record.is_some() {
            return Next {
                record: next.record,
                ..Next::default()
            };
        }
        next
    }

    /// Whether an open incident is all that remains to do. A deadline still to come does not count:
    /// it is no work.
    pub(crate) fn waits_only_for_people(&self, now: Timestamp) -> bool {
        if !self.incidents.iter().any(|incident| incident.open) || self.has_calls() {
            return false;
        }
        let next = self.decide(now);
        let deadline = self.deadline_at.filter(|_| !self.turned);
        next.record.is_none()
            && next.tasks.is_empty()
            && (next.wake_at.is_none() || next.wake_at == deadline)
    }

    /// Callbacks that contradict what was settled, and callbacks that never came.
    fn late_news(&self, now: Timestamp) -> Option<Event> {
        self.legs().find_map(|(id, leg)| match leg.phase {
            _ if leg.contradicted.is_some() => {
                Some(self.open_incident(id, IncidentKind::Contradiction))
            }
            Phase::Pending { until, .. } if until <= now && leg.call.is_none() => {
                Some(Event::CallbackOverdue { leg: id })
            }
            _ => None,
        })
    }

    /// Forward.
    fn go_on(&self, now: Timestamp, next: &mut Next) -> Option<Event> {
        let past_pivot = self.is_past_pivot();
        let failure = if past_pivot { None } else { self.failure(now) };
        let failing = failure.is_some();
        // While the code does not fit the record, nothing is called by it.
        let mismatch = self.is_mismatched();
        let mut all_done = true;
        let mut pivot_in_doubt = false;
        for index in 0..self.steps.len() {
            let id = LegId::action(index as StepIndex);
            if self.is_out_of_hand(id.step) {
                continue;
            }
            let leg = self.leg(id);
            let course = self.course(id, failing, now);
            let finished = self.is_finished(id.step, past_pivot);
            all_done &= finished;
            match course {
                Course::Exhausted(kind) if past_pivot || !self.fails(id, kind) => {
                    return Some(self.open_incident(id, kind));
                }
                Course::NotDone(why) if past_pivot && !self.has_open_contradiction(id) => {
                    return Some(self.open_incident(id, why.incident()));
                }
                _ => {}
            }
            let under_way = leg.is_under_way();
            pivot_in_doubt |= self.step_plan(id).pivot && under_way;
            let wanted = if mismatch {
                false
            } else if failing {
                under_way
            } else {
                finished || self.is_ready(id.step, past_pivot)
            };
            if wanted {
                next.add(id, course, now);
            }
        }
        if let Err(event) = self.undo(|step| self.steps[usize::from(step)].withdrawn, now, next) {
            return Some(event);
        }
        match failure {
            Some(reason) if !pivot_in_doubt => return Some(Event::Turned { reason }),
            Some(_) => return None,
            None => {}
        }
        if all_done {
            let open = self.incidents.iter().any(|incident| incident.open);
            return (!open && !self.has_calls()).then_some(Event::Settled {
                state: SagaState::Completed,
            });
        }
        if !past_pivot && let Some(deadline) = self.deadline_at {
            next.wake(deadline);
        }
        None
    }

    /// Back.
    fn go_back(&self, now: Timestamp, next: &mut Next) -> Option<Event> {
        let over = match self.undo(|_| true, now, next) {
            Ok(over) => over,
            Err(event) => return Some(event),
        };
        let open = self.incidents.iter().any(|incident| incident.open);
        (over && !open && !self.has_calls()).then_some(Event::Settled {
            state: SagaState::Compensated,
        })
    }

    /// Finds out what is in doubt of these steps, and undoes what happened (R3). Tells whether
    /// nothing is left to do.
    ///
    /// # Errors
    /// A decision that comes before all that.
    fn undo(
        &self,
        is_meant: impl Fn(StepIndex) -> bool,
        now: Timestamp,
        next: &mut Next,
    ) -> Result<bool, Event> {
        let mut in_doubt = false;
        let mut over = true;
        let mut undo: Vec<StepIndex> = Vec::new();
        for index in 0..self.steps.len() {
            let id = LegId::action(index as StepIndex);
            if !is_meant(id.step) {
                continue;
            }
            let leg = self.leg(id);
            let can_undo = self.step_plan(id).compensation.is_some();
            match self.course(id, true, now) {
                Course::Done if can_undo => undo.push(id.step),
                Course::Exhausted(IncidentKind::UnknownOutcome) => {
                    if !(can_undo && self.step_plan(id).compensate_unknown) {
                        return Err(self.open_incident(id, IncidentKind::UnknownOutcome));
                    }
                    undo.push(id.step);
                }
                Course::Person => over = false,
                course @ Course::Callback { .. } => {
                    over = false;
                    next.add(id, course, now);
                }
                course if !course.is_over() && !leg.is_untouched() => {
                    in_doubt = true;
                    next.add(id, course, now);
                }
                // A compensation that was started in doubt is finished, whatever became known since.
                _ if self.leg(LegId::compensation(id.step)).is_under_way() => undo.push(id.step),
                _ => {}
            }
        }
        over &= !in_doubt;
        // The step that took effect last is undone first; one that may still turn out to have taken
        // effect is later than all of them. What is being undone already comes before both.
        let one_by_one = self.plan.compensate == CompensateOrder::Reverse;
        undo.sort_by_key(|step| self.place_in_undoing(*step));
        let mut wait = one_by_one && in_doubt;
        for step in undo {
            let id = LegId::compensation(step);
            match self.course(id, false, now) {
                Course::Done | Course::Abandoned => {}
                Course::Person => over = false,
                Course::Exhausted(kind) => return Err(self.open_incident(id, kind)),
                Course::NotDone(_) if self.has_open_contradiction(id) => {}
                Course::NotDone(why) => return Err(self.open_incident(id, why.incident())),
                course => {
                    over = false;
                    if !wait || self.leg(id).attempts > 0 {
                        next.add(id, course, now);
                    }
                    wait |= one_by_one;
                }
            }
        }
        Ok(over)
    }

    /// What comes first when steps are undone one by one.
    fn place_in_undoing(&self, step: StepIndex) -> (bool, std::cmp::Reverse<u32>) {
        let finished = self.steps[usize::from(step)].finished;
        let place = if finished == 0 { u32::MAX } else { finished };
        let is_fresh = self.leg(LegId::compensation(step)).attempts == 0;
        (is_fresh, std::cmp::Reverse(place))
    }

    /// Of a saga that goes back: the steps whose compensation is certainly still to be done by the
    /// machine, in their order. Where a step is in doubt, nobody can say yet.
    pub(crate) fn left_to_undo(&self, now: Timestamp) -> Vec<StepIndex> {
        if !self.turned || self.settled.is_some() {
            return Vec::new();
        }
        let is_left = |step: &StepIndex| {
            let action = LegId::action(*step);
            let plan = self.step_plan(action);
            let back = LegId::compensation(*step);
            let is_meant = match self.course(action, true, now) {
                Course::Done => true,
                Course::Exhausted(IncidentKind::UnknownOutcome) => plan.compensate_unknown,
                Course::Person => false,
                course => {
                    (course.is_over() || self.leg(action).is_untouched())
                        && self.leg(back).is_under_way()
                }
            };
            // A callback may have been quicker than the answer to a call that is still under way.
            let is_over = self.leg(back).is_resolved() || self.course(back, false, now).is_over();
            plan.compensation.is_some() && is_meant && !is_over
        };
        let all = 0..self.steps.len() as StepIndex;
        let mut left: Vec<StepIndex> = all.filter(is_left).collect();
        left.sort_by_key(|step| self.place_in_undoing(*step));
        left
    }

    /// Whether the saga's function does not fit the record, and a person was asked.
    pub(crate) fn is_mismatched(&self) -> bool {
        self.plan.function
            && self.incidents.iter().any(|incident| {
                incident.open
                    && incident.leg == LegId::FUNCTION
                    && incident.kind == IncidentKind::Mismatch
            })
    }

    /// Whether a step of a function needs nothing more for the saga to go on: the function knows
    /// how it ended, or took it back.
    fn is_out_of_hand(&self, step: StepIndex) -> bool {
        let step = &self.steps[usize::from(step)];
        step.told > 0 || step.withdrawn
    }

    /// Why the saga must go back, if it must; before the pivot only.
    fn failure(&self, now: Timestamp) -> Option<Reason> {
        let fails = |step: &StepIndex| self.is_failure(LegId::action(*step), now);
        // A failure may have been taken back; one may have come of time alone, without an event.
        let mut noted = self.failures.iter();
        let first = noted.find(|failure| failure.as_ref().is_none_or(fails));
        let unnoted = || (0..self.steps.len() as StepIndex).find(fails).map(Some);
        let (cause, message) = match first.copied().or_else(unnoted) {
            Some(Some(step)) => return Some(self.step_failure(step)),
            Some(None) => (Cause::Cancelled, "compensation was asked for"),
            None if self.deadline_at.is_some_and(|deadline| deadline <= now) => {
                (Cause::Deadline, "not settled by its deadline")
            }
            None => return None,
        };
        Some(Reason {
            step: None,
            cause,
            message: message.to_owned(),
            answer: None,
        })
    }

    /// Whether a step's action is at its end without having been done, so that before the pivot
    /// the saga goes back.
    pub(crate) fn is_failure(&self, id: LegId, now: Timestamp) -> bool {
        if self.is_out_of_hand(id.step) {
            return false;
        }
        // Also while a question about it is still under way. A function hears of it after that, and
        // makes of it what it likes.
        if matches!(self.leg(id).phase, Phase::NotDone(_)) {
            return !self.plan.function || id.step == LegId::FUNCTION.step;
        }
        match self.course(id, false, now) {
            Course::NotDone(_) | Course::Abandoned => true,
            Course::Exhausted(kind) => self.fails(id, kind),
            _ => false,
        }
    }

    fn step_failure(&self, step: StepIndex) -> Reason {
        if self.plan.is_function(step)
            && let Some(step) = self.gave_back
            && !matches!(self.leg(LegId::action(step)).phase, Phase::Done)
        {
            return self.step_failure(step);
        }
        let leg = &self.steps[usize::from(step)].action;
        let cause = match leg.phase {
            Phase::NotDone(NotDone::Refused) => Cause::Refused,
            Phase::Abandoned => Cause::Abandoned,
            _ if leg.doubt.is_some() => Cause::Unknown,
            _ => Cause::NotSent,
        };
        let answer = leg.last_answer().cloned();
        let message = answer
            .as_ref()
            .and_then(|answer| answer.error.clone())
            .unwrap_or_else(|| format!("the step was {}", cause.as_str()));
        Reason {
            step: Some(step),
            cause,
            message,
            answer,
        }
    }

    /// Whether a leg at its end makes the saga go back by itself, rather than needing a person.
    fn fails(&self, id: LegId, kind: IncidentKind) -> bool {
        let plan = self.step_plan(id);
        match kind {
            IncidentKind::UnknownOutcome => {
                plan.compensate_unknown && plan.compensation.is_some() && !plan.pivot
            }
            _ => true,
        }
    }

    pub(crate) fn course(&self, id: LegId, find_out: bool, now: Timestamp) -> Course {
        course(
            self.leg(id),
            self.step_plan(id),
            id.direction,
            find_out,
            now,
        )
    }

    /// Whether the step needs nothing more for those after it to start. One that a person accepted
    /// as it is counts only where there is no way back.
    fn is_finished(&self, step: StepIndex, past_pivot: bool) -> bool {
        match self.steps[usize::from(step)].action.phase {
            Phase::Done => true,
            Phase::Abandoned => past_pivot,
            _ => false,
        }
    }

    fn is_ready(&self, step: StepIndex, past_pivot: bool) -> bool {
        let needs = &self.plan.steps[usize::from(step)].needs;
        needs.iter().all(|need| self.is_finished(*need, past_pivot))
    }

    fn open_incident(&self, id: LegId, kind: IncidentKind) -> Event {
        let leg = self.leg(id);
        let answer = match kind {
            IncidentKind::Contradiction => leg.contradicted.as_deref(),
            _ => leg.last_answer(),
        };
        let answer = answer.cloned();
        let error = answer.as_ref().and_then(|answer| answer.error.clone());
        Event::IncidentOpened {
            incident: self.incidents.len() as u32 + 1,
            leg: id,
            kind,
            evidence: Evidence {
                request: leg.trace.as_ref().and_then(|trace| trace.request.clone()),
                answer,
                error: error.unwrap_or_else(|| kind.explain().to_owned()),
                attempts: leg.attempts,
            },
        }
    }
}

impl Leg {
    /// What was sent may take effect, or may have taken it.
    fn is_under_way(&self) -> bool {
        self.attempts > 0 && !self.is_resolved() && !self.is_untouched()
    }

    /// Nothing that was sent can have taken effect: it can be left as it is.
    fn is_untouched(&self) -> bool {
        self.call.is_none()
            && self.doubt.is_none()
            && matches!(self.phase, Phase::Idle | Phase::Open { .. })
    }
}

impl NotDone {
    const fn incident(self) -> IncidentKind {
        match self {
            Self::Refused => IncidentKind::Refused,
            Self::Unmakeable => IncidentKind::Unmakeable,
            Self::Witnessed => IncidentKind::NotSent,
        }
    }
}

impl IncidentKind {
    /// The kind in a sentence, where the participant said nothing better.
    const fn explain(self) -> &'static str {
        match self {
            Self::UnknownOutcome => "nobody knows whether the call took effect",
            Self::Refused => "the participant refused what must be done",
            Self::NotSent => "the call never got through",
            Self::Unmakeable => "the request cannot be made",
            Self::Contradiction => "a later answer contradicts what was settled",
            Self::Mismatch => "the code no longer matches the record",
        }
    }
}

impl Next {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Adds what a leg's course asks for.
    fn add(&mut self, id: LegId, course: Course, now: Timestamp) {
        match course {
            Course::Call(at) if at <= now => self.tasks.push(Task::Attempt(id)),
            Course::Ask(at) if at <= now => self.tasks.push(Task::Check(id)),
            Course::Call(at) | Course::Ask(at) => self.wake(at),
            Course::Callback { until, ask_at } => {
                self.wake(until);
                match ask_at {
                    Some(at) if at <= now => self.tasks.push(Task::Check(id)),
                    Some(at) => self.wake(at),
                    None => {}
                }
            }
            _ => {}
        }
    }
}
