//! What goes wrong at participants: drawn from the seed, the call's key and its number alone, so
//! that the same call fares alike in every run of a seed.

use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;

/// Everything that can go wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// 409.
    Refused,
    /// 200, and a no in the body.
    RefusedInBody,
    /// 500 without having acted.
    ErrorBefore,
    /// 500 after having acted.
    ErrorAfter,
    /// No answer, and no act.
    HangsBefore,
    /// It acts, and there is no answer.
    HangsAfter,
    /// The connection is cut without an act.
    CutBefore,
    /// The connection is cut after the act.
    CutAfter,
    /// The connection is cut, and the act follows a little later.
    CutThenActs,
    /// 429.
    TooMany,
    /// 202, and a callback later.
    Pending,
    /// It takes its time.
    Slow,
    /// A question is answered by 500, or not at all.
    CheckFails,
    /// A compensation is refused.
    CompensationRefused,
}

/// All of them: each must have struck in a long run.
pub const FAULTS: [Fault; 14] = [
    Fault::Refused,
    Fault::RefusedInBody,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::HangsBefore,
    Fault::HangsAfter,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::CutThenActs,
    Fault::TooMany,
    Fault::Pending,
    Fault::Slow,
    Fault::CheckFails,
    Fault::CompensationRefused,
];

/// The draws of one call, always the same ones.
pub fn luck(seed: u64, key: &str, number: u32, is_check: bool) -> Rng {
    let mut hasher = DefaultHasher::new();
    (seed, key, number, is_check).hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

/// What goes wrong with a call, if anything.
pub fn draw(is_check: bool, is_compensation: bool, rng: &mut Rng) -> Option<Fault> {
    let roll = rng.u8(0..100);
    if is_check {
        return (roll < 15).then_some(Fault::CheckFails);
    }
    Some(match roll {
        0..4 if is_compensation => Fault::CompensationRefused,
        0..4 => Fault::Refused,
        4..7 if !is_compensation => Fault::RefusedInBody,
        7..11 => Fault::ErrorBefore,
        11..16 => Fault::ErrorAfter,
        16..18 => Fault::HangsBefore,
        18..20 => Fault::HangsAfter,
        20..24 => Fault::CutBefore,
        24..29 => Fault::CutAfter,
        29..34 => Fault::CutThenActs,
        34..38 => Fault::TooMany,
        38..42 => Fault::Pending,
        42..55 => Fault::Slow,
        _ => return None,
    })
}
