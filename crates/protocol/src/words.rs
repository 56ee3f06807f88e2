//! The words of the field as types: the same ones in code, tables, API and command line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::StepIndex;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every word of this kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written in tables, API and command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the word back; `None` for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Which way a call goes.
    Direction {
        /// Forward.
        Action = "action",
        /// Undoing the action.
        Compensation = "compensation",
    }
}

words! {
    /// What is known of one attempt.
    Outcome {
        /// It took effect.
        Done = "done",
        /// A definite business no.
        Refused = "refused",
        /// Certainly never executed.
        NotSent = "not_sent",
        /// Nobody here knows.
        Unknown = "unknown",
        /// Accepted; the participant answers later.
        Pending = "pending",
    }
}

words! {
    /// What became of a saga so far.
    SagaState {
        /// Going forward.
        Running = "running",
        /// Being undone.
        Compensating = "compensating",
        /// Settled: everything was done.
        Completed = "completed",
        /// Settled: everything that was done is undone.
        Compensated = "compensated",
        /// An open incident is all that remains to do.
        Stuck = "stuck",
    }
}

impl SagaState {
    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }
}

words! {
    /// What became of a step so far.
    StepState {
        /// Its needs are not done yet.
        Waiting = "waiting",
        /// Being called.
        Running = "running",
        /// It took effect.
        Done = "done",
        /// The participant said no.
        Refused = "refused",
        /// Whether it took effect is not known.
        Unknown = "unknown",
        /// Accepted; the answer comes later.
        Pending = "pending",
        /// It certainly never executed.
        NotSent = "not_sent",
        /// Being undone.
        Compensating = "compensating",
        /// Undone.
        Compensated = "compensated",
        /// Undoing it needs a person.
        CompensationFailed = "compensation_failed",
        /// Never started, and never will be.
        Skipped = "skipped",
        /// Accepted by a person as it is.
        Abandoned = "abandoned",
    }
}

words! {
    /// Why a person is needed.
    IncidentKind {
        /// Nobody knows whether the call took effect, and it may be neither asked nor repeated.
        UnknownOutcome = "unknown_outcome",
        /// The participant refused what must be done: a compensation, or a step after the pivot.
        Refused = "refused",
        /// The call never got through within its policy.
        NotSent = "not_sent",
        /// The request could not be made from its template.
        Unmakeable = "unmakeable",
        /// A later answer contradicts what was settled.
        Contradiction = "contradiction",
        /// The code that is there now does not fit what is on record.
        Mismatch = "mismatch",
    }
}

words! {
    /// What a person decides about an incident.
    Decision {
        /// Call again.
        Retry = "retry",
        /// It happened.
        Done = "done",
        /// It did not happen.
        NotDone = "not_done",
        /// Accept it as it is.
        Abandon = "abandon",
    }
}

/// One direction of one step: what attempts, checks and incidents are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId {
    /// The step.
    pub step: StepIndex,
    /// Its direction.
    pub direction: Direction,
}

impl LegId {
    /// The function of a saga that is one.
    pub const FUNCTION: Self = Self::action(0);

    /// The forward leg of a step.
    #[must_use]
    pub const fn action(step: StepIndex) -> Self {
        Self {
            step,
            direction: Direction::Action,
        }
    }

    /// The undoing leg of a step.
    #[must_use]
    pub const fn compensation(step: StepIndex) -> Self {
        Self {
            step,
            direction: Direction::Compensation,
        }
    }
}

/// The idempotency key of a leg: the same in every attempt.
#[must_use]
pub fn idempotency_key(saga: &str, step: &str, direction: Direction) -> String {
    format!("{saga}/{step}/{direction}")
}
