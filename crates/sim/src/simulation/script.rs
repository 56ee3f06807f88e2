//! Sagas as functions of random shape: the shape is the saga's input, so that each run of the
//! function finds the same one.

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::document::Kind;

/// What a function is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Script {
    pub(super) amount: u32,
    pub(super) parts: Vec<Part>,
}

/// A piece of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Part {
    /// A step; its failure is the function's.
    Step(StepSpec),
    /// A step whose failure is handled, perhaps by another one.
    Handled(StepSpec, Option<StepSpec>),
    /// Side by side, all of them awaited.
    Together(Vec<Vec<Part>>),
    /// Side by side; what ends first decides, and the other is dropped.
    First(StepSpec, StepSpec),
    /// A step for each turn.
    Loop(u32, StepSpec),
    /// Another saga, within this one or apart from it.
    Call {
        how: How,
        part: String,
        script: Script,
        handled: bool,
    },
    /// It waits for something outside of its steps.
    Pause(u32),
    /// It gives up.
    Fail,
    /// It panics.
    Panic,
}

/// How a part relates to the whole.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum How {
    Required,
    Nested,
    RequiresNew,
}

/// A step, and all that is declared of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a declaration of its own"
)]
pub(super) struct StepSpec {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) policy: String,
    pub(super) has_check: bool,
    pub(super) has_compensation: bool,
    pub(super) has_compensation_check: bool,
    pub(super) compensate_unknown: bool,
    pub(super) pivot: bool,
    pub(super) timeout: u32,
    pub(super) max_attempts: u32,
    pub(super) first_delay: u32,
    pub(super) max_delay: u32,
    pub(super) key_window: Option<u32>,
}

/// The names under which functions are registered.
pub(super) const FUNCTIONS: [&str; 3] = ["scripted", "parallel", "forward"];

/// The names under which operations are registered.
pub(super) const OPERATIONS: [&str; 3] = ["asked", "blind", "stubborn"];

/// A random submission of a function or an operation for this id.
pub(super) fn random(id: &str, rng: &mut Rng) -> Value {
    let amount = rng.u32(1..1_000);
    let (function, input) = if rng.f64() < 0.2 {
        let name = OPERATIONS[rng.usize(0..OPERATIONS.len())];
        (name, json!({"amount": amount}))
    } else {
        let name = FUNCTIONS[[0, 0, 0, 0, 0, 1, 2][rng.usize(0..7)]];
        let mut author = Author { rng, steps: 0 };
        let mut script = author.script(0, amount);
        if author.rng.f64() < 0.25 && name != "forward" {
            let place = author.rng.usize(0..=script.parts.len());
            let mut pivot = author.step();
            pivot.pivot = true;
            pivot.compensate_unknown = false;
            let part = if author.rng.f64() < 0.3 {
                let beside = author.step();
                Part::Together(vec![vec![Part::Step(pivot)], vec![Part::Step(beside)]])
            } else {
                Part::Step(pivot)
            };
            script.parts.insert(place, part);
        }
        (name, serde_json::to_value(script).unwrap_or_default())
    };
    let mut document = json!({"id": id, "function": function, "input": input});
    if rng.f64() < 0.2 {
        document["deadline"] = json!(format!("{}ms", rng.u32(200..20_000)));
    }
    document
}

/// Makes functions up.
struct Author<'a> {
    rng: &'a mut Rng,
    steps: u32,
}

impl Author<'_> {
    fn script(&mut self, depth: u32, amount: u32) -> Script {
        let count = self.rng.usize(1..=[5, 3, 2][depth.min(2) as usize]);
        let parts = (0..count).map(|_| self.part(depth)).collect();
        Script { amount, parts }
    }

    fn part(&mut self, depth: u32) -> Part {
        match self.rng.u8(0..100) {
            0..10 => {
                let step = self.step();
                let instead = self.rng.bool().then(|| self.step());
                Part::Handled(step, instead)
            }
            10..22 if depth < 2 => {
                let lanes = self.rng.usize(2..=3);
                let lane = |author: &mut Self| {
                    let count = author.rng.usize(1..=2);
                    (0..count).map(|_| author.part(depth + 1)).collect()
                };
                Part::Together((0..lanes).map(|_| lane(self)).collect())
            }
            22..27 => Part::First(self.step(), self.step()),
            27..32 => Part::Loop(self.rng.u32(1..4), self.step()),
            32..45 if depth < 2 => {
                self.steps += 1;
                let how = [How::Required, How::Nested, How::Nested, How::RequiresNew];
                Part::Call {
                    how: how[self.rng.usize(0..how.len())],
                    part: format!("p{}", self.steps),
                    script: self.script(depth + 1, 1),
                    handled: self.rng.bool(),
                }
            }
            45..50 => Part::Pause(self.rng.u32(1..3_000)),
            50..52 => Part::Fail,
            52 => Part::Panic,
            _ => Part::Step(self.step()),
        }
    }

    fn step(&mut self) -> StepSpec {
        self.steps += 1;
        let rng = &mut *self.rng;
        let kind = match rng.u8(0..3) {
            0 => Kind::Plain,
            1 => Kind::HonoursKey,
            _ => Kind::Fenced,
        };
        // The policy is a promise about the participant; a fence is one that honours keys.
        let policies: &[&str] = match kind {
            Kind::HonoursKey => &["retry", "check", "incident"],
            Kind::Plain | Kind::Fenced => &["check", "incident"],
        };
        let policy = policies[rng.usize(0..policies.len())];
        let has_compensation = rng.f64() < 0.85;
        let parks = rng.f64() < 0.1;
        StepSpec {
            name: format!("s{}", self.steps),
            kind,
            policy: policy.to_owned(),
            has_check: policy == "check" || rng.f64() < 0.3,
            has_compensation,
            // Without one an unknown outcome is repeated.
            has_compensation_check: kind == Kind::Plain || rng.bool(),
            compensate_unknown: has_compensation && kind == Kind::Fenced && rng.bool(),
            pivot: false,
            timeout: rng.u32(100..2_000),
            max_attempts: rng.u32(1..8),
            first_delay: if parks {
                rng.u32(1_500..20_000)
            } else {
                rng.u32(10..500)
            },
            max_delay: if parks { 3_600_000 } else { 2_000 },
            key_window: (policy == "retry" && rng.f64() < 0.2).then_some(30_000),
        }
    }
}
