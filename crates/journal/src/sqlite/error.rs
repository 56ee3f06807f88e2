//! What SQLite's error codes mean for a journal, and what is in the way of opening one.

use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

use crate::store::{CommitError, ReadError};

/// Why a journal's file cannot be used. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its directory is missing.
    #[error("journal {path}: its directory does not exist; create it, or name another place", path = .0.display())]
    NoDirectory(PathBuf),
    /// A directory is where the file should be.
    #[error("journal {path}: this is a directory; name a file in it, such as {path}/settled.db", path = .0.display())]
    Directory(PathBuf),
    /// It, or its directory, may not be written to.
    #[error(
        "journal {path}: it cannot be written to ({why}); give this user the right to write the \
         file and its directory",
        path = path.display()
    )]
    ReadOnly {
        /// What cannot be written to.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// It is not a SQLite database.
    #[error("journal {path}: this file is not a SQLite database; name another file", path = .0.display())]
    NotADatabase(PathBuf),
    /// It is somebody else's database.
    #[error(
        "journal {path}: this database belongs to another program; name another file",
        path = .0.display()
    )]
    Foreign(PathBuf),
    /// A newer version has written it.
    #[error(
        "journal {path}: its schema is version {found}, and this program knows up to {known}; use \
         the newer version of Settled that has written it",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// It is a journal of its own, and was to be opened as somebody else's database.
    #[error(
        "journal {path}: this file is a journal of its own and has no place for others' tables; open \
         it as one (`SqliteJournal::open`), or name the service's own database",
        path = .0.display()
    )]
    Alone(PathBuf),
    /// The database has a table of our name that is not ours.
    #[error(
        "journal {path}: this database has a table `settled_meta` that no journal has made; rename it, \
         or keep the journal in a file of its own",
        path = .0.display()
    )]
    Taken(PathBuf),
    /// It cannot be switched to a write-ahead log now.
    #[error(
        "journal {path}: it has no write-ahead log, and another connection keeps it from being given \
         one; open the journal before the others, or run `PRAGMA journal_mode = wal` once",
        path = .0.display()
    )]
    NoLog(PathBuf),
    /// Another process has it.
    #[error(
        "journal {path}: another process is using it (it holds the lock on {lock}); stop that one, \
         or name another file",
        path = path.display(), lock = lock.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// There is no room to open it.
    #[error("journal {path}: no space left on its disk; free some and start again", path = .0.display())]
    Full(PathBuf),
    /// Its content is broken.
    #[error(
        "journal {path}: it is damaged ({why}); keep a copy of it with its -wal file, and restore a \
         backup or what `sqlite3 {path} .recover` gives",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// Something else.
    #[error("journal {path}: it cannot be opened: {why}", path = path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, error: std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly {
                    path,
                    why: error.to_string(),
                }
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Store {
                path,
                why: error.to_string(),
            },
        }
    }

    pub(super) fn sqlite(path: &Path, error: &Error) -> Self {
        let path = path.to_owned();
        let why = explain(error);
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, why },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly { path, why }
            }
            Some(ErrorCode::DiskFull) => Self::Full(path),
            _ => Self::Store { path, why },
        }
    }
}

/// What an error says of a transaction that has been rolled back since.
pub(super) fn commit_error(error: &Error) -> CommitError {
    let why = explain(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CommitError::Full(why),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CommitError::Busy(why),
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::SchemaChanged
            | ErrorCode::PermissionDenied,
        ) => CommitError::Unusable(format!("the journal cannot be written: {why}")),
        // After an input or output error nobody knows what the file says: it is to be opened anew.
        _ => CommitError::Unknown(why),
    }
}

/// A failure to read that has nothing to do with any one saga.
pub(super) fn read_error(error: &Error) -> ReadError {
    ReadError::Store(explain(error))
}

/// SQLite's words, with its number: they are the same for many things that may be wrong with a disk.
fn explain(error: &Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("{error} (SQLite code {})", code.extended_code),
        None => error.to_string(),
    }
}
