//! What may go wrong in one run, and a count of what did.
//!
//! Swarm testing: each seed turns each class of fault on or off and picks its rate, so that runs
//! differ in kind and not only in luck.

use std::collections::BTreeMap;

use fastrand::Rng;

/// A class of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The coordinator dies, and what it holds in memory with it.
    Crash,
    /// The store says that a commit failed, and it did not happen.
    CommitLost,
    /// The store says that a commit failed, and it happened all the same.
    CommitLied,
    /// The store has no room.
    DiskFull,
    /// The store cannot be opened again for a while.
    ReopenFailed,
    /// The store is slow.
    SlowCommit,
    /// A read from the store fails.
    ReadFailed,
    /// A read is answered late, with what was true when it was asked.
    LateRead,
    /// Refused by the connection: certainly not sent.
    NotSent,
    /// 429 with `Retry-After`: not executed.
    TooMany,
    /// 500 without having acted.
    ErrorBefore,
    /// 500 after having acted.
    ErrorAfter,
    /// Acts and never answers.
    SilentAfter,
    /// Neither acts nor answers.
    SilentBefore,
    /// The connection breaks, and the request is executed later, within its time limit.
    ActsLate,
    /// The answer comes close to the time limit.
    SlowAnswer,
    /// 202, and a callback later.
    Pending,
    /// The callback never comes.
    CallbackLost,
    /// The callback comes twice.
    CallbackTwice,
    /// The callback comes before the answer to its own request.
    CallbackEarly,
    /// A check is not answered, or with 500.
    CheckFailed,
    /// A business refusal of an action.
    Refused,
    /// A refusal of a compensation.
    CompensationRefused,
    /// The same submission twice at once.
    SubmittedTwice,
    /// The same id with other content.
    OtherContent,
    /// Somebody cancels.
    Cancelled,
    /// Two people decide the same incident.
    DecidedTwice,
    /// The coordinator dies between two polls of a function.
    CrashInFunction,
    /// The coordinator dies in the middle of a closure's call.
    CrashInCall,
    /// A function takes longer to go on than its saga's events wait for it.
    SlowFunction,
    /// A closure panics after its call was answered.
    ClosurePanics,
}

impl Fault {
    /// Every class.
    pub const ALL: [Self; 31] = [
        Self::Crash,
        Self::CommitLost,
        Self::CommitLied,
        Self::DiskFull,
        Self::ReopenFailed,
        Self::SlowCommit,
        Self::ReadFailed,
        Self::LateRead,
        Self::NotSent,
        Self::TooMany,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::SilentAfter,
        Self::SilentBefore,
        Self::ActsLate,
        Self::SlowAnswer,
        Self::Pending,
        Self::CallbackLost,
        Self::CallbackTwice,
        Self::CallbackEarly,
        Self::CheckFailed,
        Self::Refused,
        Self::CompensationRefused,
        Self::SubmittedTwice,
        Self::OtherContent,
        Self::Cancelled,
        Self::DecidedTwice,
        Self::CrashInFunction,
        Self::CrashInCall,
        Self::SlowFunction,
        Self::ClosurePanics,
    ];

    /// Those that were there before functions were.
    const OF_DOCUMENTS: usize = 27;

    /// How often it fires at most, in one of so many chances.
    const fn worst_rate(self) -> f64 {
        match self {
            Self::Crash | Self::CrashInFunction | Self::CrashInCall => 0.01,
            Self::CommitLost
            | Self::CommitLied
            | Self::DiskFull
            | Self::ReadFailed
            | Self::ClosurePanics => 0.05,
            Self::ReopenFailed => 0.3,
            Self::SlowCommit
            | Self::LateRead
            | Self::CompensationRefused
            | Self::Cancelled
            | Self::OtherContent => 0.1,
            Self::Pending | Self::Refused | Self::SubmittedTwice => 0.2,
            Self::CallbackLost | Self::CallbackTwice | Self::CallbackEarly => 0.5,
            Self::DecidedTwice | Self::CheckFailed => 0.6,
            _ => 0.15,
        }
    }
}

/// How often each class fired.
pub type Fired = BTreeMap<Fault, u64>;

/// The faults of one run.
#[derive(Debug)]
pub(super) struct Faults {
    rates: BTreeMap<Fault, f64>,
    pub(super) fired: Fired,
    healed: bool,
}

impl Faults {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut rates = BTreeMap::new();
        let (old, new) = Fault::ALL.split_at(Fault::OF_DOCUMENTS);
        // What is new is drawn apart, so that seeds in the bank stay what they were.
        let mut apart = rng.clone();
        for fault in new {
            if apart.bool() {
                rates.insert(*fault, fault.worst_rate() * apart.f64());
            }
        }
        for fault in old.iter().copied() {
            let on = rng.f64() < 0.5;
            let rate = fault.worst_rate() * rng.f64();
            if on {
                rates.insert(fault, rate);
            }
        }
        Self {
            rates,
            fired: Fired::new(),
            healed: false,
        }
    }

    /// Whether the fault strikes this time.
    pub(super) fn strikes(&mut self, fault: Fault, rng: &mut Rng) -> bool {
        let draw = rng.f64();
        // People are people also when everything else is well.
        let possible = !self.healed || fault == Fault::DecidedTwice;
        let strikes = possible && self.rates.get(&fault).is_some_and(|rate| draw < *rate);
        if strikes {
            *self.fired.entry(fault).or_default() += 1;
        }
        strikes
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        self.healed = true;
    }

    pub(super) fn is_healed(&self) -> bool {
        self.healed
    }
}
