//! Errors of `sqlx`, and this crate's own within them: a program may use either for its bodies.

use crate::driver::{Certainty, DriverError};
use crate::error::Error;
use crate::sqlstate;

/// This crate's errors, carried where only an error of `sqlx` can be: from a statement.
impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        Self::Configuration(Box::new(error))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Configuration(source) => match source.downcast::<Error>() {
                Ok(own) => *own,
                Err(source) => Self::Driver {
                    source: sqlx::Error::Configuration(source).into(),
                    retryable: false,
                },
            },
            error => Self::Driver {
                retryable: is_retryable(&error),
                source: error.into(),
            },
        }
    }
}

impl Error {
    /// This crate's error that an error of `sqlx` carries.
    pub fn within(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(source) => source.downcast_ref(),
            _ => None,
        }
    }
}

/// The database's code of an error; empty where it is not the database's.
pub(super) fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        _ => String::new(),
    }
}

/// SQLite: busy, and busy for its recovery or its snapshot; locked within one cache.
pub(super) fn is_busy(code: &str) -> bool {
    ["5", "261", "517", "6", "262"].contains(&code)
}

pub(super) fn is_retryable(error: &sqlx::Error) -> bool {
    let code = code(error);
    is_busy(&code) || sqlstate::is_retryable(&code)
}

/// `refused`: whether the database itself answered that it refuses.
pub(super) fn explain(error: sqlx::Error, refused: bool) -> DriverError {
    DriverError {
        certainty: if refused {
            Certainty::Refused
        } else {
            Certainty::Nothing
        },
        retryable: is_retryable(&error),
        source: error.into(),
    }
}

/// Where nothing hangs on what is certain.
pub(super) fn plain(error: sqlx::Error) -> DriverError {
    explain(error, false)
}
