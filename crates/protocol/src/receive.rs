//! What comes from outside, turned into events that fit the saga as it stands.
//!
//! Answers, callbacks, cancellations and people's decisions may come twice, late, or when the saga
//! has moved on. Here each becomes exactly one event, or none, or a refusal that says why.

use std::sync::Arc;

use crate::event::{AnswerRecord, Answered, Event, Evidence, Finding, Resolution};
use crate::json::Json;
use crate::plan::{MAX_STEPS, Retry, StepIndex, StepPlan};
use crate::saga::{CallKind, Phase, Saga};
use crate::time::{Span, Timestamp};
use crate::words::{Decision, Direction, IncidentKind, LegId, Outcome};

/// The least first and longest wait between questions about a call that was accepted: nothing else
/// bounds how many there are.
const PENDING_PAUSE: (Span, Span) = (Span::from_millis(100), Span::from_secs(5));

/// Something from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A request was answered, or it is known that no answer will come.
    Answer {
        /// What it was for.
        leg: LegId,
        /// Which attempt.
        attempt: u32,
        /// What came back.
        answer: AnswerRecord,
        /// When the request started to leave, as far as known.
        sent_at: Option<Timestamp>,
        /// How long the participant asks to be left alone.
        retry_after: Option<Span>,
        /// Drawn outside, for jitter.
        random: u64,
    },
    /// A check was answered, or it is known that no answer will come.
    Finding {
        /// The leg in doubt.
        leg: LegId,
        /// Which check.
        check: u32,
        /// What the answer says.
        finding: Finding,
        /// What came back.
        answer: AnswerRecord,
        /// Drawn outside, for jitter.
        random: u64,
    },
    /// The participant's later answer.
    Callback {
        /// The leg that is answered.
        leg: LegId,
        /// Whether it took effect.
        outcome: Answered,
        /// What it returned.
        result: Json,
        /// Drawn outside, for jitter.
        random: u64,
    },
    /// The request of this leg cannot be made.
    Unmakeable {
        /// Which leg.
        leg: LegId,
        /// Why.
        error: String,
    },
    /// Somebody asks for compensation.
    Cancel {
        /// Who, as far as known.
        by: String,
    },
    /// The saga's function came to a step that is not on record.
    AddStep {
        /// How it is to be settled.
        plan: StepPlan,
        /// What its action is given.
        input: Json,
    },
    /// The saga's function returned.
    Returned {
        /// The step whose failure it gave back, where it was one's.
        step: Option<StepIndex>,
        /// `done` with what it returned, or `refused` with its error.
        answer: AnswerRecord,
    },
    /// The saga's function takes these steps back.
    Withdraw {
        /// Which; those that it took back already are left out.
        steps: Vec<StepIndex>,
    },
    /// The code that is there now does not fit what is on record.
    Mismatch {
        /// What cannot be done for that reason.
        leg: LegId,
        /// What was found.
        evidence: Evidence,
    },
    /// A person decides an incident.
    Resolve {
        /// Its number in the saga.
        incident: u32,
        /// The decision.
        resolution: Resolution,
    },
}

/// Why something from outside changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such call is awaited: its answer was recorded already, or never asked for.
    #[error("no such call is awaited")]
    Stale,
    /// Another step of the saga has this name.
    #[error(
        "another step of the saga has this name; put what tells them apart into it, such as the \
         number of a turn"
    )]
    NameTaken,
    /// The saga has as many steps as one may have.
    #[error("a saga has at most {MAX_STEPS} steps; split it up")]
    TooManySteps,
    /// The leg was never called.
    #[error("this call was never made, so it cannot be answered")]
    NeverCalled,
    /// There is no way back.
    #[error("the saga is past its pivot; it can only go forward")]
    PastPivot,
    /// Nothing is left to cancel.
    #[error("the saga is settled")]
    Settled,
    /// No incident has this number.
    #[error("no such incident")]
    NoIncident,
    /// Somebody was quicker.
    #[error("the incident is resolved already")]
    AlreadyResolved,
    /// The decision makes no sense here.
    #[error("decision: {0}")]
    Unfit(&'static str),
}

