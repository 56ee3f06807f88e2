//! The fold: how each event changes the state of its saga.
//!
//! Applying never decides and never fails on an event that `receive`, `decide` or the engine made
//! for this very state. An event that does not fit (a damaged or foreign history) is refused and
//! leaves the state as it was.

use std::sync::Arc;

use crate::event::{AnswerRecord, Answered, Event, Finding, Record, RequestRecord, Resolution};
use crate::json::Json;
use crate::plan::{MAX_STEPS, OnUnknown, StepIndex, StepPlan};
use crate::saga::{Call, CallKind, Doubt, Incident, Leg, NotDone, Phase, Saga, Step};
use crate::time::Timestamp;
use crate::words::{Decision, Direction, IncidentKind, LegId, Outcome, SagaState};

/// A record that cannot follow the state it was applied to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({kind}) cannot follow: {why}")]
pub struct Misfit {
    /// The record's `seq`.
    pub seq: u32,
    /// The event's kind.
    pub kind: &'static str,
    /// What is wrong.
    pub why: &'static str,
}

impl Saga {
    /// Adds one record to what is known.
    ///
    /// # Errors
    /// [`Misfit`] where the record cannot follow; the state is then unchanged.
    pub fn apply(&mut self, record: &Record) -> Result<(), Misfit> {
        if let Some(why) = self.misfit(record) {
            return Err(Misfit {
                seq: record.seq,
                kind: record.event.kind(),
                why,
            });
        }
        self.seq = record.seq;
        let at = record.at;
        match &record.event {
            Event::Submitted { deadline_at, trace } => {
                self.deadline_at = *deadline_at;
                self.trace.clone_from(trace);
            }
            Event::AttemptStarted {
                leg,
                attempt,
                request,
            } => {
                self.leg_mut(*leg).start_attempt(*attempt, at, request);
            }
            Event::AttemptEnded {
                leg,
                answer,
                again_at,
                arrives_until,
                ..
            } => {
                self.end_attempt(*leg, answer, at, *again_at, *arrives_until);
            }
            Event::Unmakeable { leg, error } => self.mark_unmakeable(*leg, error),
            Event::CheckStarted {
                leg,
                check,
                request,
            } => {
                let leg = self.leg_mut(*leg);
                leg.checks = *check;
                leg.call = Some(Call {
                    kind: CallKind::Check(*check),
                    started_at: at,
                });
                leg.trace_mut().request = Some(Arc::clone(request));
            }
            Event::CheckEnded {
                leg,
                finding,
                answer,
                again_at,
                ..
            } => {
                self.end_check(*leg, *finding, answer, *again_at);
            }
            Event::CallbackReceived {
                leg,
                outcome,
                result,
                again_at,
            } => {
                self.receive_callback(*leg, *outcome, result, *again_at);
            }
            Event::CallbackOverdue { leg } => {
                let leg = self.leg_mut(*leg);
                leg.is_in_doubt_until(at);
                leg.phase = Phase::Open { again_at: at };
            }
            Event::StepAdded { plan, input, .. } => {
                let plans = &mut Arc::make_mut(&mut self.plan).steps;
                push_tightly(plans, StepPlan::clone(plan));
                let step = Step {
                    input: Some(input.clone()),
                    ..Step::default()
                };
                push_tightly(&mut self.steps, step);
            }
            Event::Returned { step, answer, .. } => {
                self.gave_back = *step;
                self.end_attempt(LegId::FUNCTION, answer, at, at, at);
            }
            Event::Withdrawn { steps } => {
                for step in steps {
                    self.steps[usize::from(*step)].withdrawn = true;
                }
                for step in steps {
                    self.tell_taken_back(*step);
                }
            }
            Event::CancelRequested { .. } => {
                self.cancelled = true;
                self.failures.push(None);
            }
            Event::Turned { reason } => {
                self.turned = true;
                self.reason = Some(reason.clone());
                if self.plan.function {
                    self.leg_mut(LegId::FUNCTION).call = None;
                }
            }
            Event::IncidentOpened {
                incident,
                leg,
                kind,
                ..
            } => {
                self.incidents.push(Incident {
                    leg: *leg,
                    kind: *kind,
                    open: true,
                });
                let is_function = self.plan.is_function(leg.step);
                let leg = self.leg_mut(*leg);
                leg.contradicted = None;
                if is_function {
                    leg.call = None;
                }
                if *kind != IncidentKind::Contradiction {
                    leg.phase = Phase::Incident(*incident);
                }
            }
            Event::IncidentResolved {
                incident,
                leg,
                resolution,
            } => {
                self.resolve(*incident, *leg, resolution, at);
            }
            Event::Settled { state } => {
                self.settled = Some(*state);
                self.settled_at = Some(at);
            }
        }
        if let Some(leg) = record.event.leg() {
            self.note_failure(leg, at);
            self.tell_function(leg, at);
            self.tell_past_pivot(leg, at);
            self.tell_taken_back(leg.step);
        }
        Ok(())
    }

