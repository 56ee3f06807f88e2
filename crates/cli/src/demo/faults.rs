//! How the demo's services misbehave.
//!
//! What happens to a call is a pure function of the seed, the call's key and how often it was
//! called, so a run can be repeated. No fault makes a service act late, and none lasts: the sixth
//! call with one key always gets through, so whatever stays unsettled is the coordinator's doing.

use clap::ValueEnum;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Nothing: services still refuse what they do not have.
    None,
    /// About one call in ten.
    Some,
    /// About one call in three.
    Many,
}

impl Level {
    /// The word on the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Some => "some",
            Self::Many => "many",
        }
    }

    /// The share of first calls that meet a fault.
    const fn share(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Some => 0.10,
            Self::Many => 0.35,
        }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Takes something.
    Action,
    /// Gives it back.
    Compensation,
    /// Asks whether an operation happened.
    Check,
}

impl Purpose {
    /// The word in the books.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensation => "compensation",
            Self::Check => "check",
        }
    }
}

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// 500, and nothing happened.
    ErrorBefore,
    /// 500, and it happened.
    ErrorAfter,
    /// No answer ever, and nothing happened.
    SilenceBefore,
    /// No answer ever, and it happened.
    SilenceAfter,
    /// The connection is cut, and nothing happened.
    CutBefore,
    /// The connection is cut, and it happened.
    CutAfter,
    /// It happened; the answer breaks off after the status and half of the body.
    Torn,
    /// 429 with `Retry-After`, and nothing happened.
    Busy,
    /// It happened at once, and the answer comes late but in time.
    Slow,
}

const OPERATION_FAULTS: [Fault; 9] = [
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::SilenceBefore,
    Fault::SilenceAfter,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Torn,
    Fault::Busy,
    Fault::Slow,
];

/// A check changes nothing, so there is no before and after.
const CHECK_FAULTS: [Fault; 4] = [
    Fault::ErrorBefore,
    Fault::SilenceBefore,
    Fault::CutBefore,
    Fault::Slow,
];

/// What is left of a level's share at the first, second, … call with the same key; nothing after.
const FADING: [f64; 5] = [1.0, 0.8, 0.6, 0.4, 0.2];

impl Fault {
    /// Whether the call takes effect in spite of the fault.
    pub(super) const fn acts(self) -> bool {
        match self {
            Self::ErrorAfter | Self::SilenceAfter | Self::CutAfter | Self::Torn | Self::Slow => {
                true
            }
            Self::ErrorBefore | Self::SilenceBefore | Self::CutBefore | Self::Busy => false,
        }
    }

    /// The name under which it is counted.
    pub(super) const fn name(self, purpose: Purpose) -> &'static str {
        match (self, purpose) {
            (Self::ErrorBefore | Self::ErrorAfter, Purpose::Check) => "check_500",
            (Self::SilenceBefore | Self::SilenceAfter, Purpose::Check) => "check_silence",
            (Self::CutBefore | Self::CutAfter | Self::Torn, Purpose::Check) => "check_cut",
            (Self::Busy, Purpose::Check) => "check_429",
            (Self::Slow, Purpose::Check) => "check_slow",
            (Self::ErrorBefore, _) => "500_before",
            (Self::ErrorAfter, _) => "500_after",
            (Self::SilenceBefore, _) => "silence_before",
            (Self::SilenceAfter, _) => "silence_after",
            (Self::CutBefore, _) => "cut_before",
            (Self::CutAfter, _) => "cut_after",
            (Self::Torn, _) => "torn_answer",
            (Self::Busy, _) => "429",
            (Self::Slow, _) => "slow",
        }
    }
}

/// Decides the fate of calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    seed: u64,
    level: Level,
}

/// What a call meets, and a number for whatever is left to chance in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// What goes wrong, if anything.
    pub(super) fault: Option<Fault>,
    /// Uniform over all of `u32`.
    pub(super) random: u32,
}

impl Faults {
    /// The faults of one seed.
    pub(super) const fn new(seed: u64, level: Level) -> Self {
        Self { seed, level }
    }

    /// The fate of the `number`-th call (1, 2, …) with this key.
    pub(super) fn fate(self, purpose: Purpose, key: &str, number: u32) -> Fate {
        let mut random = fastrand::Rng::with_seed(self.mix(purpose, key, number));
        let fading = usize::try_from(number.saturating_sub(1))
            .ok()
            .and_then(|n| FADING.get(n));
        let share = self.level.share() * fading.copied().unwrap_or(0.0);
        let fault = (random.f64() < share).then(|| match purpose {
            Purpose::Check => CHECK_FAULTS[random.usize(..CHECK_FAULTS.len())],
            Purpose::Action | Purpose::Compensation => {
                OPERATION_FAULTS[random.usize(..OPERATION_FAULTS.len())]
            }
        });
        Fate {
            fault,
            random: random.u32(..),
        }
    }

    /// FNV-1a over everything that the fate depends on: the same on every machine and in every
    /// version, which the standard library's hasher does not promise.
    fn mix(self, purpose: Purpose, key: &str, number: u32) -> u64 {
        let seed = self.seed.to_le_bytes();
        let number = number.to_le_bytes();
        [
            &seed[..],
            purpose.as_str().as_bytes(),
            key.as_bytes(),
            &number[..],
        ]
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn fates(level: Level, purpose: Purpose, number: u32) -> Vec<Option<Fault>> {
        let faults = Faults::new(7, level);
        (0..10_000)
            .map(|n| {
                faults
                    .fate(purpose, &format!("order-{n}/stock/action"), number)
                    .fault
            })
            .collect()
    }

    fn share(fates: &[Option<Fault>]) -> f64 {
        fates.iter().flatten().count() as f64 / fates.len() as f64
    }

    #[test]
    fn levels_hit_their_share_of_calls() {
        assert!(share(&fates(Level::None, Purpose::Action, 1)).abs() < f64::EPSILON);
        assert!((share(&fates(Level::Some, Purpose::Action, 1)) - 0.10).abs() < 0.02);
        assert!((share(&fates(Level::Many, Purpose::Compensation, 1)) - 0.35).abs() < 0.03);
    }

    #[test]
    fn the_sixth_call_with_a_key_always_gets_through() {
        for purpose in [Purpose::Action, Purpose::Compensation, Purpose::Check] {
            assert!(share(&fates(Level::Many, purpose, 5)) > 0.0);
            assert!(share(&fates(Level::Many, purpose, 6)).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn every_fault_occurs() {
        let seen: HashSet<_> = fates(Level::Many, Purpose::Action, 1)
            .into_iter()
            .flatten()
            .map(|fault| fault.name(Purpose::Action))
            .collect();
        assert_eq!(seen.len(), OPERATION_FAULTS.len());
    }

    #[test]
    fn the_same_call_meets_the_same_fate_and_another_seed_another() {
        let fate = |seed, n| Faults::new(seed, Level::Many).fate(Purpose::Action, "a/b/action", n);
        assert_eq!(fate(1, 1), fate(1, 1));
        assert_ne!(fate(1, 1).random, fate(2, 1).random);
        assert_ne!(fate(1, 1).random, fate(1, 2).random);
    }
}
