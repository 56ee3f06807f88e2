//! The services that are called: they act, or do not, and answer, or do not, as the faults have it.
//! Their books say what really happened; nobody else's word counts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};
use settled::participant::{Answer, Request, Response};
use settled_protocol::{Direction, LegId, Span, Timestamp};

use super::document::Kind;
use super::faults::{Fault, Faults};

/// A call that reached a participant.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) saga: String,
    pub(super) leg: LegId,
    pub(super) attempt: u32,
    pub(super) at: Timestamp,
    pub(super) effect: bool,
}

/// What comes of a request, and when.
#[derive(Debug)]
pub(super) struct Plan {
    /// The request is executed then, unless never.
    pub(super) act_at: Option<Timestamp>,
    /// What the coordinator gets then.
    pub(super) answer_at: Timestamp,
    pub(super) answer: Planned,
    /// Callbacks for a call that was accepted.
    pub(super) callbacks: Vec<Timestamp>,
}

/// What the coordinator gets.
#[derive(Debug)]
pub(super) enum Planned {
    /// The result of executing.
    Result,
    /// Accepted; the result comes by callback.
    Accepted,
    /// This, whatever came of it.
    Fixed(Answer),
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) saga: String,
    pub(super) leg: LegId,
    pub(super) number: u32,
    pub(super) is_check: bool,
    pub(super) body: Value,
    pub(super) timeout: Span,
}

/// What became of an operation.
#[derive(Clone, Debug)]
struct Operation {
    result: Value,
    done: bool,
}

/// All participants together.
#[derive(Debug, Default)]
pub(super) struct Participants {
    operations: BTreeMap<String, Operation>,
    /// Calls that were accepted, whether or not they were executed since.
    accepted: BTreeSet<String>,
    pub(super) ledger: Vec<Entry>,
    /// What was wrong with a request, by the participant's own judgment.
    pub(super) complaints: Vec<String>,
}