impl Saga {
    /// The event that an input amounts to; none where it says what is known already.
    ///
    /// # Errors
    /// [`Refusal`] where the input does not fit the saga as it stands.
    pub fn receive(&self, now: Timestamp, input: Input) -> Result<Option<Event>, Refusal> {
        match input {
            Input::Answer {
                leg,
                attempt,
                answer,
                sent_at,
                retry_after,
                random,
            } => {
                if !self.awaits(leg, CallKind::Attempt(attempt)) {
                    return Err(Refusal::Stale);
                }
                let limit = self
                    .step_plan(leg)
                    .call(leg.direction)
                    .map_or(Span::ZERO, |call| call.timeout);
                // What was lost on the way may still arrive until its own time limit has passed.
                // A clock that was set back does not make it earlier.
                let started_at = self.leg(leg).call.map_or(now, |call| call.started_at);
                let arrives_until = sent_at.unwrap_or(now).max(started_at) + limit;
                let again_at = self.again_at(leg, now, answer.outcome, retry_after, random);
                Ok(Some(Event::AttemptEnded {
                    leg,
                    attempt,
                    answer,
                    again_at,
                    arrives_until,
                }))
            }
            Input::Finding {
                leg,
                check,
                finding,
                answer,
                random,
            } => {
                if !self.awaits(leg, CallKind::Check(check)) {
                    return Err(Refusal::Stale);
                }
                let again_at = self.ask_again_at(leg, now, finding, random);
                Ok(Some(Event::CheckEnded {
                    leg,
                    check,
                    finding,
                    answer,
                    again_at,
                }))
            }
            Input::Callback {
                leg,
                outcome,
                result,
                random,
            } => self.callback(now, leg, outcome, result, random),
            Input::Unmakeable { leg, error } => {
                if !self.has_leg(leg) || self.leg(leg).call.is_some() || self.leg(leg).is_resolved()
                {
                    return Err(Refusal::Stale);
                }
                Ok(Some(Event::Unmakeable { leg, error }))
            }
            Input::AddStep { plan, input } => self.add_step(plan, input).map(Some),
            Input::Returned { step, answer } => {
                let leg = self.leg(LegId::FUNCTION);
                match leg.call {
                    Some(call) if self.plan.function => Ok(Some(Event::Returned {
                        attempt: call.kind.number(),
                        step,
                        answer,
                    })),
                    _ => Err(Refusal::Stale),
                }
            }
            Input::Withdraw { mut steps } => {
                steps.retain(|step| {
                    let step = self.steps.get(usize::from(*step));
                    step.is_some_and(|step| !step.withdrawn)
                });
                if !self.is_function_running() {
                    return Err(Refusal::Stale);
                }
                Ok((!steps.is_empty()).then_some(Event::Withdrawn { steps }))
            }
            Input::Mismatch { leg, evidence } => {
                let is_moot = leg == LegId::FUNCTION && !self.is_function_running();
                if is_moot
                    || !self.has_leg(leg)
                    || matches!(self.leg(leg).phase, Phase::Incident(_))
                {
                    return Err(Refusal::Stale);
                }
                Ok(Some(Event::IncidentOpened {
                    incident: self.incidents.len() as u32 + 1,
                    leg,
                    kind: IncidentKind::Mismatch,
                    evidence,
                }))
            }
            Input::Cancel { by } => {
                if self.settled.is_some() {
                    Err(Refusal::Settled)
                } else if self.is_past_pivot() && !self.turned {
                    Err(Refusal::PastPivot)
                } else {
                    Ok((!self.turned && !self.cancelled).then_some(Event::CancelRequested { by }))
                }
            }
            Input::Resolve {
                incident,
                resolution,
            } => self.decision(incident, resolution),
        }
    }

    /// The inputs that say of every awaited answer that it will never come: for a saga whose
    /// coordinator stopped. Whether the requests took effect is not known (R4). A function takes
    /// none of its own: it is simply run again.
    #[must_use]
    pub fn lost_calls(&self, random: u64) -> Vec<Input> {
        let lost = AnswerRecord {
            outcome: Outcome::Unknown,
            status: None,
            headers: Vec::new(),
            body: None,
            error: Some("the coordinator stopped before an answer was recorded".to_owned()),
        };
        self.legs()
            .filter_map(|(leg, state)| {
                let call = state.call.filter(|_| !self.plan.is_function(leg.step));
                Some(match call?.kind {
                    CallKind::Attempt(attempt) => Input::Answer {
                        leg,
                        attempt,
                        answer: lost.clone(),
                        sent_at: None,
                        retry_after: None,
                        random,
                    },
                    CallKind::Check(check) => Input::Finding {
                        leg,
                        check,
                        finding: Finding::Inconclusive,
                        answer: lost.clone(),
                        random,
                    },
                })
            })
            .collect()
    }

    fn add_step(&self, plan: StepPlan, input: Json) -> Result<Event, Refusal> {
        if !self.is_function_running() {
            return Err(Refusal::Stale);
        }
        if self.plan.steps.iter().any(|step| step.name == plan.name) {
            return Err(Refusal::NameTaken);
        }
        if self.steps.len() >= MAX_STEPS {
            return Err(Refusal::TooManySteps);
        }
        Ok(Event::StepAdded {
            step: self.steps.len() as StepIndex,
            plan: Arc::new(plan),
            input,
        })
    }

    fn awaits(&self, leg: LegId, kind: CallKind) -> bool {
        self.has_leg(leg) && self.leg(leg).call.is_some_and(|call| call.kind == kind)
    }

