//! Opening: what is looked at before the file is believed, and the settings of each connection.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::OpenError;
use super::lock::private;
use super::names::Names;
use super::schema;
use crate::entry::SagaNo;
use crate::store::Opened;

/// How long to wait for somebody else's write transaction, such as a person's in `sqlite3`.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(5);
const PAGE_SIZE: i64 = 4096;
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 4 * 1024;
/// The writer moves the write-ahead log into the database when it has grown to so many pages.
const CHECKPOINT_PAGES: i64 = 4_000;
/// After one that held it up had made it longer, it is cut back to this.
const WAL_SIZE_LIMIT: i64 = 64 * 1024 * 1024;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Looks at the place without touching anything. Gives the file's own name where `path` is a link,
/// so that its lock is the same by whatever name it is called.
pub(super) fn check_place(path: &Path) -> Result<PathBuf, OpenError> {
    if path.is_dir() {
        return Err(OpenError::Directory(path.to_owned()));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(OpenError::NoDirectory(path.to_owned()));
    }
    match std::fs::metadata(path) {
        // Said outright, even to a user whom the system would not stop.
        Ok(file) if file.permissions().readonly() => Err(OpenError::ReadOnly {
            path: path.to_owned(),
            why: "it is read-only".to_owned(),
        }),
        Ok(_) => path
            .canonicalize()
            .map_err(|error| OpenError::io(path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(OpenError::io(path, error)),
    }
}

/// Whether a file of its own is a database at all.
///
/// Not for a file that this process may have open in SQLite: on a POSIX system, to close a file gives
/// up every lock that the process has on it, those of other connections too, and whoever then takes
/// himself for the last one removes the write-ahead log. Here the lock file says that nobody has it.
pub(super) fn check_magic(path: &Path) -> Result<(), OpenError> {
    if !path.exists() {
        return Ok(());
    }
    let io = |error| OpenError::io(path, error);
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(io)?;
    if start.is_empty() || start == MAGIC {
        Ok(())
    } else {
        Err(OpenError::NotADatabase(path.to_owned()))
    }
}

/// The one connection that writes.
pub(super) fn writer(path: &Path, names: Names) -> Result<Connection, OpenError> {
    // One that is there is not touched but through SQLite, see `check_magic`.
    if !path.exists() {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        drop(
            options
                .open(path)
                .map_err(|error| OpenError::io(path, error))?,
        );
    }
    let sqlite = |error: Error| OpenError::sqlite(path, &error);
    let mut connection = connect(path).map_err(sqlite)?;
    // Until the file is known to be ours, not even its log is moved into it.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(sqlite)?;
    let version = if names.is_within() {
        version_within(path, &connection)?
    } else {
        version(path, &connection)?
    };
    configure_writer(&connection).map_err(sqlite)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                OpenError::NoLog(path.to_owned())
            }
            _ => sqlite(error),
        })?;
    if mode != "wal" {
        let why = "its file system does not allow a write-ahead log; use a local one".to_owned();
        return Err(OpenError::Store {
            path: path.to_owned(),
            why,
        });
    }
    if version < schema::VERSION {
        migrate(path, &mut connection, names, version)?;
    }
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(sqlite)?;
    settle_log(&connection, names).map_err(sqlite)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path)?;
    // Checkpoints are the writer's: one that fails must fail there.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// What the journal says of itself.