    /// Keeps what failed first: the saga may not turn for it at once (R7). What fails past the pivot
    /// makes no saga go back; if that pivot turns out not to have been done, it is seen then.
    fn note_failure(&mut self, id: LegId, at: Timestamp) {
        if id.direction == Direction::Action
            && !self.turned
            && !self.is_past_pivot()
            && self.is_failure(id, at)
            && !self.failures.contains(&Some(id.step))
        {
            self.failures.push(Some(id.step));
        }
    }

    /// Why the record cannot follow, if it cannot.
    fn misfit(&self, record: &Record) -> Option<&'static str> {
        if record.seq != self.seq + 1 {
            return Some("its number is not the next one");
        }
        if (self.seq == 0) != matches!(record.event, Event::Submitted { .. }) {
            return Some("a history begins with its submission, and only there");
        }
        if let Some(leg) = record.event.leg()
            && !self.has_leg(leg)
        {
            return Some("the plan has no such step or direction");
        }
        match &record.event {
            Event::AttemptStarted { leg, attempt, .. } => {
                let leg = self.leg(*leg);
                (leg.call.is_some() || *attempt != leg.attempts + 1 || leg.is_resolved())
                    .then_some("the step is being called or is settled")
            }
            Event::AttemptEnded { leg, attempt, .. } => {
                (!self.leg(*leg).awaits(CallKind::Attempt(*attempt)))
                    .then_some("no such attempt is awaited")
            }
            Event::CheckStarted { leg, check, .. } => {
                let leg = self.leg(*leg);
                (leg.call.is_some() || *check != leg.checks + 1 || leg.is_resolved())
                    .then_some("the step is being called or is settled")
            }
            Event::CheckEnded { leg, check, .. } => {
                (!self.leg(*leg).awaits(CallKind::Check(*check)))
                    .then_some("no such check is awaited")
            }
            Event::CallbackOverdue { leg } => {
                (!matches!(self.leg(*leg).phase, Phase::Pending { .. }))
                    .then_some("no callback is awaited")
            }
            Event::Turned { .. } => (self.turned || self.settled.is_some())
                .then_some("the saga goes back already, or is settled"),
            Event::IncidentOpened { incident, .. } => (*incident as usize
                != self.incidents.len() + 1)
                .then_some("its incident is not the next one"),
            Event::IncidentResolved { incident, leg, .. } => {
                let known = (*incident as usize)
                    .checked_sub(1)
                    .and_then(|index| self.incidents.get(index));
                (!known.is_some_and(|known| known.open && known.leg == *leg))
                    .then_some("no such incident is open")
            }
            Event::Settled { state } => (self.settled.is_some() || !state.is_settled())
                .then_some("the saga is settled already, or this is no end"),
            Event::Unmakeable { leg, .. } => {
                let leg = self.leg(*leg);
                (leg.call.is_some() || leg.is_resolved())
                    .then_some("the step is being called or is settled")
            }
            Event::StepAdded { step, plan, .. } => (!self.is_function_running()
                || usize::from(*step) != self.steps.len()
                || self.steps.len() >= MAX_STEPS
                || self.plan.steps.iter().any(|other| other.name == plan.name)
                || !plan.needs.is_empty())
            .then_some("its function does not run, or adds no new step"),
            Event::Returned { attempt, step, .. } => (!self.plan.function
                || !self
                    .leg(LegId::FUNCTION)
                    .awaits(CallKind::Attempt(*attempt))
                || step.is_some_and(|step| usize::from(step) >= self.steps.len()))
            .then_some("its function does not run"),
            Event::Withdrawn { steps } => {
                let fits = |step: &StepIndex| {
                    *step > 0
                        && (self.steps.get(usize::from(*step))).is_some_and(|step| !step.withdrawn)
                };
                (!self.is_function_running() || !steps.iter().all(fits))
                    .then_some("its function does not run, or has no such steps to take back")
            }
            Event::Submitted { .. }
            | Event::CallbackReceived { .. }
            | Event::CancelRequested { .. } => None,
        }
    }

    fn end_attempt(
        &mut self,
        id: LegId,
        answer: &AnswerRecord,
        at: Timestamp,
        again_at: Timestamp,
        arrives_until: Timestamp,
    ) {
        let callback_timeout = self.step_plan(id).callback_timeout;
        let ask_at = again_at;
        let speaks_for_all = self.callback_speaks_for_all(id);
        let leg = self.leg_mut(id);
        leg.call = None;
        if leg.is_resolved() {
            // A callback was quicker than the answer to its own request; they should agree.
            if answer.outcome == Outcome::Refused && leg.phase == Phase::Done {
                leg.contradict(answer.clone());
            }
            return;
        }
        if answer.outcome != Outcome::Done {
            leg.trace_mut().answer = Some(answer.clone());
        }
        let early = leg.early.take();
        match (answer.outcome, early) {
            (Outcome::Done, early) => {
                let result = answer.body.clone().unwrap_or_else(Json::null);
                self.mark_done(id, result);
                if let Some((Answered::Refused, said)) = early
                    && speaks_for_all
                {
                    self.leg_mut(id)
                        .contradict(Answered::Refused.as_answer(&said));
                }
            }
            // The participant said both yes and no: nobody knows.
            (Outcome::Refused, Some((Answered::Done, _))) => {
                leg.is_in_doubt_until(at);
                leg.phase = Phase::Open { again_at };
            }
            (_, Some((Answered::Done, result))) => self.mark_done(id, result),
            (Outcome::Refused | Outcome::NotSent, Some(_)) | (Outcome::Refused, None) => {
                self.mark_refused(id, again_at);
            }
            // Where it may have been an earlier attempt's, it says nothing of this one.
            (Outcome::Unknown | Outcome::Pending, Some(_)) if speaks_for_all => {
                self.mark_not_done(id, NotDone::Refused);
            }
            (Outcome::Unknown, _) => {
                leg.is_in_doubt_until(arrives_until);
                leg.phase = Phase::Open { again_at };
            }
            (Outcome::NotSent, None) => leg.phase = Phase::Open { again_at },
            (Outcome::Pending, _) => {
                leg.phase = Phase::Pending {
                    until: at + callback_timeout,
                    ask_at,
                };
            }
        }
    }

    fn end_check(
        &mut self,
        id: LegId,
        finding: Finding,
        answer: &AnswerRecord,
        again_at: Timestamp,
    ) {
        let leg = self.leg_mut(id);
        let asked_at = match leg.call.take() {
            Some(call) => call.started_at,
            None => return,
        };
        if leg.is_resolved() {
            // A callback was quicker; they should agree.
            if finding == Finding::Happened && matches!(leg.phase, Phase::NotDone(_)) {
                leg.contradict(answer.clone());
            }
            return;
        }
        if finding == Finding::DidNotHappen {
            leg.doubt = leg.doubt.filter(|doubt| asked_at < doubt.until);
        }
        match (finding, leg.phase) {
            (Finding::Happened, _) => {
                let result = answer.body.clone().unwrap_or_else(Json::null);
                self.mark_done(id, result);
            }
            // Accepted is not yet done: while the callback may still come, "not yet" is no news.
            (_, Phase::Pending { until, .. }) => {
                leg.phase = Phase::Pending {
                    until,
                    ask_at: again_at,
                };
            }
            (Finding::DidNotHappen, _) => {
                leg.vain_checks = 0;
                leg.phase = Phase::Open { again_at };
            }
            (Finding::Inconclusive, _) => {
                leg.vain_checks += 1;
                leg.trace_mut().answer = Some(answer.clone());
                leg.phase = Phase::Open { again_at };
            }
        }
    }

    fn receive_callback(
        &mut self,
        id: LegId,
        outcome: Answered,
        result: &Json,
        again_at: Timestamp,
    ) {
        let is_news_too_late = self.settled.is_some()
            && (id.direction == Direction::Compensation || !self.is_undone(id.step));
        let speaks_for_all = self.callback_speaks_for_all(id);
        let was_told = self.steps[usize::from(id.step)].told > 0;
        let is_news_too_late = is_news_too_late || (was_told && id.direction == Direction::Action);
        let leg = self.leg_mut(id);
        match (leg.phase, outcome) {
            (Phase::Done, Answered::Done) | (Phase::NotDone(_), Answered::Refused) => {}
            (Phase::Done | Phase::NotDone(_) | Phase::Abandoned, _) => {
                leg.contradict(outcome.as_answer(result));
            }
            // An effect that nobody undoes any more.
            (_, Answered::Done) if is_news_too_late => leg.contradict(outcome.as_answer(result)),
            // On record for the person who was asked.
            (Phase::Incident(_), _) => {}
            _ if matches!(
                leg.call,
                Some(Call {
                    kind: CallKind::Attempt(_),
                    ..
                })
            ) =>
            {
                leg.early = Some((outcome, result.clone()));
            }
            (_, Answered::Done) => self.mark_done(id, result.clone()),
            (_, Answered::Refused) if speaks_for_all => {
                self.mark_not_done(id, NotDone::Refused);
            }
            (_, Answered::Refused) => self.mark_refused(id, again_at),
        }
    }

    fn mark_done(&mut self, id: LegId, result: Json) {
        let finished = self.finished + 1;
        let leg = self.leg_mut(id);
        leg.phase = Phase::Done;
        leg.doubt = None;
        leg.result = Some(result);
        leg.trace = None;
        leg.edited = None;
        if id.direction == Direction::Action {
            self.finished = finished;
            self.steps[usize::from(id.step)].finished = finished;
        }
    }

    /// A refusal settles a leg only if no earlier attempt of it is in doubt, or if the participant
    /// honours the key so that its latest answer speaks for all of them.
    fn mark_refused(&mut self, id: LegId, again_at: Timestamp) {
        let speaks_for_all = self.honours_key(id);
        let leg = self.leg_mut(id);
        if leg.doubt.is_some() && !speaks_for_all {
            leg.phase = Phase::Open { again_at };
        } else {
            self.mark_not_done(id, NotDone::Refused);
        }
    }

    fn mark_not_done(&mut self, id: LegId, why: NotDone) {
        let leg = self.leg_mut(id);
        leg.doubt = None;
        leg.phase = Phase::NotDone(why);
        leg.result = None;
    }

    fn mark_unmakeable(&mut self, id: LegId, error: &str) {
        let leg = self.leg_mut(id);
        leg.trace_mut().answer = Some(AnswerRecord {
            outcome: Outcome::NotSent,
            status: None,
            headers: Vec::new(),
            body: None,
            error: Some(error.to_owned()),
        });
        // With an earlier attempt in doubt this one says nothing of that one.
        leg.unmakeable = true;
        if leg.doubt.is_none() && !matches!(leg.phase, Phase::Pending { .. }) {
            self.mark_not_done(id, NotDone::Unmakeable);
        }
    }

    fn resolve(&mut self, number: u32, id: LegId, resolution: &Resolution, at: Timestamp) {
        let incident = &mut self.incidents[number as usize - 1];
        incident.open = false;
        let kind = incident.kind;
        if self.settled.is_some() {
            return;
        }
        let is_moot = match kind {
            IncidentKind::Contradiction => resolution.decision == Decision::Abandon,
            _ => self.leg(id).phase != Phase::Incident(number),
        };
        if is_moot {
            return;
        }
        match resolution.decision {
            Decision::Done => {
                // A contradiction that a person confirms: the step did take effect after all.
                if self.leg(id).phase != Phase::Done {
                    self.mark_done(id, resolution.result.clone().unwrap_or_else(Json::null));
                }
            }
            Decision::NotDone => self.witness_not_done(id, at),
            Decision::Retry => {
                let leg = self.leg_mut(id);
                leg.forgive(at);
                leg.edited = resolution.body.clone().or_else(|| leg.edited.take());
            }
            Decision::Abandon => self.leg_mut(id).phase = Phase::Abandoned,
        }
    }

    /// A person saw that the call did not happen. What must be done all the same is called again:
    /// a compensation, or a step after the pivot. A step before the pivot has failed.
    fn witness_not_done(&mut self, id: LegId, at: Timestamp) {
        if self.must_be_done(id) {
            let leg = self.leg_mut(id);
            leg.doubt = None;
            leg.result = None;
            leg.forgive(at);
        } else if !matches!(self.leg(id).phase, Phase::NotDone(_)) {
            self.mark_not_done(id, NotDone::Witnessed);
        }
    }

    /// Whether the saga cannot do without this leg: then a no is for a person.
    pub(crate) fn must_be_done(&self, id: LegId) -> bool {
        id.direction == Direction::Compensation || (self.is_past_pivot() && !self.turned)
    }

    /// A callback does not say which attempt it answers. It speaks for all of them where there was
    /// one only, or where the participant honours the key.
    pub(crate) fn callback_speaks_for_all(&self, id: LegId) -> bool {
        self.honours_key(id) || self.leg(id).attempts == 1
    }

    /// Whether the participant is declared to honour the idempotency key.
    fn honours_key(&self, id: LegId) -> bool {
        self.step_plan(id)
            .call(id.direction)
            .is_some_and(|call| call.on_unknown == OnUnknown::Retry)
    }

    fn is_undone(&self, step: StepIndex) -> bool {
        matches!(self.leg(LegId::compensation(step)).phase, Phase::Done)
    }

    /// The saga's state (the word that everybody sees), at a given moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SagaState {
        match self.settled {
            Some(state) => state,
            None if self.waits_only_for_people(now) => SagaState::Stuck,
            None if self.turned => SagaState::Compensating,
            None => SagaState::Running,
        }
    }
}

