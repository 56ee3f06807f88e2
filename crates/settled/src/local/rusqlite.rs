//! `rusqlite`: the same as for the others, without `async`.
//!
//! These functions block. Within an async service call them where blocking is allowed, such as
//! `tokio::task::spawn_blocking`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Transaction, params};
use rusqlite::{TransactionBehavior, ffi};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::Json;

use super::error::{LocalError, OnceError};
use super::once::{read, write};
use super::outbox::{OutboxStore, Waiting};
use super::row::{self, OutboxRow, Position, check_key};
use super::sql;
use super::sql::sqlite as text;

/// How long to wait for another's write transaction.
const BUSY: Duration = Duration::from_secs(5);
const PRUNE: u32 = 500;

/// The result that is recorded under a key, none where there is none.
///
/// # Errors
/// [`LocalError::NoTables`], or what SQLite says.
pub fn recorded(transaction: &Transaction<'_>, key: &str) -> Result<Option<Json>, LocalError> {
    check_key(key)?;
    let found: Option<String> = transaction
        .prepare_cached(text::RECORDED)
        .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
        .map_err(explain)?;
    found.map(|found| row::recorded(key, &found)).transpose()
}

/// Records a result under a key: it is there when the transaction commits, and not otherwise.
///
/// # Errors
/// [`LocalError::AlreadyRecorded`] where there is one: roll back.
pub fn record(transaction: &Transaction<'_>, key: &str, result: &Json) -> Result<(), LocalError> {
    check_key(key)?;
    let done = transaction
        .prepare_cached(text::RECORD)
        .and_then(|mut statement| statement.execute([key, result.as_str()]));
    match done {
        Ok(_) => Ok(()),
        Err(Error::SqliteFailure(error, _))
            if error.extended_code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY =>
        {
            Err(LocalError::AlreadyRecorded {
                key: key.to_owned(),
            })
        }
        Err(error) => Err(explain(error)),
    }
}

/// Puts a saga into the outbox, to be submitted when the transaction commits, and not otherwise. Give
/// the position to [`OutboxHandle::pending`](super::OutboxHandle::pending) to have it looked for at
/// once.
///
/// # Errors
/// [`LocalError::NoTables`], or what SQLite says.
pub fn enqueue(transaction: &Transaction<'_>, row: &OutboxRow) -> Result<Position, LocalError> {
    transaction
        .prepare_cached(text::ENQUEUE)
        .and_then(|mut statement| statement.insert([row.id.as_str(), row.document.as_str()]))
        .map(Position)
        .map_err(explain)
}

/// Runs `work` in a transaction (`BEGIN IMMEDIATE`) and records its result under `key`, both or
/// neither; where there is a result already, gives that one and runs nothing. See
/// [`local::once`](super::once()).
///
/// # Errors
/// As [`local::once`](super::once()).
pub fn once<T, E>(
    connection: &mut Connection,
    key: &str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, OnceError<E>>
where
    T: Serialize + DeserializeOwned,
{
    check_key(key)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(explain)?;
    // Nobody else can write until this one ends: what is looked up here stays true.
    if let Some(found) = recorded(&transaction, key)? {
        return Ok(read(key, &found)?);
    }
    // What is dropped is rolled back.
    let result = work(&transaction).map_err(OnceError::Work)?;
    let result_text = write(key, &result)?;
    record(&transaction, key, &result_text)?;
    let Err(error) = transaction.commit() else {
        return Ok(result);
    };
    if !connection.is_autocommit() {
        // It is still open: it was not committed, and must not be by whoever comes next.
        if connection.execute_batch("ROLLBACK").is_ok() {
            return Err(explain(error).into());
        }
    } else if matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy)
    ) {
        return Err(explain(error).into());
    }
    match find_out(connection, key, &result_text) {
        Ok(true) => Ok(result),
        Ok(false) => Err(explain(error).into()),
        Err(why) => Err(OnceError::Unknown {
            key: key.to_owned(),
            why: format!("{error}; then {why}"),
        }),
    }
}

