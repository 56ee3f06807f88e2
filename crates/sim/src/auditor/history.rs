//! Reads one saga's records in order and judges each against what was on record before it.
//!
//! The judgement of starting a call is here; turning and settling have files of their own. Nothing
//! here looks at what participants say of themselves.

use settled_protocol::{
    Answered, Direction, Event, Finding, IncidentKind, LegId, OnUnknown, Plan, Record, SagaState,
    StepPlan, Timestamp,
};

use super::functions::{self, FunctionProof};
use super::leg::LegProof;
use super::violation::{Invariant, Violation};
use super::{SagaEvidence, settlement, turning};

/// What the records add up to.
pub(crate) struct History<'a> {
    pub(crate) id: &'a str,
    pub(crate) plan: &'a Plan,
    /// The two directions of each step: action, compensation.
    pub(crate) legs: Vec<[LegProof; 2]>,
    pub(crate) turned: bool,
    pub(crate) cancelled_seq: Option<u32>,
    /// The first action that failed by a record of its own, with that record's number.
    pub(crate) failures: Vec<(u16, u32)>,
    pub(crate) deadline_at: Option<Timestamp>,
    pub(crate) settled: Option<SagaState>,
    pub(crate) incidents: Vec<(LegId, IncidentKind, bool)>,
    /// Of a saga that is a function.
    pub(crate) function: FunctionProof,
    finished: u32,
    pub(crate) record: Option<&'a Record>,
}

/// Judges the records; what they add up to.
pub(crate) fn read<'a>(saga: &SagaEvidence<'a>, found: &mut Vec<Violation>) -> History<'a> {
    let mut history = History {
        id: saga.id,
        plan: saga.plan,
        legs: vec![<[LegProof; 2]>::default(); saga.plan.steps.len()],
        turned: false,
        cancelled_seq: None,
        failures: Vec::new(),
        deadline_at: None,
        settled: None,
        incidents: Vec::new(),
        function: FunctionProof::new(saga.plan),
        finished: 0,
        record: None,
    };
    for (index, record) in saga.records.iter().enumerate() {
        history.record = Some(record);
        let is_first = index == 0;
        if record.seq as usize != index + 1 {
            history.blame(found, Invariant::I13, "R5", "the sequence has a hole");
        }
        if matches!(record.event, Event::Submitted { .. }) != is_first {
            history.blame(
                found,
                Invariant::I13,
                "R5",
                "a history starts by its submission",
            );
        }
        history.take(record, found);
    }
    if saga.epochs.windows(2).any(|pair| pair[0] > pair[1]) {
        history.blame(found, Invariant::I9, "R6", "a replaced coordinator wrote");
    }
    if history.settled.is_some() && saga.row.is_some() && history.settled != saga.row {
        history.blame(
            found,
            Invariant::I7,
            "R7",
            "the row does not say what the records say",
        );
    }
    if saga.row.is_some_and(SagaState::is_settled) && history.settled.is_none() {
        history.blame(
            found,
            Invariant::I7,
            "R7",
            "the row is settled, the records are not",
        );
    }
    history
}

