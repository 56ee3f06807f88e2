//! The participants' own books: append-only, and the only word on what really happened.

use std::collections::{BTreeMap, HashMap, HashSet};

use fastrand::Rng;
use serde_json::{Value, json};
use settled::protocol::{Direction, LegId, Timestamp};

use super::document::Kind;
use super::faults::Fault;

/// A request, taken apart.
#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub key: String,
    pub saga: String,
    pub leg: LegId,
    pub number: u32,
    pub is_check: bool,
    pub body: Value,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub call: Call,
    pub at: Timestamp,
}

/// A call that was executed, or answered from memory.
#[derive(Clone, Debug)]
pub struct Line {
    pub call: Call,
    pub at: Timestamp,
    pub effect: bool,
}

/// What became of an operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub result: Value,
    pub done: bool,
}

/// Everything that participants know.
#[derive(Debug, Default)]
pub struct Books {
    operations: HashMap<String, Operation>,
    accepted: HashSet<String>,
    pub arrivals: Vec<Arrival>,
    pub ledger: Vec<Line>,
    pub fired: BTreeMap<Fault, u64>,
    /// What was wrong with a request, by the participant's own judgment.
    pub complaints: Vec<String>,
}

impl Books {
    /// The answer to a question: the truth at this moment.
    pub fn answer_check(&self, call: &Call) -> (u16, Value) {
        match self.operations.get(&call.key) {
            Some(operation) if operation.done => (200, operation.result.clone()),
            // What was accepted may still happen, so nobody says that it did not.
            None if self.accepted.contains(&call.key) => (202, json!({})),
            _ => (404, json!({})),
        }
    }

    /// Takes a call that will be executed later.
    pub fn accept(&mut self, call: &Call) {
        self.accepted.insert(call.key.clone());
    }

    /// Executes a call.
    pub fn act(&mut self, call: &Call, at: Timestamp, no: bool, rng: &mut Rng) -> Operation {
        let known = self.operations.get(&call.key).cloned();
        if let Some(known) = known
            && (call.kind != Kind::Plain || !known.done)
        {
            // Refusals are remembered by all, effects by those that honour the key.
            self.note(call, at, false);
            return known;
        }
        let operation = match call.leg.direction {
            Direction::Action => self.act_forward(call, no, rng),
            Direction::Compensation => self.act_back(call, no),
        };
        self.note(call, at, operation.done);
        self.operations.insert(call.key.clone(), operation.clone());
        operation
    }

    fn act_forward(&self, call: &Call, no: bool, rng: &mut Rng) -> Operation {
        let undone = counterpart(&call.key, "action", "compensation");
        let fenced_off = call.kind == Kind::Fenced && self.operations.contains_key(&undone);
        if fenced_off || no {
            return refusal();
        }
        Operation {
            result: json!({"isSuccess": true, "lot": rng.u32(..)}),
            done: true,
        }
    }

    fn act_back(&mut self, call: &Call, no: bool) -> Operation {
        // R3: what is undone is what that very call returned.
        let given = &call.body["undo"];
        match self
            .operations
            .get(&counterpart(&call.key, "compensation", "action"))
        {
            Some(done) if done.done && *given != done.result && !given.is_null() => {
                let complaint = format!("{}: asked to undo {given}", call.key);
                self.complaints.push(complaint);
            }
            Some(done) if done.done => {}
            _ if call.kind == Kind::Fenced => {}
            _ => self
                .complaints
                .push(format!("{}: nothing to undo", call.key)),
        }
        if no {
            return refusal();
        }
        Operation {
            result: json!({"isSuccess": true}),
            done: true,
        }
    }

    /// What an operation returned, if it took effect: the truth.
    pub fn happened(&self, key: &str) -> Option<&Value> {
        self.operations
            .get(key)
            .filter(|operation| operation.done)
            .map(|done| &done.result)
    }

    /// Forgets that a call was refused: whatever was in the way is gone.
    pub fn relent(&mut self, key: &str) {
        if self.operations.get(key).is_some_and(|known| !known.done) {
            self.operations.remove(key);
        }
    }

    fn note(&mut self, call: &Call, at: Timestamp, effect: bool) {
        self.ledger.push(Line {
            call: call.clone(),
            at,
            effect,
        });
    }
}

fn refusal() -> Operation {
    Operation {
        result: json!({"isSuccess": false}),
        done: false,
    }
}

fn counterpart(key: &str, this: &str, other: &str) -> String {
    let base = key.strip_suffix(this).unwrap_or(key);
    format!("{base}{other}")
}
