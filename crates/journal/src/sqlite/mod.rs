//! The journal in one SQLite file.
//!
//! [`SqliteJournal::open`] keeps it in a file of its own, [`SqliteJournal::open_within`] in a database
//! that a service has already, beside its tables.
//!
//! One writer, one process: a lock file beside the database keeps a second one out. Every commit is
//! on the disk before it is answered for (`synchronous=FULL`); there is no weaker mode. Readers have
//! connections of their own, see what is committed and hold nobody up.
//!
//! The tables are meant to be read by people, see `schema`. They are meant to be written by nobody
//! else.

mod audit;
mod error;
mod incidents;
mod lock;
mod names;
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
#[cfg(test)]
#[path = "within_tests.rs"]
mod within_tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;
use settled_protocol::Timestamp;

pub use self::error::OpenError;
use self::lock::Lock;
use self::names::{Names, Texts};
use self::read::SqliteReader;
use self::write::Desk;
use crate::change::Change;
use crate::entry::{Append, Appended, Misplaced, SagaNo};
use crate::store::{CommitError, Journal, Keeper, Opened, ReadError, Reader};
use crate::time_text::TimeText;

/// The writer of a journal in a SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    texts: Arc<Texts>,
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
    texts: Arc<Texts>,
}

impl SqliteJournal {
    /// Opens the journal at `path`, and makes it where there is none.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do about it; the file is then as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_as(path.as_ref(), Names::ALONE)
    }

    /// Opens the journal that is kept within somebody else's database, and makes its tables where
    /// they are missing; where there is no file, an empty database.
    ///
    /// The tables, views and indexes are those of a journal of its own with `settled_` before their
    /// names (`settled_event`, `settled_incident`, …), and `settled_meta` holds their version. The
    /// database's own tables, its `application_id` and `user_version` are left alone. Two things are
    /// not, because durability and R6 hang on them: the file is switched to a write-ahead log
    /// (`journal_mode = wal`, which is a property of the file and stays), and a file with `.lock`
    /// after its name keeps a second coordinator out. The lock file does not concern anybody else
    /// who uses the database.
    ///
    /// Other connections may read and write the same file at the same time. SQLite lets one write at
    /// a time: a commit of the journal waits for up to five seconds for another's write transaction,
    /// then says [`CommitError::Busy`], and is tried again. So keep write transactions short, and
    /// never wait for a saga inside of one; a connection that takes the lock again the moment it has
    /// given it up starves all others. Opening waits, for as long, for those who read an older state of
    /// the file. Programs that use the file must have SQLite 3.51.3 or
    /// newer: in older ones two connections can corrupt a write-ahead log.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do about it; no table was changed then.
    pub fn open_within(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_as(path.as_ref(), Names::WITHIN)
    }

    fn open_as(path: &Path, names: Names) -> Result<Self, OpenError> {
        let path = open::check_place(path)?;
        let lock = Lock::take(&path)?;
        if !names.is_within() {
            open::check_magic(&path)?;
        }
        let texts = Arc::new(Texts::new(names));
        let connection = open::writer(&path, names)?;
        let opened = open::opened(&path, &connection, names)?;
        Ok(Self {
            path,
            desk: Some(Desk::new(connection, Arc::clone(&texts))),
            texts,
            opened,
            _lock: lock,
        })
    }

    /// Where readers come from.
    #[must_use]
    pub fn keeper(&self) -> SqliteKeeper {
        SqliteKeeper {
            path: self.path.clone(),
            texts: Arc::clone(&self.texts),
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
        let names = self.texts.names;
        let connection = open::writer(&self.path, names).map_err(unusable)?;
        self.opened = open::opened(&self.path, &connection, names).map_err(unusable)?;
        self.desk = Some(Desk::new(connection, Arc::clone(&self.texts)));
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

    fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.desk()?.change(change)
    }
}

impl Keeper for SqliteKeeper {
    fn reader(&self) -> Result<Box<dyn Reader>, ReadError> {
        let connection = open::reader(&self.path).map_err(|e| ReadError::Store(e.to_string()))?;
        Ok(Box::new(SqliteReader::new(
            connection,
            Arc::clone(&self.texts),
        )))
    }
}

/// Times are written as people read them.
impl ToSql for TimeText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}
