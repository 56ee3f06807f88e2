//! What a saga is made of, as somebody writes it down: the submission document, compiled.
//!
//! A [`Submission`] is parsed and checked here, its steps compiled once per distinct text into a
//! [`Definition`], requests rendered from its templates, and answers read by its rules. Nothing
//! here reads a clock, sends anything or decides what is done next: the same text and the same
//! values give the same result, on every machine and in every year.
//!
//! ```text
//!   text ── fields ── document ── graph ── names ──▶ Definition ──▶ canonical text, digest
//!          (members)  (shape)    (order)  (meaning)      │
//!                                                        ├─ request   template + Scope ──▶ Rendered
//!                                                        └─ answer    rules + Answer ──▶ Reading, Finding
//! ```
//!
//! # What a document may say beyond its contract
//!
//! * `null` stands for a member left out, except in `input`. In a compensation, which has the
//!   `retry`, `refused_when` and `done_when` of its step unless it has its own, a rule that is `null`
//!   is none.
//! * `callback_timeout` (`"24h"`) is how long a pending answer may take to be followed by the real
//!   one. Where only one of `first_delay` and `max_delay` is given the other makes way for it.
//! * Names of steps are 1 to 64 characters of `A-Za-z0-9_-`. One with a `-` is written
//!   `steps["a-b"].result` in expressions.
//! * The action and the check of a step may use the results of steps that are certainly done before
//!   it; a compensation those of any step, and `has(steps.a.result)` says whether there is one.
//! * `$${` is a literal `${`. Keys of objects and names of headers are never templates. An
//!   expression that a URL starts with is taken as it is, being the base of the address; anywhere
//!   else in it a value is percent-encoded, may not be empty in the path, and may not be `..`.
//! * Rules: see `answer`. `refused_when` comes first, then `done_when`, then the status; a 2xx is
//!   not taken for success against a rule that cannot be evaluated or a `done_when` that fails.
//!
//! # Bounds
//!
//! Documents and expressions come from outside. Nesting is bounded in both, expressions also in
//! length, in loops within loops, and in the work that they may do; a body is at most a mebibyte.

use std::fmt;
use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, Method, Uri};
pub(crate) use answer::retry_after;
use answer::{CheckRules, Rules};
use bytes::Bytes;
use compile::StepParts;
use request::CallTemplate;
use settled_protocol::{CompensateOrder, Direction, Json, LegId, Outcome, Plan, Span, StepIndex};

use crate::mask::Mask;
use crate::participant::Answer;

mod answer;
mod cache;
mod call;
mod canonical;
mod compile;
mod condition;
mod document;
mod expression;
pub(crate) mod fields;
mod function;
mod graph;
mod invalid;
mod names;
mod path;
mod program;
pub(crate) mod raw;
mod request;
mod schedule;
mod span;
mod template;
mod value;

#[cfg(test)]
#[path = "tests/random.rs"]
mod random;
#[cfg(test)]
#[path = "tests/refusals.rs"]
mod refusals;
#[cfg(test)]
#[path = "tests/support.rs"]
mod support;
#[cfg(test)]
#[path = "tests/whole.rs"]
mod tests;

pub use cache::Definitions;
pub use invalid::{Invalid, Unmakeable};
pub(crate) use schedule::ScheduleFields;

/// A document that asks for a saga, checked and compiled.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The id that the caller chose; without one the caller gets a new one.
    pub id: Option<String>,
    /// The kind of saga, for search and metrics.
    pub name: String,
    /// What the caller hands to the steps.
    pub input: Json,
    /// Not settled in this time, and before the pivot: compensate.
    pub deadline: Option<Span>,
    /// Who submits it, where that is known. It makes no other saga of it (R8).
    pub by: Option<String>,
    /// What is to be done.
    pub definition: Arc<Definition>,
}

/// A saga's steps, compiled: the plan for the core, templates for the requests and rules for the
/// answers.
pub struct Definition {
    plan: Arc<Plan>,
    document: Json,
    digest: [u8; 32],
    parts: Vec<StepParts>,
    function: Option<Arc<str>>,
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Definition").field(&self.document).finish()
    }
}

