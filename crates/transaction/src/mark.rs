//! Who has marked a transaction, where and why: the question that everybody asks of an unexpected
//! rollback.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Who has marked a transaction as one that must be rolled back.
#[derive(Clone, Debug)]
pub struct Mark {
    scope: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
    cause: Cause,
}

/// Why a transaction was marked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It was asked for.
    Marked,
    /// A scope that had joined failed.
    Failed,
    /// A scope that had joined panicked.
    Panicked,
    /// A scope that had joined was dropped before its end.
    Dropped,
    /// A statement was dropped before its end: nobody knows whether it ran.
    StatementDropped,
    /// The time limit had passed.
    TimedOut,
    /// A statement failed, with what the database said.
    StatementFailed(Arc<str>),
    /// The database had ended the transaction by itself, with what is known of it.
    EndedByDatabase(Arc<str>),
}

impl Mark {
    pub(crate) fn new(
        scope: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
        cause: Cause,
    ) -> Self {
        Self {
            scope,
            location,
            cause,
        }
    }

    /// The same scope, for another reason.
    pub(crate) fn because(&self, cause: Cause) -> Self {
        Self::new(self.scope.clone(), self.location, cause)
    }

    pub(crate) fn scope_name(&self) -> Option<Cow<'static, str>> {
        self.scope.clone()
    }

    /// The name of the scope, where it has one.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The file of the program where the mark was set, or the scope that set it was begun.
    pub fn file(&self) -> &'static str {
        self.location.file()
    }

    /// The line in [`Mark::file`].
    pub fn line(&self) -> u32 {
        self.location.line()
    }

    /// Why.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope ")?;
        if let Some(scope) = &self.scope {
            write!(f, "`{scope}` ")?;
        }
        write!(f, "at {}:{} ", self.location.file(), self.location.line())?;
        match &self.cause {
            Cause::Marked => f.write_str("marked it for rollback"),
            Cause::Failed => f.write_str("failed"),
            Cause::Panicked => f.write_str("panicked"),
            Cause::Dropped => f.write_str("was dropped before its end"),
            Cause::StatementDropped => f.write_str("dropped a statement before its end"),
            Cause::TimedOut => f.write_str("went past the time limit"),
            Cause::StatementFailed(said) => write!(f, "had a statement that failed ({said})"),
            Cause::EndedByDatabase(why) => {
                write!(f, "saw the database end the transaction by itself ({why})")
            }
        }
    }
}
