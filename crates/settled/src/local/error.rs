//! What can go wrong in a service's own database, each with what to do about it.

use crate::function::CallError;

/// The source of an error: the driver's own.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why something in the service's own database did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Another attempt of the same call has recorded its result. The transaction must be rolled back,
    /// so that what was done is there once; the other's result is the one that counts.
    #[error(
        "{key}: another attempt has recorded its result; roll this transaction back and read that one"
    )]
    AlreadyRecorded {
        /// The idempotency key.
        key: String,
    },
    /// The tables are missing.
    #[error(
        "this database has no tables of Settled; call `settled::local::create_tables` when the service \
         starts, or run the statements in `settled::local::sql` with your own migrations"
    )]
    NoTables(#[source] Source),
    /// A newer version has made the tables.
    #[error(
        "the tables of Settled in this database are of version {found}, and this program knows up to \
         {known}; use the newer version that has made them"
    )]
    Newer {
        /// Their version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// A text that cannot be a key.
    #[error(
        "key {key:?}: {why}; use 1 to 512 bytes without control characters, such as \
         `<saga>/<step>/<direction>`"
    )]
    Key {
        /// The key, or its beginning.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A result that cannot be written as JSON, or a recorded one that is not what was expected.
    #[error(
        "{key}: its recorded result does not fit ({source}); a result's type may change only in ways \
         that still read the old one"
    )]
    Result {
        /// The idempotency key.
        key: String,
        /// What `serde_json` says.
        source: serde_json::Error,
    },
    /// The database was busy, or this transaction was in another's way and was undone. Nothing
    /// happened; it may be tried again, from the beginning of the transaction.
    #[error("the database undid this in favour of another transaction; try again")]
    Conflict(#[source] Source),
    /// The transaction could not be begun or ended, or refused a statement.
    #[error(transparent)]
    Transaction(settled_transaction::Error),
    /// Something else that the driver says.
    #[error("the service's database: {0}")]
    Database(#[source] Source),
}

impl From<settled_transaction::Error> for LocalError {
    fn from(error: settled_transaction::Error) -> Self {
        if error.is_retryable() {
            return Self::Conflict(error.into());
        }
        Self::Transaction(error)
    }
}

impl LocalError {
    /// Whether the same may succeed when it is tried again from the beginning.
    pub fn may_be_tried_again(&self) -> bool {
        matches!(
            self,
            Self::Conflict(_) | Self::Database(_) | Self::Transaction(_)
        )
    }

    /// An error of a driver that this crate has no feature for.
    pub fn database(error: impl Into<Source>) -> Self {
        Self::Database(error.into())
    }
}

/// Why [`once`](super::once()) gave no result.
#[derive(Debug, thiserror::Error)]
pub enum OnceError<E> {
    /// The work failed, and what it did was rolled back.
    #[error("{0}")]
    Work(E),
    /// The database failed; nothing was committed.
    #[error("{0}")]
    Local(LocalError),
    /// The commit gave no answer, and what became of it could not be found out: the database cannot
    /// be reached. Call again with the same key; if it was committed, its result is found.
    #[error(
        "{key}: it is not known whether this was committed ({why}); call again with the same key"
    )]
    Unknown {
        /// The idempotency key.
        key: String,
        /// What happened.
        why: String,
    },
}

/// What it means to the step that it is a part of: where nothing was committed it is tried again, and
/// so it is, under the same key, where nobody knows.
impl<E: Into<CallError>> From<OnceError<E>> for CallError {
    fn from(error: OnceError<E>) -> Self {
        match error {
            OnceError::Work(error) => error.into(),
            OnceError::Local(error) => Self::not_sent(error),
            OnceError::Unknown { key, why } => Self::unknown(format!(
                "{key}: whether it was committed is not known: {why}"
            )),
        }
    }
}

impl<E> From<LocalError> for OnceError<E> {
    fn from(error: LocalError) -> Self {
        Self::Local(error)
    }
}