impl History<'_> {
    pub(crate) fn blame(
        &self,
        found: &mut Vec<Violation>,
        invariant: Invariant,
        rule: &'static str,
        what: impl Into<String>,
    ) {
        let seq = self.record.map(|record| record.seq);
        found.push(Violation::new(invariant, rule, self.id, seq, what));
    }

    pub(crate) fn leg(&self, id: LegId) -> &LegProof {
        &self.legs[usize::from(id.step)][usize::from(id.direction == Direction::Compensation)]
    }

    pub(super) fn leg_mut(&mut self, id: LegId) -> &mut LegProof {
        &mut self.legs[usize::from(id.step)][usize::from(id.direction == Direction::Compensation)]
    }

    pub(crate) fn step(&self, id: LegId) -> &StepPlan {
        &self.plan.steps[usize::from(id.step)]
    }

    pub(crate) fn has_open_incident(&self) -> bool {
        self.incidents.iter().any(|(_, _, open)| *open)
    }

    pub(crate) fn is_past_pivot(&self) -> bool {
        let mut steps = self.plan.steps.iter().zip(&self.legs);
        self.plan.forward
            || steps.any(|(plan, [action, _])| plan.pivot && action.happened() && !action.abandoned)
    }

    pub(super) fn must_be_done(&self, id: LegId) -> bool {
        id.direction == Direction::Compensation || (self.is_past_pivot() && !self.turned)
    }

    fn take(&mut self, record: &Record, found: &mut Vec<Violation>) {
        let at = record.at;
        if let Some(id) = record.event.leg() {
            let known = self.plan.steps.get(usize::from(id.step));
            let is_there = self.function.has_step(id.step);
            if known.is_none_or(|step| step.call(id.direction).is_none()) || !is_there {
                self.blame(
                    found,
                    Invariant::I2,
                    "R1",
                    "a leg that the plan does not have",
                );
                return;
            }
        }
        if self.settled.is_some() {
            settlement::judge_aftermath(self, record, found);
        }
        match &record.event {
            Event::Submitted { deadline_at, .. } => self.deadline_at = *deadline_at,
            Event::AttemptStarted { leg, attempt, .. } => {
                self.judge_attempt(*leg, *attempt, record, found);
                self.leg_mut(*leg).begin(at);
            }
            Event::AttemptEnded {
                leg,
                attempt,
                answer,
                arrives_until,
                ..
            } => {
                let limit = self.step(*leg).call(leg.direction).map(|call| call.timeout);
                let proof = self.leg(*leg);
                if proof.in_flight() != Some(*attempt) {
                    self.blame(found, Invariant::I4, "R2", "an outcome without its attempt");
                    return;
                }
                let started = proof.attempts.last().map(|last| last.started_at);
                let earliest = started.zip(limit).map(|(started, limit)| started + limit);
                if earliest.is_some_and(|earliest| *arrives_until < earliest) {
                    let what = "held to have arrived before its own time limit";
                    self.blame(found, Invariant::I8, "R4", what);
                }
                let honours = self.honours_key(*leg);
                self.leg_mut(*leg)
                    .end(answer.outcome, at, *arrives_until, honours);
            }
            Event::Unmakeable { leg, .. } => {
                let leg = self.leg_mut(*leg);
                leg.unmakeable = !leg.in_doubt();
            }
            Event::CheckStarted { leg, check, .. } => {
                let proof = self.leg(*leg);
                if proof.has_call() || *check != proof.checks + 1 || !self.can_be_asked(*leg) {
                    self.blame(found, Invariant::I2, "R1", "a check out of turn");
                }
                if proof.attempts.is_empty() {
                    self.blame(
                        found,
                        Invariant::I2,
                        "R4",
                        "a check of what was never called",
                    );
                }
                let proof = self.leg_mut(*leg);
                proof.checks = *check;
                proof.check = Some((*check, at));
            }
            Event::CheckEnded {
                leg,
                check,
                finding,
                ..
            } => match self.leg_mut(*leg).check.take() {
                Some((number, asked_at)) if number == *check => match finding {
                    Finding::Happened => self.leg_mut(*leg).yes_by_check(),
                    Finding::DidNotHappen => self.leg_mut(*leg).no_by_check(asked_at),
                    Finding::Inconclusive => {}
                },
                _ => self.blame(found, Invariant::I4, "R2", "a finding without its check"),
            },
            Event::CallbackReceived { leg, outcome, .. } => {
                if self.leg(*leg).attempts.is_empty() {
                    self.blame(
                        found,
                        Invariant::I4,
                        "R4",
                        "an answer to what was never called",
                    );
                }
                let honours = self.honours_key(*leg);
                let undone = self.leg(LegId::compensation(leg.step)).happened();
                let is_too_late = self.settled.is_some()
                    && !(undone && leg.direction == Direction::Action)
                    && !self.leg(*leg).happened();
                let yes = *outcome == Answered::Done;
                let leg = self.leg_mut(*leg);
                if yes && is_too_late {
                    leg.contradiction_due = true;
                } else {
                    leg.callback(yes, honours);
                }
            }
            Event::CallbackOverdue { leg } => {
                if !self.leg(*leg).pending() {
                    self.blame(
                        found,
                        Invariant::I8,
                        "R4",
                        "overdue, though nothing is awaited",
                    );
                }
                self.leg_mut(*leg).overdue(at);
            }
            Event::StepAdded { step, .. } => functions::add(self, *step, found),
            Event::Returned {
                attempt,
                step,
                answer,
            } => functions::end(self, *attempt, *step, answer.outcome, record, found),
            Event::Withdrawn { steps } => functions::withdraw(self, steps, found),
            Event::CancelRequested { .. } => {
                self.cancelled_seq.get_or_insert(record.seq);
            }
            Event::Turned { reason } => {
                turning::judge(self, reason, record, found);
                self.turned = true;
                functions::drop_run(self);
            }
            Event::IncidentOpened {
                incident,
                leg,
                kind,
                evidence,
            } => {
                if evidence.error.is_empty() {
                    self.blame(
                        found,
                        Invariant::I11,
                        "R5",
                        "an incident that does not say why",
                    );
                }
                self.judge_incident(*incident, *leg, *kind, found);
                if *kind == IncidentKind::Mismatch && *leg == LegId::FUNCTION {
                    functions::drop_run(self);
                }
                self.incidents.push((*leg, *kind, true));
                let proof = self.leg_mut(*leg);
                proof.contradiction_due = false;
                if *kind != IncidentKind::Contradiction {
                    proof.incident = Some(*incident);
                }
            }
            Event::IncidentResolved {
                incident,
                leg,
                resolution,
            } => {
                self.judge_decision(*incident, *leg, resolution, found);
                self.decide(*incident, *leg, resolution);
            }
            Event::Settled { state } => {
                settlement::judge(self, *state, found);
                self.settled = Some(*state);
            }
        }
        self.note_progress(record);
    }

    fn note_progress(&mut self, record: &Record) {
        let Some(id) = record.event.leg() else { return };
        self.leg_mut(id).last_seq = record.seq;
        if let Event::AttemptEnded { .. } = record.event {
            self.leg_mut(id).ended_seq = Some(record.seq);
        }
        if id.direction == Direction::Compensation {
            return;
        }
        let proof = self.leg(id);
        if proof.happened() && proof.finished == 0 {
            self.finished += 1;
            self.leg_mut(id).finished = self.finished;
        } else if !proof.happened() {
            self.leg_mut(id).finished = 0;
        }
        let proof = self.leg(id);
        if proof.is_no() && self.plan.function {
            functions::refuse(self, id.step);
        }
        let proof = self.leg(id);
        // What a function is told of is its own to make something of.
        let is_failure = (proof.is_no() && !functions::is_told(self, id)) || proof.abandoned;
        let is_failure = is_failure && !self.function.is_withdrawn(id.step);
        let failed = is_failure && proof.incident.is_none();
        self.failures.retain(|(step, _)| *step != id.step || failed);
        if failed && self.failures.iter().all(|(step, _)| *step != id.step) {
            self.failures.push((id.step, record.seq));
        }
    }

    fn can_be_asked(&self, id: LegId) -> bool {
        let call = self.step(id).call(id.direction);
        call.is_some_and(|call| call.check.is_some())
    }

    pub(crate) fn honours_key(&self, id: LegId) -> bool {
        self.step(id)
            .call(id.direction)
            .is_some_and(|call| call.on_unknown == OnUnknown::Retry)
    }
}
