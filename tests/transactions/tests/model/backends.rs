//! The databases that programs run on.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use settled_transaction::driver::Driver;
use settled_transaction::{Error, Isolation, Transactions, Tx};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Executor, MySqlPool, PgPool, SqlitePool};

use crate::model::Database;

/// Scopes are five deep at most, hooks run one more, and one may be on its way back.
const CONNECTIONS: u32 = 7;

/// What a statement goes by.
pub(crate) enum On<'a, D: Driver> {
    Handle(&'a Tx<D>),
    Ambient(&'a Transactions<D>),
    Raw(&'a Tx<D>),
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Sql {
    /// Writes a row.
    Write(u32),
    /// Is refused: there is such a row already.
    Bad,
}

/// A pool to run programs on.
pub(crate) trait Backend: Driver {
    const DATABASE: Database;
    /// An isolation that changes nothing.
    const ISOLATION: Isolation;

    fn send(on: On<'_, Self>, sql: Sql, program: i64) -> BoxFuture<'_, Result<(), Error>>;

    fn read(on: On<'_, Self>, program: i64) -> BoxFuture<'_, Result<BTreeSet<u32>, Error>>;

    /// What a connection that is nobody's sees, once all connections are back.
    fn rows(&self, program: i64) -> BoxFuture<'_, BTreeSet<u32>>;
}

const BAD: &str = "INSERT INTO taken VALUES (0)";

macro_rules! backend {
    ($pool:ty, $write:literal, $read:literal, $database:expr, $isolation:expr) => {
        impl Backend for $pool {
            const DATABASE: Database = $database;
            const ISOLATION: Isolation = $isolation;

            fn send(on: On<'_, Self>, sql: Sql, program: i64) -> BoxFuture<'_, Result<(), Error>> {
                Box::pin(async move {
                    let query = match sql {
                        Sql::Write(row) => sqlx::query($write).bind(program).bind(i64::from(row)),
                        Sql::Bad => sqlx::query(BAD),
                    };
                    match on {
                        On::Handle(tx) => query.execute(tx).await?,
                        On::Ambient(manager) => query.execute(manager).await?,
                        On::Raw(tx) => {
                            tx.with(async |connection| {
                                let done = query.execute(&mut **connection).await;
                                done.map_err(Error::from)
                            })
                            .await?
                        }
                    };
                    Ok(())
                })
            }

            fn read(on: On<'_, Self>, program: i64) -> BoxFuture<'_, Result<BTreeSet<u32>, Error>> {
                Box::pin(async move {
                    let query = sqlx::query_scalar::<_, i64>($read).bind(program);
                    let rows = match on {
                        On::Handle(tx) | On::Raw(tx) => query.fetch_all(tx).await?,
                        On::Ambient(manager) => query.fetch_all(manager).await?,
                    };
                    Ok(set(rows))
                })
            }

            fn rows(&self, program: i64) -> BoxFuture<'_, BTreeSet<u32>> {
                Box::pin(async move {
                    let began = Instant::now();
                    while self.num_idle() < self.size() as usize {
                        assert!(
                            began.elapsed() < Duration::from_secs(5),
                            "a connection is out"
                        );
                        tokio::task::yield_now().await;
                    }
                    let query = sqlx::query_scalar::<_, i64>($read).bind(program);
                    set(query.fetch_all(self).await.unwrap())
                })
            }
        }
    };
}

fn set(rows: Vec<i64>) -> BTreeSet<u32> {
    rows.into_iter()
        .map(|row| u32::try_from(row).unwrap())
        .collect()
}

backend!(
    SqlitePool,
    "INSERT INTO entry VALUES (?, ?)",
    "SELECT number FROM entry WHERE program = ?",
    Database {
        single_writer: true,
        aborts: false,
    },
    Isolation::Serializable
);

backend!(
    PgPool,
    "INSERT INTO entry VALUES ($1, $2)",
    "SELECT number FROM entry WHERE program = $1",
    Database {
        single_writer: false,
        aborts: true,
    },
    Isolation::ReadCommitted
);

backend!(
    MySqlPool,
    "INSERT INTO entry VALUES (?, ?)",
    "SELECT number FROM entry WHERE program = ?",
    Database {
        single_writer: false,
        aborts: false,
    },
    Isolation::ReadCommitted
);

const TABLES: [&str; 3] = [
    "CREATE TABLE entry (program BIGINT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (program, number))",
    "CREATE TABLE taken (number BIGINT NOT NULL PRIMARY KEY)",
    BAD,
];

/// SQLite in a folder, which goes with it.
pub(crate) async fn sqlite() -> (tempfile::TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("model.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(1));
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_with(options)
        .await
        .unwrap();
    for sql in TABLES {
        pool.execute(sql).await.unwrap();
    }
    (folder, pool)
}

pub(crate) async fn postgres(url: &str) -> PgPool {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_with(PgConnectOptions::from_str(url).unwrap())
        .await
        .unwrap();
    for sql in ["DROP TABLE IF EXISTS entry", "DROP TABLE IF EXISTS taken"]
        .into_iter()
        .chain(TABLES)
    {
        pool.execute(sql).await.unwrap();
    }
    pool
}

/// MariaDB, where who reads sees what others have committed: by itself it goes on showing what was
/// there first.
pub(crate) async fn mariadb(url: &str) -> MySqlPool {
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let sql = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                connection.execute(sql).await?;
                Ok(())
            })
        })
        .connect_with(MySqlConnectOptions::from_str(url).unwrap())
        .await
        .unwrap();
    for sql in ["DROP TABLE IF EXISTS entry", "DROP TABLE IF EXISTS taken"]
        .into_iter()
        .chain(TABLES)
    {
        pool.execute(sql).await.unwrap();
    }
    pool
}