pub(super) fn opened(
    path: &Path,
    connection: &Connection,
    names: Names,
) -> Result<Opened, OpenError> {
    let sqlite = |error: Error| OpenError::sqlite(path, &error);
    let secret: String = connection
        .query_row(
            &names.sql("SELECT value FROM @meta WHERE name = 'secret'"),
            [],
            |row| row.get(0),
        )
        .map_err(sqlite)?;
    let secret = unhex(&secret).ok_or_else(|| OpenError::Damaged {
        path: path.to_owned(),
        why: "meta: the secret is not 32 bytes in hexadecimal digits".to_owned(),
    })?;
    // Old sagas are removed, but their numbers are not given out again.
    let next_saga: i64 = connection
        .query_row(
            &names.sql(
                "SELECT max(coalesce((SELECT max(no) FROM @saga), 0) + 1,
                            coalesce((SELECT CAST(value AS INTEGER) FROM @meta
                                      WHERE name = 'next_saga'), 1))",
            ),
            [],
            |row| row.get(0),
        )
        .map_err(sqlite)?;
    Ok(Opened {
        next_saga: SagaNo(next_saga),
        secret,
    })
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(WAIT_FOR_LOCK)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn configure_writer(connection: &Connection) -> Result<(), Error> {
    // Counts only before the first table is made.
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_SIZE_LIMIT)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The version of the tables, 0 for an empty file.
fn version(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let sqlite = |error: Error| OpenError::sqlite(path, &error);
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    let application: i64 = number("application_id").map_err(sqlite)?;
    let found: i64 = number("user_version").map_err(sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    match (application, found) {
        (schema::APPLICATION_ID, 1..=schema::VERSION) => Ok(found),
        (schema::APPLICATION_ID, found) if found > schema::VERSION => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: schema::VERSION,
        }),
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// The version of the tables within somebody else's database, 0 where there are none.
fn version_within(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let sqlite = |error: Error| OpenError::sqlite(path, &error);
    let application: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(sqlite)?;
    if application == schema::APPLICATION_ID {
        return Err(OpenError::Alone(path.to_owned()));
    }
    let ours: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'settled_meta')",
            [],
            |row| row.get(0),
        )
        .map_err(sqlite)?;
    if !ours {
        return Ok(0);
    }
    // A table of that name that says no version was made by somebody else.
    let found: Option<i64> = connection
        .query_row(
            "SELECT CAST(value AS INTEGER) FROM settled_meta WHERE name = 'version'",
            [],
            |row| row.get(0),
        )
        .ok();
    match found {
        Some(found @ 1..=schema::VERSION) => Ok(found),
        Some(found) if found > schema::VERSION => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: schema::VERSION,
        }),
        _ => Err(OpenError::Taken(path.to_owned())),
    }
}

fn migrate(
    path: &Path,
    connection: &mut Connection,
    names: Names,
    from: i64,
) -> Result<(), OpenError> {
    let sqlite = |error: Error| OpenError::sqlite(path, &error);
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| OpenError::Store {
        path: path.to_owned(),
        why: format!("the system gives no random bytes: {error}"),
    })?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    schema::migrate(&transaction, names, from).map_err(sqlite)?;
    transaction
        .execute(
            &names.sql(
                "INSERT INTO @meta (name, value) VALUES ('secret', ?1)
                 ON CONFLICT (name) DO NOTHING",
            ),
            [hex(&secret)],
        )
        .map_err(sqlite)?;
    transaction.commit().map_err(sqlite)
}

/// Moves the whole write-ahead log into the database and syncs it, before anything in it is
/// believed.
///
/// After an fsync that failed, the system may hold pages that look written and are not on the disk,
/// and it will not try them again by itself: a later fsync says that all is well. Recovery would
/// read such pages from memory and take them for durable. Here every page that the log holds is
/// written once more, to the database, and synced there.
///
/// To cut the log off as well, nobody may be reading in it. Where others use the database too, it is
/// enough that all of it was moved.
fn settle_log(connection: &Connection, names: Names) -> Result<(), Error> {
    let checkpoint = |how: &str| -> Result<bool, Error> {
        let busy: i64 = connection.query_row(how, [], |row| row.get(0))?;
        Ok(busy == 0)
    };
    if names.is_within() {
        if checkpoint("PRAGMA wal_checkpoint(FULL)")? {
            return Ok(());
        }
    } else if checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")? {
        return Ok(());
    }
    Err(Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        Some("another program is reading it for too long".to_owned()),
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    bytes.try_into().ok()
}