/// Whether a commit that failed has happened. See `once::claim`: the record is written, taken back and
/// committed, so that what the failed commit may have left in the log is overwritten.
fn find_out(connection: &Connection, key: &str, result: &Json) -> Result<bool, LocalError> {
    let path = connection.path().map(PathBuf::from).unwrap_or_default();
    let mut fresh = Connection::open(path).map_err(explain)?;
    fresh.busy_timeout(BUSY).map_err(explain)?;
    let transaction = fresh
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(explain)?;
    match record(&transaction, key, result) {
        Ok(()) => {}
        Err(LocalError::AlreadyRecorded { .. }) => return Ok(true),
        Err(error) => return Err(error),
    }
    transaction
        .execute(text::UNRECORD, [key])
        .and_then(|_| transaction.commit())
        .map_err(explain)?;
    Ok(false)
}

/// Makes the tables where they are missing. It may be called at every start, by many at a time.
///
/// # Errors
/// [`LocalError::Newer`] where a newer version has made them.
pub fn create_tables(connection: &mut Connection) -> Result<(), LocalError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(explain)?;
    let found: Result<Option<i64>, Error> = transaction
        .query_row(text::TABLES, [], |row| row.get(0))
        .optional();
    match found.map_err(explain) {
        Ok(Some(found)) if found > sql::VERSION => {
            return Err(LocalError::Newer {
                found,
                known: sql::VERSION,
            });
        }
        Ok(Some(_)) => return Ok(()),
        Ok(None) | Err(LocalError::NoTables(_)) => {}
        Err(error) => return Err(error),
    }
    transaction.execute_batch(text::CREATE).map_err(explain)?;
    transaction.commit().map_err(explain)
}

/// Removes old records, see [`local::prune`](super::prune).
///
/// # Errors
/// What SQLite says.
pub fn prune(connection: &Connection, older_than: Duration) -> Result<u64, LocalError> {
    let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
    let mut removed = 0;
    loop {
        let piece = connection
            .execute(text::PRUNE, params![seconds, PRUNE])
            .map_err(explain)?;
        removed += piece as u64;
        if piece < PRUNE as usize {
            return Ok(removed);
        }
    }
}

/// A database file whose outbox is read through a connection of its own.
#[derive(Clone, Debug)]
pub struct OutboxFile {
    connection: Arc<Mutex<Connection>>,
}

impl OutboxFile {
    /// Opens the file, which must be there.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LocalError> {
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path.into(), flags).map_err(explain)?;
        connection.busy_timeout(BUSY).map_err(explain)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LocalError> {
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            // A panic in between leaves a connection without a transaction: each is one statement.
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.map_err(LocalError::database)?.map_err(explain)
    }
}

impl OutboxStore for OutboxFile {
    async fn waiting(&self, after: Position, limit: u32) -> Result<Vec<Waiting>, LocalError> {
        self.blocking(move |connection| {
            let mut statement = connection.prepare_cached(text::WAITING)?;
            let row = |row: &rusqlite::Row<'_>| {
                let (id, document) = (row.get(1)?, row.get(2)?);
                Ok(Waiting::new((row.get(0)?, id, document, row.get(3)?)))
            };
            statement.query_map(params![after.0, limit], row)?.collect()
        })
        .await
    }

    async fn claim(&self, position: Position) -> Result<bool, LocalError> {
        self.blocking(move |connection| {
            let mut statement = connection.prepare_cached(text::CLAIM)?;
            statement.execute([position.0]).map(|claimed| claimed == 1)
        })
        .await
    }

    async fn remove(&self, position: Position) -> Result<(), LocalError> {
        self.blocking(move |connection| {
            connection
                .prepare_cached(text::REMOVE)?
                .execute([position.0])
                .map(drop)
        })
        .await
    }

    async fn set_aside(&self, position: Position, why: &str) -> Result<(), LocalError> {
        let why = why.to_owned();
        self.blocking(move |connection| {
            connection
                .prepare_cached(text::SET_ASIDE)?
                .execute(params![position.0, why])
                .map(drop)
        })
        .await
    }
}

fn explain(error: Error) -> LocalError {
    let no_table = matches!(
        &error,
        Error::SqliteFailure(_, Some(said)) if said.contains("no such table: settled_")
    );
    match error.sqlite_error_code() {
        _ if no_table => LocalError::NoTables(error.into()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LocalError::Conflict(error.into())
        }
        _ => LocalError::Database(error.into()),
    }
}