    fn again_at(
        &self,
        id: LegId,
        now: Timestamp,
        outcome: Outcome,
        retry_after: Option<Span>,
        random: u64,
    ) -> Timestamp {
        let plan = self.step_plan(id);
        let leg = self.leg(id);
        let Some(call) = plan.call(id.direction) else {
            return now;
        };
        let asks_next = outcome == Outcome::Unknown
            && call.check.is_some()
            && call.on_unknown == crate::OnUnknown::Check;
        let wait = match outcome {
            Outcome::Done | Outcome::Refused => Span::ZERO,
            // A question costs nothing: the first one is put at once.
            Outcome::Unknown if asks_next => Span::ZERO,
            _ => call.retry.delay(leg.tries(), random),
        };
        now + wait.max(retry_after.unwrap_or(Span::ZERO))
    }

    fn ask_again_at(&self, id: LegId, now: Timestamp, finding: Finding, random: u64) -> Timestamp {
        let plan = self.step_plan(id);
        let leg = self.leg(id);
        let Some(call) = plan.call(id.direction) else {
            return now;
        };
        match (finding, leg.doubt) {
            (Finding::Happened, _) => now,
            // It may stay pending for days: ask ever less often.
            _ if matches!(leg.phase, Phase::Pending { .. }) => {
                let slower = Retry {
                    first_delay: call.retry.first_delay.max(PENDING_PAUSE.0),
                    max_delay: call.retry.max_delay.max(PENDING_PAUSE.1),
                    factor: call.retry.factor.max(2.0),
                    ..call.retry
                };
                now + slower.delay(leg.checks, random)
            }
            (Finding::DidNotHappen, Some(doubt)) if leg.asked_before(doubt.until) => {
                doubt.until.max(now)
            }
            (Finding::DidNotHappen, _) => now + call.retry.delay(leg.tries(), random),
            (Finding::Inconclusive, _) => now + call.retry.delay(leg.vain_checks + 1, random),
        }
    }

    fn callback(
        &self,
        now: Timestamp,
        id: LegId,
        outcome: Answered,
        result: Json,
        random: u64,
    ) -> Result<Option<Event>, Refusal> {
        if !self.has_leg(id) || self.leg(id).attempts == 0 {
            return Err(Refusal::NeverCalled);
        }
        let leg = self.leg(id);
        let known = match (leg.phase, outcome) {
            (Phase::Done, Answered::Done) | (Phase::NotDone(_), Answered::Refused) => true,
            (Phase::Incident(incident), _) => {
                // The participant itself answers what a person was asked. What must be done all
                // the same, or may be another attempt's, stays with the person.
                let settles = self.callback_speaks_for_all(id) && !self.must_be_done(id);
                let decision = match outcome {
                    Answered::Done => Decision::Done,
                    Answered::Refused if leg.doubt.is_none() => return Ok(None),
                    Answered::Refused if settles => Decision::NotDone,
                    Answered::Refused => {
                        return Ok(Some(Event::CallbackReceived {
                            leg: id,
                            outcome,
                            result,
                            again_at: now,
                        }));
                    }
                };
                let resolution = Resolution {
                    decision,
                    note: "the participant answered by callback".to_owned(),
                    by: "participant".to_owned(),
                    result: Some(result),
                    body: None,
                };
                return Ok(Some(Event::IncidentResolved {
                    incident,
                    leg: id,
                    resolution,
                }));
            }
            // Said twice, or already before a person: nothing new.
            _ => {
                leg.contradicted.is_some() || leg.early.is_some() || self.has_open_contradiction(id)
            }
        };
        let again_at = self.again_at(id, now, Outcome::Unknown, None, random);
        Ok((!known).then_some(Event::CallbackReceived {
            leg: id,
            outcome,
            result,
            again_at,
        }))
    }

    pub(crate) fn has_open_contradiction(&self, id: LegId) -> bool {
        self.incidents.iter().any(|incident| {
            incident.open && incident.leg == id && incident.kind == IncidentKind::Contradiction
        })
    }

    fn decision(&self, number: u32, resolution: Resolution) -> Result<Option<Event>, Refusal> {
        let incident = (number as usize)
            .checked_sub(1)
            .and_then(|index| self.incidents.get(index))
            .ok_or(Refusal::NoIncident)?;
        if !incident.open {
            return Err(Refusal::AlreadyResolved);
        }
        let in_doubt = self.leg(incident.leg).doubt.is_some();
        let contradiction = incident.kind == IncidentKind::Contradiction;
        match resolution.decision {
            Decision::Abandon if resolution.note.trim().is_empty() => {
                Err(Refusal::Unfit("`abandon` needs a note that says why"))
            }
            Decision::Retry if contradiction => Err(Refusal::Unfit(
                "a contradiction is not called again; expected `done`, `not_done` or `abandon`",
            )),
            Decision::Retry
                if self.turned && incident.leg.direction == Direction::Action && !in_doubt =>
            {
                Err(Refusal::Unfit(
                    "the saga goes back, so this step is not called again",
                ))
            }
            _ => Ok(Some(Event::IncidentResolved {
                incident: number,
                leg: incident.leg,
                resolution,
            })),
        }
    }
}

impl crate::saga::Leg {
    fn asked_before(&self, moment: Timestamp) -> bool {
        self.call.is_some_and(|call| call.started_at < moment)
    }
}