/// Most functions have a handful of steps, and many sagas are in memory at once: no room is kept for
/// steps that never come.
fn push_tightly<T>(list: &mut Vec<T>, item: T) {
    if list.len() < 8 {
        list.reserve_exact(1);
    }
    list.push(item);
}

impl Leg {
    fn start_attempt(&mut self, attempt: u32, at: Timestamp, request: &Arc<RequestRecord>) {
        self.attempts = attempt;
        self.first_attempt_at.get_or_insert(at);
        self.call = Some(Call {
            kind: CallKind::Attempt(attempt),
            started_at: at,
        });
        self.phase = Phase::Open { again_at: at };
        self.trace_mut().request = Some(Arc::clone(request));
    }

    /// In doubt at least until then: another attempt's doubt may last longer.
    fn is_in_doubt_until(&mut self, until: Timestamp) {
        let until = self.doubt.map_or(until, |doubt| doubt.until.max(until));
        self.doubt = Some(Doubt { until });
    }

    /// Keeps what contradicts the leg as evidence for a person.
    fn contradict(&mut self, answer: AnswerRecord) {
        self.contradicted = Some(Box::new(answer));
    }

    fn awaits(&self, kind: CallKind) -> bool {
        self.call.is_some_and(|call| call.kind == kind)
    }

    /// Starts the policy's count anew.
    fn forgive(&mut self, at: Timestamp) {
        self.forgiven = self.attempts;
        self.vain_checks = 0;
        self.unmakeable = false;
        self.first_attempt_at = None;
        self.phase = Phase::Open { again_at: at };
    }
}
