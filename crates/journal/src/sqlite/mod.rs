//! The journal in one SQLite file.
//!
//! One writer, one process: a lock file beside the database keeps a second one out. Every commit is
//! on the disk before it is answered for (`synchronous=FULL`); there is no weaker mode. Readers have
//! connections of their own, see what is committed and hold nobody up.
//!
//! The tables are meant to be read by people, see `schema`. They are meant to be written by nobody
//! else.

mod error;
mod lock;
mod open;
mod prune;
mod read;
mod schedules;
mod schema;
mod search;
mod stored;
mod submit;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;
use settled_protocol::Timestamp;

pub use self::error::OpenError;
use self::lock::Lock;
use self::read::SqliteReader;
use self::write::Desk;
use crate::entry::{Append, Appended, Misplaced, SagaNo};
use crate::schedule::ScheduleChange;
use crate::store::{CommitError, Journal, Keeper, Opened, ReadError, Reader};
use crate::time_text::TimeText;

/// The writer of a journal in a SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    opened: Opened,
    /// None after an error that closed it; see [`Journal::reopen`].
    desk: Option<Desk>,
    /// Declared last, so that it is given up last.
    _lock: Lock,
}

/// Opens readers of a journal in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteKeeper {
    path: PathBuf,
}

impl SqliteJournal {
    /// Opens the journal at `path`, and makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do about it; the file is then as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = open::check_place(path.as_ref())?;
        let lock = Lock::take(&path)?;
        let connection = open::writer(&path)?;
        let opened = open::opened(&path, &connection)?;
        Ok(Self {
            path,
            opened,
            desk: Some(Desk::new(connection)),
            _lock: lock,
        })
    }

    /// Where readers come from.
    #[must_use]
    pub fn keeper(&self) -> SqliteKeeper {
        SqliteKeeper {
            path: self.path.clone(),
        }
    }

    fn desk(&mut self) -> Result<&mut Desk, CommitError> {
        self.desk.as_mut().ok_or_else(|| {
            CommitError::Unusable("the journal was closed after an error".to_owned())
        })
    }

    /// The connection, to make a test's disk full.
    #[cfg(test)]
    pub(crate) fn connection(&self) -> &rusqlite::Connection {
        self.desk
            .as_ref()
            .map(Desk::connection)
            .expect("it is open")
    }
}

impl Journal for SqliteJournal {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        self.desk()?.commit(batch)
    }

    fn reopen(&mut self) -> Result<(), CommitError> {
        self.desk = None;
        let unusable = |error: OpenError| CommitError::Unusable(error.to_string());
        let connection = open::writer(&self.path).map_err(unusable)?;
        self.opened = open::opened(&self.path, &connection).map_err(unusable)?;
        self.desk = Some(Desk::new(connection));
        Ok(())
    }

    fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        let desk = self
            .desk()
            .map_err(|error| ReadError::Store(error.to_string()))?;
        desk.last_seq(saga)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.desk()?.prune(before, limit)
    }

    fn change_schedule(&mut self, change: &ScheduleChange) -> Result<bool, CommitError> {
        self.desk()?.change_schedule(change)
    }
}

impl Keeper for SqliteKeeper {
    fn reader(&self) -> Result<Box<dyn Reader>, ReadError> {
        let connection = open::reader(&self.path).map_err(|e| ReadError::Store(e.to_string()))?;
        Ok(Box::new(SqliteReader::new(connection)))
    }
}

/// Times are written as people read them.
impl ToSql for TimeText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}
