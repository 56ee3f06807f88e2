//! Sagas as somebody might write them: random submission documents, within what is declared.
//!
//! A step that repeats blindly (`retry`) calls a participant that honours the key, and one that is
//! compensated in doubt a participant with a fence: the policies are promises about participants,
//! and the participants here keep them.

use fastrand::Rng;
use serde_json::{Value, json};

/// The participants, and what each can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Kind {
    /// A repeated call takes effect twice; may be asked.
    Plain,
    /// A repeated call is answered from memory.
    HonoursKey,
    /// A compensation of what did not happen is taken, and what comes after it is refused.
    Fenced,
}

impl Kind {
    pub(super) const fn host(self) -> &'static str {
        match self {
            Self::Plain => "plain.sim",
            Self::HonoursKey => "keyed.sim",
            Self::Fenced => "fenced.sim",
        }
    }

    pub(super) fn of_host(host: &str) -> Self {
        [Self::Plain, Self::HonoursKey, Self::Fenced]
            .into_iter()
            .find(|kind| kind.host() == host)
            .unwrap_or(Self::Plain)
    }
}

/// A random submission for this id.
pub(super) fn random(id: &str, rng: &mut Rng) -> Value {
    let count = rng.usize(1..=5);
    let pivot = (rng.f64() < 0.2).then(|| rng.usize(0..count));
    let chain = rng.bool();
    let steps: Vec<Value> = (0..count)
        .map(|index| step(index, pivot == Some(index), chain, rng))
        .collect();
    let mut document = json!({
        "id": id,
        "name": "simulated",
        "input": {"amount": rng.u32(1..1_000), "items": [rng.u8(..), "x"]},
        "compensate": if rng.f64() < 0.7 { "reverse" } else { "parallel" },
        "steps": steps,
    });
    if rng.f64() < 0.2 {
        document["deadline"] = json!(format!("{}ms", rng.u32(200..20_000)));
    }
    document
}

fn step(index: usize, pivot: bool, chain: bool, rng: &mut Rng) -> Value {
    let has_compensation = rng.f64() < 0.85;
    let kind = match rng.u8(0..3) {
        0 => Kind::Plain,
        1 => Kind::HonoursKey,
        _ => Kind::Fenced,
    };
    let policies: &[&str] = match kind {
        Kind::HonoursKey => &["retry", "check", "incident"],
        Kind::Plain | Kind::Fenced => &["check", "incident"],
    };
    let policy = policies[rng.usize(0..policies.len())];
    let has_check = policy == "check" || rng.f64() < 0.3;
    let host = kind.host();
    let timeout = format!("{}ms", rng.u32(100..2_000));
    let mut step = json!({
        "name": format!("s{index}"),
        "action": {
            "url": format!("http://{host}/do/{}", "${ saga.id }"),
            "body": {"amount": "${ input.amount }", "key": "${ key }"},
            "timeout": timeout,
        },
        "on_unknown": policy,
        "retry": retry(rng),
        "pivot": pivot,
        "callback_timeout": "60s",
        "refused_when": "response.status == 200 && response.body.ok == false",
    });
    if has_compensation {
        let result = format!("${{ steps.s{index}.result }}");
        step["compensation"] = json!({
            "url": format!("http://{host}/undo/{}", "${ saga.id }"),
            "body": {"undo": result, "key": "${ key }"},
            "timeout": timeout,
        });
        step["compensate_unknown"] = json!(kind == Kind::Fenced && rng.bool());
    }
    if has_check {
        step["check"] = json!({
            "url": format!("http://{host}/ask/{}", "${ key }"),
            "timeout": "500ms",
        });
    }
    if policy == "retry" && rng.f64() < 0.2 {
        step["key_window"] = json!("30s");
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

fn retry(rng: &mut Rng) -> Value {
    let parks = rng.f64() < 0.15;
    let factor = [1.0, 1.5, 2.0][rng.usize(0..3)];
    json!({
        "max_attempts": rng.u32(1..8),
        "first_delay": format!("{}ms", if parks { rng.u32(1_500..20_000) } else { rng.u32(10..500) }),
        "max_delay": if parks { "1h" } else { "2s" },
        "factor": factor,
    })
}
