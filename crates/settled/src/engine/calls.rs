//! Calls: made from a task, kept while they are under way, read when they are answered.
//!
//! A call takes its slot and records its intent here; whether and when it is sent is decided by what
//! the journal says to that intent.

use std::collections::HashMap;
use std::sync::Arc;

use settled_protocol::{
    AnswerRecord, Direction, Event, Finding, Input, Json, LegId, Outcome, RequestRecord, Span,
    StepIndex, Task, Timestamp, idempotency_key,
};

use super::CallId;
use super::functions::{Invocation, RunId};
use super::headers;
use super::health;
use super::in_flight::{Consequence, InFlight};
use super::limits::{self, CallHealth, Ended, Participant, Participants, Room, Slot};
use super::{copies, edits};
use crate::alerts;
use crate::callback::CallbackKey;
use crate::definition::{self, Rendered, Scope};
use crate::mask::Mask;
use crate::participant::Answer;
use crate::snapshot::SagaSnapshot;
use crate::trace;
use settled_journal::SagaNo;

/// A call that is under way.
pub(super) struct OpenCall {
    pub(super) saga: SagaNo,
    pub(super) leg: LegId,
    pub(super) kind: OpenCallKind,
    pub(super) slot: Slot,
    pub(super) sent_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenCallKind {
    Attempt(u32),
    Check(u32),
}

/// Every call that is under way.
pub(super) struct Calls {
    open: HashMap<CallId, OpenCall>,
    pub(super) participants: Participants,
    callbacks: CallbackKey,
    mask: Mask,
    random: fastrand::Rng,
    last: u64,
}

impl Calls {
    pub(super) fn new(participants: Participants, secret: [u8; 32], seed: u64, mask: Mask) -> Self {
        Self {
            open: HashMap::new(),
            participants,
            callbacks: CallbackKey::new(secret),
            mask,
            random: fastrand::Rng::with_seed(seed),
            last: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A number that was never used before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A number for jitter.
    pub(super) fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    /// The request leaves now.
    pub(super) fn sent(&mut self, call: CallId, now: Timestamp) {
        if let Some(open) = self.open.get_mut(&call) {
            open.sent_at = Some(now);
        }
    }

    /// The call is over, or was never made. Its slot is free only after [`Calls::release`].
    pub(super) fn end(&mut self, call: CallId) -> Option<OpenCall> {
        self.open.remove(&call)
    }

    /// Gives back a call's slot, with what the call says of its participant. True where those that
    /// stand in line there have to ask again.
    pub(super) fn release(
        &mut self,
        open: &OpenCall,
        (health, hold): (CallHealth, Option<Span>),
        now: Timestamp,
    ) -> bool {
        let ended = Ended {
            health,
            hold,
            elapsed: open.sent_at.map(|sent_at| now - sent_at),
            random: self.random.u64(..),
        };
        self.participants.end(open.slot, ended, now)
    }

    /// Takes a slot, or has the saga wait for one.
    fn take_slot<R>(
        &mut self,
        flight: &mut InFlight<R>,
        participant: Participant,
        now: Timestamp,
    ) -> Option<Slot> {
        let known = flight.place_at(participant);
        match self.participants.ask(participant, flight.at.no, known, now) {
            Room::Slot(slot) => {
                flight.places.retain(|(at, _)| *at != participant);
                return Some(slot);
            }
            Room::InLine => flight.in_line = true,
            Room::At(at) => {
                flight.places.retain(|(other, _)| *other != participant);
                flight.places.push((participant, at));
                flight.wake_at = Some(flight.wake_at.map_or(at, |other| other.min(at)));
            }
        }
        None
    }

    /// Takes up one task: makes its request, takes a slot, records the intent. Without a slot the
    /// saga stands in line for one.
    ///
    /// # Errors
    /// What is wrong with the request, where it cannot be made.
    pub(super) fn start<R>(
        &mut self,
        flight: &mut InFlight<R>,
        task: Task,
        now: Timestamp,
    ) -> Result<(), String> {
        let leg = task.leg();
        let at = &flight.at;
        let plan = Arc::clone(at.saga.plan());
        let step = &plan.steps[usize::from(leg.step)].name;
        let key = idempotency_key(&at.id, step, leg.direction);
        let results = |step| at.saga.result(step);
        let scope = scope(at, &key, &results);
        let rendered = match task {
            Task::Attempt(_) => at.definition.request(leg, &scope, at.saga.edited_body(leg)),
            Task::Check(_) => at.definition.check_request(leg, &scope),
        }
        .map_err(|error| error.to_string())?;
        let participant = self
            .participants
            .participant(&limits::name_of(&rendered.url));
        let Some(slot) = self.take_slot(flight, participant, now) else {
            return Ok(());
        };
        let at = &flight.at;
        // A copy for people. What is sent, now and again, is made from the template each time.
        let record = Arc::new(self.mask.request(RequestRecord {
            method: rendered.method.as_str().to_owned(),
            url: rendered.url.to_string(),
            headers: recorded_headers(&rendered),
            body: rendered.body_json.clone(),
        }));
        let (event, kind, number) = match task {
            Task::Attempt(leg) => {
                let attempt = at.saga.attempts(leg) + 1;
                let event = Event::AttemptStarted {
                    leg,
                    attempt,
                    request: record,
                };
                (event, OpenCallKind::Attempt(attempt), attempt)
            }
            Task::Check(leg) => {
                let check = at.saga.checks(leg) + 1;
                let event = Event::CheckStarted {
                    leg,
                    check,
                    request: record,
                };
                (event, OpenCallKind::Check(check), check)
            }
        };
        let callback = self.callbacks.token(&at.id, leg);
        let request = headers::address(
            rendered,
            &headers::Address {
                saga: &at.id,
                step,
                key: &key,
                number,
                callback: &callback,
                trace: &flight.trace,
                span_id: self.random.u64(1..),
                alert: alerts::is_alert(&at.name, &at.id),
            },
        );
        let call = self.open(at.no, leg, kind, slot);
        flight.record(now, event);
        flight.calls += 1;
        flight.then.push(Consequence::Send { call, request });
        Ok(())
    }

    /// As [`Calls::start`], for a closure of a saga's function.
    ///
    /// # Errors
    /// What is wrong with what a person put in the place of its input.
    pub(super) fn invoke<R>(
        &mut self,
        flight: &mut InFlight<R>,
        task: Task,
        run: RunId,
        participant: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let leg = task.leg();
        let slot = self.participants.participant(participant);
        let at = &flight.at;
        let given = |json: Option<&Json>| json.cloned().unwrap_or_else(Json::null);
        let mut input = given(at.saga.step_input(leg.step));
        let mut result = given(at.saga.result(leg.step));
        if let Some(edited) = at.saga.edited_body(leg) {
            let given = match leg.direction {
                Direction::Action => &mut input,
                Direction::Compensation => &mut result,
            };
            *given = edits::filled(edited, given)?;
        }
        let Some(slot) = self.take_slot(flight, slot, now) else {
            return Ok(());
        };
        let at = &flight.at;
        let plan = Arc::clone(at.saga.plan());
        let step = &plan.steps[usize::from(leg.step)];
        let body = match leg.direction {
            Direction::Action => &input,
            Direction::Compensation => &result,
        };
        let is_check = matches!(task, Task::Check(_));
        let record = Arc::new(self.mask.request(RequestRecord {
            method: if is_check { "CHECK" } else { "CALL" }.to_owned(),
            url: format!("fn://{participant}/{}", step.name),
            headers: Vec::new(),
            body: Some(body.clone()).filter(|body| !body.is_null()),
        }));
        let call_plan = step.call(leg.direction);
        let (event, kind, attempt, timeout) = if is_check {
            let check = at.saga.checks(leg) + 1;
            let event = Event::CheckStarted {
                leg,
                check,
                request: record,
            };
            let timeout = call_plan.and_then(|call| call.check);
            (event, OpenCallKind::Check(check), check, timeout)
        } else {
            let attempt = at.saga.attempts(leg) + 1;
            let event = Event::AttemptStarted {
                leg,
                attempt,
                request: record,
            };
            let timeout = call_plan.map(|call| call.timeout);
            (event, OpenCallKind::Attempt(attempt), attempt, timeout)
        };
        let invocation = Invocation {
            saga: at.no,
            run,
            leg,
            is_check,
            attempt,
            key: idempotency_key(&at.id, &step.name, leg.direction),
            input,
            result,
            timeout: timeout.unwrap_or(Span::ZERO),
            callback: self.callbacks.token(&at.id, leg),
            traceparent: trace::traceparent(&flight.trace, self.random.u64(1..)),
        };
        let call = self.open(at.no, leg, kind, slot);
        flight.record(now, event);
        flight.calls += 1;
        flight.then.push(Consequence::Invoke { call, invocation });
        Ok(())
    }

    fn open(&mut self, saga: SagaNo, leg: LegId, kind: OpenCallKind, slot: Slot) -> CallId {
        let call = CallId(self.next_number());
        let open = OpenCall {
            saga,
            leg,
            kind,
            slot,
            sent_at: None,
        };
        self.open.insert(call, open);
        call
    }
}

/// What the templates of a saga may speak of.
pub(super) fn scope<'a>(
    at: &'a SagaSnapshot,
    key: &'a str,
    results: &'a dyn Fn(StepIndex) -> Option<&'a Json>,
) -> Scope<'a> {
    Scope {
        saga_id: &at.id,
        key,
        input: &at.input,
        results,
    }
}

/// The step's own headers as they are recorded.
fn recorded_headers(rendered: &Rendered) -> Vec<(String, String)> {
    rendered
        .headers
        .iter()
        .filter(|(name, _)| name != http::header::CONTENT_TYPE)
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

/// What an answer means to the saga that waits for it, and what it says of the participant.
pub(super) fn read<R>(
    flight: &InFlight<R>,
    open: &OpenCall,
    answer: &Answer,
    random: u64,
    mask: &Mask,
) -> (Input, (CallHealth, Option<Span>)) {
    let definition = &flight.at.definition;
    let leg: LegId = open.leg;
    match open.kind {
        OpenCallKind::Attempt(attempt) => {
            let reading = definition.read_answer(leg, answer, mask);
            let record = keep(answer, reading.outcome, reading.result, reading.message);
            let record = copies::answer(mask, record);
            let health = health::of_attempt(reading.outcome, reading.retry_after, answer);
            let input = Input::Answer {
                leg,
                attempt,
                answer: record,
                // A time-out has waited the limit out already; see `Saga::receive`.
                sent_at: open.sent_at,
                retry_after: reading.retry_after,
                random,
            };
            (input, health)
        }
        OpenCallKind::Check(check) => {
            let (finding, outcome, result, message) = match definition.read_finding(leg, answer) {
                definition::Finding::Happened(result) => {
                    (Finding::Happened, Outcome::Done, result, None)
                }
                definition::Finding::DidNotHappen => {
                    (Finding::DidNotHappen, Outcome::Done, Json::null(), None)
                }
                definition::Finding::Inconclusive(why) => (
                    Finding::Inconclusive,
                    Outcome::Unknown,
                    Json::null(),
                    Some(why),
                ),
            };
            let health = health::of_check(finding, answer);
            let record = copies::answer(mask, keep(answer, outcome, result, message));
            let input = Input::Finding {
                leg,
                check,
                finding,
                answer: record,
                random,
            };
            (input, health)
        }
    }
}

/// An answer as it goes on record: whole where it may become evidence, its result where it is done.
fn keep(answer: &Answer, outcome: Outcome, result: Json, error: Option<String>) -> AnswerRecord {
    let response = match answer {
        Answer::Responded(response) => Some(response),
        Answer::NotSent(_) | Answer::Unknown(_) => None,
    };
    let headers = match response {
        Some(response) if outcome != Outcome::Done => response.headers.clone(),
        _ => Vec::new(),
    };
    AnswerRecord {
        outcome,
        status: response.map(|response| response.status),
        headers,
        body: response.map(|_| result),
        error,
    }
}
