//! How a transaction can end, and the phases of its end.

use std::fmt;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Committed.
    Committed,
    /// Rolled back.
    RolledBack,
    /// Nobody can tell: the answer to the commit, or to the rollback, was lost.
    Unknown,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookPhase {
    /// Before the commit, within the transaction. An error rolls it back.
    BeforeCommit,
    /// Before the commit or the rollback. An error is logged.
    BeforeCompletion,
    /// After the commit. The transaction is over, its connection given back, and a new one may be
    /// begun. An error is returned to the caller, although everything is committed.
    AfterCommit,
    /// After the end, however it was. An error is logged.
    AfterCompletion,
}

impl fmt::Display for HookPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeCommit => "before-commit",
            Self::BeforeCompletion => "before-completion",
            Self::AfterCommit => "after-commit",
            Self::AfterCompletion => "after-completion",
        })
    }
}
