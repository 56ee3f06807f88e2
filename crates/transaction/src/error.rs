//! What can go wrong with a transaction, each with what to do about it.

use std::time::Duration;

use crate::definition::Isolation;
use crate::mark::Mark;
use crate::outcome::{HookPhase, Outcome};

/// The source of an error: the driver's, or a hook's.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a scope, or a statement within one, did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// MANDATORY, and there is no transaction.
    #[error(
        "there is no transaction here, and MANDATORY asks for one: call this within a scope, or use \
         REQUIRED; a spawned task inherits none"
    )]
    NoTransaction,
    /// NEVER, and there is a transaction.
    #[error(
        "there is a transaction here, and NEVER asks for none: call this outside of it, or use \
         NOT_SUPPORTED"
    )]
    InTransaction,
    /// NESTED, where savepoints are not allowed or not known to the database.
    #[error(
        "savepoints are switched off (`Settings::nested`) or not known to this database: use REQUIRED, \
         or REQUIRES_NEW where the part is to last by itself"
    )]
    NestedNotSupported,
    /// `REQUIRES_NEW` or `NOT_SUPPORTED`, where no transaction can be set aside.
    #[error(
        "a transaction cannot be set aside here (`Settings::suspension`): call this outside of it, or \
         use REQUIRED"
    )]
    SuspensionNotSupported,
    /// A time limit of zero.
    #[error("timeout: it must be longer than zero; leave it out for none")]
    InvalidTimeout,
    /// An isolation that the database does not have.
    #[error("isolation: {database} has no {}; {remedy}", asked.as_sql())]
    InvalidIsolation {
        /// What was asked for.
        asked: Isolation,
        /// The database.
        database: &'static str,
        /// What to ask for instead.
        remedy: &'static str,
    },
    /// What joins asks for another isolation than the transaction has.
    #[error(
        "isolation: {} is asked for within a transaction that began {}: only the outermost scope's \
         counts, so ask for it there, or use REQUIRES_NEW (`Settings::validate_existing`)",
        asked.as_sql(), said(*around)
    )]
    IncompatibleIsolation {
        /// What was asked for.
        asked: Isolation,
        /// What the transaction was begun with; none for the database's own.
        around: Option<Isolation>,
    },
    /// A savepoint has no isolation of its own.
    #[error(
        "isolation: {} is asked for by a NESTED scope, and a savepoint has none of its own: ask for it \
         at the outermost scope, or use REQUIRES_NEW",
        asked.as_sql()
    )]
    NestedIsolation {
        /// What was asked for.
        asked: Isolation,
    },
    /// What joins may write, and the transaction may not.
    #[error(
        "read_only: this scope may write, and the transaction that it would join may not: say that it \
         only reads, or use REQUIRES_NEW (`Settings::validate_existing`)"
    )]
    IncompatibleReadOnly,
    /// The transaction is doomed, and no savepoint is made in it.
    #[error("the transaction must be rolled back, so that nothing new is begun in it: {mark}")]
    Doomed {
        /// Who has marked it.
        mark: Mark,
    },
    /// It could not be begun. Nothing happened.
    #[error("the transaction, or its savepoint, could not be begun: {source}")]
    CannotBegin {
        /// What the driver says.
        source: Source,
        /// Whether to try again may help.
        retryable: bool,
    },
    /// Every connection is taken, and to wait for one while holding others could last for ever.
    #[error(
        "no connection is free, and this task holds {held} of the pool's {size} already (a REQUIRES_NEW \
         or NOT_SUPPORTED scope needs another): make the pool larger than the number of tasks at work, \
         or set `Settings::reserve`"
    )]
    PoolExhausted {
        /// How many this task holds.
        held: u32,
        /// How many there can be.
        size: u32,
    },
    /// SQLite has one writer, and that is the transaction that was set aside.
    #[error(
        "SQLite has one writer at a time, and the transaction that this one sets aside is it: do this \
         before that one's first write (and begin that one `deferred`), after its end, or in a database \
         file of its own"
    )]
    SingleWriter,
    /// The scope is at its end.
    #[error("the scope is at its end, and takes nothing any more: keep no handle of it")]
    Completed,
    /// A savepoint is open under this scope, and must come to its end first.
    #[error(
        "a NESTED scope is open within this one: use its handle, and let one come to its end before \
         beginning the next (no two of them in a `join!`)"
    )]
    NestedOpen,
    /// No hook can be registered here.
    #[error(
        "hooks are switched off here (`Settings::hooks`): register them within a transaction, or set \
         them to `Always`"
    )]
    NoHooks,
    /// The body asked for the commit, and the transaction was rolled back.
    #[error("the transaction was rolled back although its body succeeded: {mark}")]
    UnexpectedRollback {
        /// Who has marked it.
        mark: Mark,
    },
    /// The time limit has passed. The transaction is rolled back.
    #[error("the transaction went past its time limit of {limit:?}, and is rolled back")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The transaction is gone at the database; statements are refused, for they would take effect at
    /// once.
    #[error("the transaction is gone at the database, and nothing more is sent: {why}")]
    Gone {
        /// What is known of it.
        why: Mark,
    },
    /// The commit failed.
    #[error("{}: {source}", commit(*outcome))]
    Commit {
        /// What became of the transaction.
        outcome: Outcome,
        /// Whether to run the whole again may help.
        retryable: bool,
        /// What the driver says.
        source: Source,
    },
    /// A rollback that was asked for without an error was not answered. The connection is closed, with
    /// which the database rolls back.
    #[error("the rollback was not answered, and the connection is closed: {source}")]
    Rollback {
        /// What the driver says.
        source: Source,
        /// The failed commit before it.
        after: Option<Box<Error>>,
    },
    /// A hook failed.
    #[error("the {phase} hook failed{}: {source}", despite(*outcome))]
    Hook {
        /// Which.
        phase: HookPhase,
        /// What became of the transaction.
        outcome: Outcome,
        /// What it says.
        source: Source,
    },
    /// A statement of the manager's own was refused: `BEGIN`, `COMMIT`, `SAVEPOINT` and their like
    /// are its own to send.
    #[error(
        "{statement}: transactions are begun and ended by their scopes; use `scope()`, `nested()` or \
         `mark_rollback_only()`"
    )]
    TransactionControl {
        /// The statement's first word.
        statement: String,
    },
    /// A savepoint that is not open.
    #[error("savepoint {number} is not open in this scope: it was released, or is another scope's")]
    NoSavepoint {
        /// Its number.
        number: u32,
    },
    /// What the driver says of something else.
    #[error("{source}")]
    Driver {
        /// What it says.
        source: Source,
        /// Whether to run the whole again may help, once the transaction is rolled back.
        retryable: bool,
    },
}

impl Error {
    /// Whether to run the whole transaction again may help: it was in another's way and is rolled back.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::CannotBegin {
                retryable: true,
                ..
            } | Self::Commit {
                retryable: true,
                outcome: Outcome::RolledBack,
                ..
            } | Self::Driver {
                retryable: true,
                ..
            }
        )
    }

    /// What became of the transaction, as far as this error says it. None where that is for the rest
    /// of the program to decide: a scope that was not entered, or a statement that was refused.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::UnexpectedRollback { .. } => Some(Outcome::RolledBack),
            Self::Commit { outcome, .. } | Self::Hook { outcome, .. } => Some(*outcome),
            Self::Rollback { after, .. } => {
                let before = after.as_deref().and_then(Self::outcome);
                Some(before.unwrap_or(Outcome::Unknown))
            }
            _ => None,
        }
    }
}

fn said(isolation: Option<Isolation>) -> &'static str {
    isolation.map_or("with the database's own", Isolation::as_sql)
}

fn commit(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::RolledBack => {
            "the database refused the commit, and the transaction is rolled back"
        }
        _ => "the answer to the commit was lost, and nobody can tell whether it took place: look",
    }
}

fn despite(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => ", and the transaction is committed nevertheless",
        _ => "",
    }
}
