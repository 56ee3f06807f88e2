//! Sagas as somebody might write them, for participants that keep what the policies declare.

use std::net::SocketAddr;

use fastrand::Rng;
use serde_json::{Value, json};

/// The time limit of every call: long enough for participants on a busy machine to keep theirs.
pub const LIMIT_MILLIS: u64 = 1_000;

/// The participants, and what each can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A repeated call takes effect twice; may be asked.
    Plain,
    /// A repeated call is answered from memory.
    HonoursKey,
    /// A compensation of what did not happen is taken, and what comes after it is refused.
    Fenced,
}

impl Kind {
    /// As in the path of a URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::HonoursKey => "keyed",
            Self::Fenced => "fenced",
        }
    }

    /// Whose path it is.
    pub fn of_path(path: &str) -> Option<Self> {
        [Self::Plain, Self::HonoursKey, Self::Fenced]
            .into_iter()
            .find(|kind| kind.path() == path)
    }
}

/// A random submission for this id.
pub fn random(id: &str, participant: SocketAddr, rng: &mut Rng) -> Value {
    let count = rng.usize(1..=4);
    let pivot = (rng.f64() < 0.15).then(|| rng.usize(0..count));
    let chain = rng.f64() < 0.7;
    let steps: Vec<Value> = (0..count)
        .map(|index| step(index, pivot == Some(index), chain, participant, rng))
        .collect();
    let mut document = json!({
        "id": id,
        "name": "killed",
        "input": {"amount": rng.u32(1..1_000), "items": [rng.u8(..), "x"]},
        "compensate": if rng.f64() < 0.7 { "reverse" } else { "parallel" },
        "steps": steps,
    });
    if rng.f64() < 0.08 {
        document["deadline"] = json!(format!("{}ms", rng.u32(50..5_000)));
    }
    document
}

/// One call that is asked about when in doubt, to a participant that would act on it twice.
pub fn one_call(id: &str, participant: SocketAddr) -> Value {
    let base = format!("http://{participant}/plain");
    json!({
        "id": id,
        "steps": [{
            "name": "s0",
            "action": {"url": format!("{base}/do/x"), "timeout": format!("{LIMIT_MILLIS}ms")},
            "check": {"url": format!("{base}/ask/x")},
            "retry": {"first_delay": "1ms"},
        }],
    })
}

fn step(index: usize, pivot: bool, chain: bool, participant: SocketAddr, rng: &mut Rng) -> Value {
    let (kind, policy) = match rng.u8(0..20) {
        0..8 => (Kind::Plain, "check"),
        8..15 => (Kind::HonoursKey, "retry"),
        15..18 => (Kind::Fenced, "check"),
        18 => (Kind::HonoursKey, "check"),
        _ => (Kind::Plain, "incident"),
    };
    let base = format!("http://{participant}/{}", kind.path());
    let timeout = format!("{LIMIT_MILLIS}ms");
    let mut step = json!({
        "name": format!("s{index}"),
        "action": {
            "url": format!("{base}/do/{}", "${ saga.id }"),
            "body": {"amount": "${ input.amount }", "key": "${ key }"},
            "timeout": timeout,
        },
        "on_unknown": policy,
        "retry": {"max_attempts": 60, "first_delay": "20ms", "max_delay": "300ms", "factor": 2.0},
        "pivot": pivot,
        "callback_timeout": "60s",
        "refused_when": "response.status == 200 && response.body.isSuccess == false",
    });
    if rng.f64() < 0.9 {
        let result = format!("${{ steps.s{index}.result }}");
        step["compensation"] = json!({
            "url": format!("{base}/undo/{}", "${ saga.id }"),
            "body": {"undo": result, "key": "${ key }"},
            "timeout": timeout,
        });
        step["compensate_unknown"] = json!(kind == Kind::Fenced && rng.bool());
    }
    if policy != "incident" {
        step["check"] = json!({
            "url": format!("{base}/ask/{}", "${ key }"),
            "timeout": "500ms",
        });
    }
    if !chain {
        let needs: Vec<String> = (0..index)
            .filter(|_| rng.f64() < 0.4)
            .map(|need| format!("s{need}"))
            .collect();
        step["needs"] = json!(needs);
    }
    step
}