impl Call {
    /// Takes a request apart.
    pub(super) fn read(request: &Request) -> Option<Self> {
        let header = |name: &str| {
            let (_, value) = request.headers.iter().find(|(found, _)| found == name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let path = request.url.path().to_owned();
        let key = header("idempotency-key")?;
        let mut parts = key.rsplitn(3, '/');
        let direction = Direction::parse(parts.next()?)?;
        let step = parts.next()?.strip_prefix('s')?.parse().ok()?;
        let saga = parts.next()?.to_owned();
        let body = request.body.as_deref().unwrap_or(b"null");
        Some(Self {
            kind: Kind::of_host(request.url.host()?),
            is_check: path.starts_with("/ask/"),
            saga,
            leg: LegId { step, direction },
            number: header("settled-attempt")?.parse().ok()?,
            body: serde_json::from_slice(body).ok()?,
            timeout: request.timeout,
            key,
        })
    }
}

impl Participants {
    /// Decides what comes of a request that was sent now.
    pub(super) fn plan(
        &mut self,
        call: &Call,
        now: Timestamp,
        faults: &mut Faults,
        rng: &mut Rng,
    ) -> Plan {
        let limit = now + call.timeout;
        let soon = now + Span::from_millis(i64::from(rng.u32(1..20)));
        let within = |rng: &mut Rng| now + Span(rng.i64(1..call.timeout.0.max(2)));
        let silent = || Planned::Fixed(Answer::Unknown("no answer in time".to_owned()));
        let status = |status| Planned::Fixed(respond(status, &json!({"error": "as planned"})));
        let plan = |act_at, answer_at, answer| Plan {
            act_at,
            answer_at,
            answer,
            callbacks: vec![],
        };
        if call.is_check {
            return if faults.strikes(Fault::CheckFailed, rng) {
                match rng.u8(0..3) {
                    0 => plan(None, limit, silent()),
                    1 => plan(None, soon, status(500)),
                    _ => plan(
                        None,
                        soon,
                        Planned::Fixed(Answer::NotSent("refused".to_owned())),
                    ),
                }
            } else {
                plan(Some(soon), soon, Planned::Result)
            };
        }
        if faults.strikes(Fault::NotSent, rng) {
            plan(
                None,
                soon,
                Planned::Fixed(Answer::NotSent("connection refused".to_owned())),
            )
        } else if faults.strikes(Fault::TooMany, rng) {
            let mut answer = response(429, &json!({}));
            let seconds = [0, 1, 5, 3_600][rng.usize(0..4)];
            answer
                .headers
                .push(("retry-after".to_owned(), seconds.to_string()));
            plan(None, soon, Planned::Fixed(Answer::Responded(answer)))
        } else if faults.strikes(Fault::ErrorBefore, rng) {
            plan(None, soon, status(500))
        } else if faults.strikes(Fault::ErrorAfter, rng) {
            plan(Some(soon), soon, status([500, 502, 503][rng.usize(0..3)]))
        } else if faults.strikes(Fault::SilentAfter, rng) {
            plan(Some(within(rng)), limit, silent())
        } else if faults.strikes(Fault::SilentBefore, rng) {
            plan(None, limit, silent())
        } else if faults.strikes(Fault::ActsLate, rng) {
            let broken = Planned::Fixed(Answer::Unknown("connection reset".to_owned()));
            plan(Some(within(rng)), soon, broken)
        } else if faults.strikes(Fault::SlowAnswer, rng) {
            let at = within(rng);
            plan(Some(at), at, Planned::Result)
        } else if faults.strikes(Fault::Pending, rng) {
            self.accepted.insert(call.key.clone());
            plan_pending(now, soon, faults, rng)
        } else {
            plan(Some(soon), soon, Planned::Result)
        }
    }

    /// Executes a call, or answers a question.
    pub(super) fn act(
        &mut self,
        call: &Call,
        now: Timestamp,
        faults: &mut Faults,
        rng: &mut Rng,
    ) -> Response {
        if call.is_check {
            return match self.operations.get(&call.key) {
                Some(operation) if operation.done => response(200, &operation.result),
                // What was accepted may still happen, so nobody says that it did not.
                None if self.accepted.contains(&call.key) => response(202, &json!({})),
                _ => response(404, &json!({})),
            };
        }
        let known = self.operations.get(&call.key).cloned();
        if let Some(known) = &known
            && (call.kind != Kind::Plain || !known.done)
        {
            // Refusals are remembered by all, effects by those that honour the key or have a fence.
            self.note(call, now, false);
            return answer_of(known);
        }
        let operation = match call.leg.direction {
            Direction::Action => self.act_forward(call, faults, rng),
            Direction::Compensation => self.act_back(call, faults, rng),
        };
        self.note(call, now, operation.done);
        let answer = answer_of(&operation);
        self.operations.insert(call.key.clone(), operation);
        answer
    }

    fn act_forward(&mut self, call: &Call, faults: &mut Faults, rng: &mut Rng) -> Operation {
        let undone = call.key.replace("/action", "/compensation");
        let fenced_off = call.kind == Kind::Fenced && self.operations.contains_key(&undone);
        if fenced_off || faults.strikes(Fault::Refused, rng) {
            return Operation {
                result: json!({"ok": false}),
                done: false,
            };
        }
        Operation {
            result: json!({"ok": true, "lot": rng.u32(..)}),
            done: true,
        }
    }

    fn act_back(&mut self, call: &Call, faults: &mut Faults, rng: &mut Rng) -> Operation {
        let done = call.key.replace("/compensation", "/action");
        // R3: what is undone is what that very call returned.
        let given = &call.body["undo"];
        match self.operations.get(&done) {
            Some(operation) if operation.done && *given != operation.result && !given.is_null() => {
                self.complaints
                    .push(format!("{}: asked to undo {given}", call.key));
            }
            Some(operation) if operation.done => {}
            _ if call.kind == Kind::Fenced => {}
            _ => self
                .complaints
                .push(format!("{}: nothing to undo", call.key)),
        }
        if faults.strikes(Fault::CompensationRefused, rng) {
            return Operation {
                result: json!({"ok": false}),
                done: false,
            };
        }
        Operation {
            result: json!({"ok": true}),
            done: true,
        }
    }

    /// Whether the operation with this key happened, and what it returned: the truth.
    pub(super) fn happened(&self, key: &str) -> Option<&Value> {
        self.operations
            .get(key)
            .filter(|operation| operation.done)
            .map(|done| &done.result)
    }

    /// Whether the operation with this key was refused.
    pub(super) fn refused(&self, key: &str) -> bool {
        self.operations
            .get(key)
            .is_some_and(|operation| !operation.done)
    }

    /// Forgets that a compensation was refused: whoever was in the way is gone.
    pub(super) fn relent(&mut self, key: &str) {
        if self
            .operations
            .get(key)
            .is_some_and(|operation| !operation.done)
        {
            self.operations.remove(key);
        }
    }

    fn note(&mut self, call: &Call, at: Timestamp, effect: bool) {
        self.ledger.push(Entry {
            key: call.key.clone(),
            saga: call.saga.clone(),
            leg: call.leg,
            attempt: call.number,
            at,
            effect,
        });
    }
}

fn plan_pending(now: Timestamp, soon: Timestamp, faults: &mut Faults, rng: &mut Rng) -> Plan {
    let later = if faults.strikes(Fault::CallbackEarly, rng) {
        now
    } else {
        soon + Span::from_millis(i64::from(rng.u32(1..30_000)))
    };
    let mut callbacks = Vec::new();
    if !faults.strikes(Fault::CallbackLost, rng) {
        callbacks.push(later);
        if faults.strikes(Fault::CallbackTwice, rng) {
            callbacks.push(later + Span::from_millis(i64::from(rng.u32(0..5_000))));
        }
    }
    Plan {
        act_at: Some(later),
        answer_at: soon,
        answer: Planned::Accepted,
        callbacks,
    }
}

fn answer_of(operation: &Operation) -> Response {
    // Refused by status or by content, as services do.
    let by_status = operation.result.to_string().len().is_multiple_of(2);
    let status = if operation.done || !by_status {
        200
    } else {
        409
    };
    response(status, &operation.result)
}

pub(super) fn respond(status: u16, body: &Value) -> Answer {
    Answer::Responded(response(status, body))
}

fn response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Bytes::from(body.to_string()),
    }
}
