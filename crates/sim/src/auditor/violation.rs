//! What the auditor finds: which promise was broken, where, and how.
//!
//! Only the words; finding is done elsewhere.

use std::fmt;

/// The numbered invariants that all layers of the rig share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// An acknowledged submission is never lost.
    I1,
    /// No call is sent before its intent is durable.
    I2,
    /// At most one effect per key where keys are honoured, at most one send per intent elsewhere.
    I3,
    /// An outcome is written once; what contradicts it later is evidence and an incident.
    I4,
    /// Compensation only for what took effect or may have; never both without a record why.
    I5,
    /// A settled saga stays as it is, and its row says what its records say.
    I7,
    /// Unknown never becomes an outcome by time alone.
    I8,
    /// Writes under an expired fence change nothing.
    I9,
    /// After healing everything is settled or before a person.
    I10,
    /// Every incident has a reason and evidence, every decision a who and a why.
    I11,
    /// A saga's sequence has no holes.
    I13,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// Which rule of the design it serves.
    pub rule: &'static str,
    /// In which saga.
    pub saga: String,
    /// At which record, where it is one.
    pub seq: Option<u32>,
    /// How.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(
        invariant: Invariant,
        rule: &'static str,
        saga: &str,
        seq: Option<u32>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            invariant,
            rule,
            saga: saga.to_owned(),
            seq,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{} saga {}", self.invariant, self.rule, self.saga)?;
        if let Some(seq) = self.seq {
            write!(f, " at {seq}")?;
        }
        write!(f, ": {}", self.what)
    }
}
