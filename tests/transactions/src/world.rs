//! What one run of one program works with: its managers, what is written down, and how failures are
//! called.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use settled_transaction::{Cause, Error, Transactions, Tx};

use crate::databases::{Base, Said};
use crate::recorded::{Recorded, Recorder};

/// Whether scopes find what is around them, or are handed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the manager: `run`, with what is around found.
    Found,
    /// By the handle: `begin`, left by hand.
    Handed,
}

/// Something done on a fresh connection, outside of every manager: a statement, or closing the
/// connection of this name.
pub type Outside =
    Box<dyn Fn(Beyond) -> BoxFuture<'static, Result<Vec<String>, String>> + Send + Sync>;

/// What is done outside.
#[derive(Clone, Debug)]
pub enum Beyond {
    /// A statement is sent.
    Send(String),
    /// A connection is closed.
    Kill(String),
}

/// What one run works with.
pub struct World<D: Base> {
    /// What is written down.
    pub recorder: Arc<Recorder>,
    /// The manager.
    pub manager: Transactions<Recorded<D>>,
    /// The manager of another pool.
    pub other: Option<Transactions<Recorded<D>>>,
    /// How scopes are told of each other.
    pub way: Way,
    /// What is done outside.
    pub outside: Outside,
    /// How many have come to the meeting.
    pub met: AtomicUsize,
    kept: Mutex<Option<Tx<Recorded<D>>>>,
}

impl<D: Base> World<D> {
    /// Of these parts.
    pub fn new(
        recorder: Arc<Recorder>,
        manager: Transactions<Recorded<D>>,
        other: Option<Transactions<Recorded<D>>>,
        way: Way,
        outside: Outside,
    ) -> Self {
        Self {
            recorder,
            manager,
            other,
            way,
            outside,
            met: AtomicUsize::new(0),
            kept: Mutex::new(None),
        }
    }

    /// Keeps a handle, past its scope's end.
    pub fn keep(&self, tx: Tx<Recorded<D>>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(tx);
    }

    /// The handle that was kept.
    ///
    /// # Errors
    /// Where there is none.
    pub fn kept(&self) -> Result<Tx<Recorded<D>>, Failure> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
            .ok_or_else(|| Failure::wrong("nothing was kept"))
    }
}

/// What a body fails with.
#[derive(Debug)]
pub enum Failure {
    /// Its own error, of this kind.
    Own(String),
    /// What the database says.
    Said(Said),
    /// What the manager says.
    Transaction(Error),
    /// The program, or the table, is wrong.
    Wrong(String),
}

impl Failure {
    /// The program, or the table, is wrong.
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    /// What it is called in the table.
    pub fn name(&self) -> String {
        match self {
            Self::Own(kind) if kind.is_empty() => "Failed".to_owned(),
            Self::Own(kind) => format!("Failed({kind})"),
            Self::Said(_) => "Database".to_owned(),
            Self::Transaction(error) => name(error),
            Self::Wrong(what) => format!("WRONG: {what}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

fn name(error: &Error) -> String {
    let first_word = |shown: String| {
        let end = shown.find(|c: char| !c.is_ascii_alphanumeric());
        shown[..end.unwrap_or(shown.len())].to_owned()
    };
    let retryable = if error.is_retryable() {
        " retryable"
    } else {
        ""
    };
    match error {
        Error::UnexpectedRollback { mark } => {
            let cause: &Cause = mark.cause();
            format!("UnexpectedRollback({})", first_word(format!("{cause:?}")))
        }
        Error::Commit { outcome, .. } => format!("Commit({outcome:?}{retryable})"),
        Error::Hook { phase, outcome, .. } => format!("Hook({phase} {outcome:?})"),
        Error::Rollback { after, .. } => {
            let outcome = error.outcome().map(|outcome| format!("{outcome:?}"));
            let after = after
                .as_deref()
                .map(|after| format!(" after {}", name(after)));
            let said = outcome.unwrap_or_default() + &after.unwrap_or_default();
            format!("Rollback({said})")
        }
        other => format!("{}{retryable}", first_word(format!("{other:?}"))),
    }
}

/// What a block comes to: a value, where it has one.
pub type Ran = Result<Option<String>, Failure>;

/// What a result is called in the table.
pub fn shown(ran: &Ran) -> String {
    match ran {
        Ok(None) => "Ok".to_owned(),
        Ok(Some(value)) => format!("Ok({value})"),
        Err(failure) => failure.name(),
    }
}