/// The values that templates may speak of.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `saga.id`.
    pub saga_id: &'a str,
    /// `key`: the idempotency key of the leg that is called, or asked about.
    pub key: &'a str,
    /// `input`.
    pub input: &'a Json,
    /// `steps.NAME.result`: what a step returned, where it is done.
    pub results: &'a dyn Fn(StepIndex) -> Option<&'a Json>,
}

/// A request made from its template. What every request carries besides (the idempotency key, the
/// trace) is not the definition's to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The HTTP method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: Uri,
    /// The step's own headers, and `content-type` where there is a body.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body as it is sent.
    pub body: Option<Bytes>,
    /// The body as it is recorded.
    pub body_json: Option<Json>,
    /// The time limit of the whole exchange.
    pub timeout: Span,
}

/// What the answer to an action or a compensation means.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is known now.
    pub outcome: Outcome,
    /// Why, in words; none where the call is done.
    pub message: Option<String>,
    /// How long the participant asks to be left alone.
    pub retry_after: Option<Span>,
    /// The body as JSON: `null` where it is empty, a string where it is not JSON.
    pub result: Json,
}

/// What the answer to a check means.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The operation happened, and this is what the participant says it returned.
    Happened(Json),
    /// It did not happen.
    DidNotHappen,
    /// The answer does not tell, and why not.
    Inconclusive(String),
}

impl Definition {
    /// The definition of sagas whose steps a Rust function adds as it runs; `function` is the name
    /// that it is registered by.
    pub fn of_function(function: &str, compensate: CompensateOrder, forward: bool) -> Self {
        function::definition(function, compensate, forward)
    }

    /// The name of the function that adds the steps, where one does.
    pub fn function(&self) -> Option<&Arc<str>> {
        self.function.as_ref()
    }

    /// What the core needs to know.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The definition as canonical JSON, every default written out: equal meaning gives equal text,
    /// and [`Definitions::compile`] reads it back.
    pub fn document(&self) -> &Json {
        &self.document
    }

    /// SHA-256 of the document.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Makes the request of a leg; `edited_body` is sent instead of the template's body where a
    /// person edited it. Marks in it ([`crate::mask::MARK`]) give way to what the template has there.
    pub fn request(
        &self,
        leg: LegId,
        scope: &Scope<'_>,
        edited_body: Option<&Json>,
    ) -> Result<Rendered, Unmakeable> {
        match self.call(leg) {
            Some((template, _)) => template.render(scope, edited_body),
            None => Err(Unmakeable::new(
                format!("steps[{}]", leg.step),
                "there is no such call",
            )),
        }
    }

    /// Makes the request that asks whether a leg happened; `scope.key` is the key of that leg.
    pub fn check_request(&self, leg: LegId, scope: &Scope<'_>) -> Result<Rendered, Unmakeable> {
        match self.check(leg) {
            Some((template, _)) => template.render(scope, None),
            None => Err(Unmakeable::new(
                format!("steps[{}]", leg.step),
                "there is no check",
            )),
        }
    }

    /// Says what the answer to a leg's request means. The rules see the whole answer; the message
    /// quotes it as `mask` leaves it.
    pub fn read_answer(&self, leg: LegId, answer: &Answer, mask: &Mask) -> Reading {
        match self.call(leg) {
            Some((_, rules)) => rules.read(answer, mask),
            None => Reading {
                outcome: Outcome::Unknown,
                message: Some("there is no such call".to_owned()),
                retry_after: None,
                result: Json::null(),
            },
        }
    }

    /// Says what the answer to a check means.
    pub fn read_finding(&self, leg: LegId, answer: &Answer) -> Finding {
        match self.check(leg) {
            Some((_, rules)) => rules.read(answer),
            None => Finding::Inconclusive("there is no check".to_owned()),
        }
    }

    fn call(&self, leg: LegId) -> Option<&(CallTemplate, Rules)> {
        let parts = self.parts.get(usize::from(leg.step))?;
        match leg.direction {
            Direction::Action => Some(&parts.action),
            Direction::Compensation => parts.compensation.as_ref(),
        }
    }

    fn check(&self, leg: LegId) -> Option<&(CallTemplate, CheckRules)> {
        self.parts.get(usize::from(leg.step))?.check.as_ref()
    }
}
