//! The databases that the table is run on: SQLite, PostgreSQL by two drivers, and MariaDB.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use settled_test_servers::{MariaDb, Postgres};
use settled_transaction::SqlxConnection;
use settled_transaction::driver::Driver;
use sqlx::mysql::{MySqlConnection, MySqlPoolOptions};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySql, MySqlPool, PgPool, Row, SqlitePool};

/// What a database says of a statement that it refuses.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its words.
    pub words: String,
    /// Its code.
    pub code: String,
}

/// The first column of what a statement answers.
pub type Answer = Result<Vec<String>, Said>;

/// A pool, with what the interpreter needs of it.
pub trait Base: Driver {
    /// Sends a statement.
    fn send(connection: &mut Self::Connection, sql: String) -> BoxFuture<'_, Answer>;

    /// Whether an error has ended the whole transaction.
    fn ends(said: &Said) -> bool {
        let _ = said;
        false
    }

    /// Whether an error is for the one writer's sake.
    fn is_for_the_writer(said: &Said) -> bool {
        let _ = said;
        false
    }

    /// A statement that each database has in its own words.
    fn sql(name: &str) -> Option<&'static str>;
}

/// A database that runs, to which pools can be made.
pub trait Database: Send + Sync + 'static {
    /// Its pool.
    type Pool: Base;

    /// Its name in the report.
    const NAME: &'static str;
    /// Its names in the table, for what differs there.
    const KEYS: &'static [&'static str];

    /// A pool with so many connections.
    fn pool(&self, size: u32, other: bool) -> BoxFuture<'_, Result<Self::Pool, String>>;

    /// Sends a statement on a fresh connection, outside of every pool.
    fn fresh(&self, sql: String, other: bool) -> BoxFuture<'_, Result<Vec<String>, String>>;

    /// Makes empty tables for a case.
    fn clear(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Closes a connection from outside, where that can be done.
    fn kill(&self, connection: &str) -> Option<String>;

    /// Whether another pool is another database.
    const OTHER_IS_APART: bool = false;
}

/// How long a pool waits for a connection: longer than a row may take, so that no row waits to the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tables of a case.
const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS entry (what VARCHAR(40) NOT NULL)",
    "CREATE TABLE IF NOT EXISTS counter (name VARCHAR(40) PRIMARY KEY, n INT NOT NULL)",
    "DELETE FROM entry",
    "DELETE FROM counter",
    "INSERT INTO counter VALUES ('x', 0), ('y', 0)",
];

fn said(error: sqlx::Error) -> Said {
    let code = match &error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(|error| error.number().to_string())
            .or_else(|| error.code().map(Into::into)),
        _ => None,
    };
    Said {
        words: error.to_string(),
        code: code.unwrap_or_default(),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Sends a text on a connection of `sqlx`, and takes the first column of its rows.
macro_rules! answer {
    ($connection:expr, $sql:expr) => {
        async {
            let sql = sqlx::raw_sql(AssertSqlSafe($sql));
            let rows = sql.fetch_all($connection).await?;
            rows.iter()
                .map(|row| row.try_get::<String, _>(0))
                .collect::<sqlx::Result<Vec<_>>>()
        }
    };
}

impl Base for SqlitePool {
    fn send(connection: &mut SqlxConnection<sqlx::Sqlite>, sql: String) -> BoxFuture<'_, Answer> {
        Box::pin(async move { answer!(&mut **connection, sql).await.map_err(said) })
    }

    fn is_for_the_writer(said: &Said) -> bool {
        said.code == "5"
    }

    fn sql(name: &str) -> Option<&'static str> {
        Some(match name {
            "broken" => "INSERT INTO entry VALUES (NULL)",
            "ddl" => "DROP TABLE IF EXISTS never_there",
            "ends" => "INSERT OR ROLLBACK INTO counter VALUES ('x', 1)",
            "session_reads" => "PRAGMA query_only = ON",
            "isolation" => "SELECT 'serializable'",
            "read_only" => {
                "SELECT CASE query_only WHEN 1 THEN 'on' ELSE 'off' END FROM pragma_query_only"
            }
            "time" => "SELECT 'none'",
            _ => return None,
        })
    }
}

impl Base for MySqlPool {
    fn send(connection: &mut SqlxConnection<MySql>, sql: String) -> BoxFuture<'_, Answer> {
        Box::pin(async move { answer!(&mut **connection, sql).await.map_err(said) })
    }

    fn ends(said: &Said) -> bool {
        said.code == "1213"
    }

    fn sql(name: &str) -> Option<&'static str> {
        Some(match name {
            "broken" => "INSERT INTO entry VALUES (NULL)",
            "ddl" => "DROP TABLE IF EXISTS never_there",
            "autocommit_off" => "SET autocommit = 0",
            "autocommit" => "SELECT CASE @@autocommit WHEN 1 THEN 'on' ELSE 'off' END",
            "session_reads" => "SET SESSION TRANSACTION READ ONLY",
            "isolation" => {
                "SELECT LOWER(COALESCE((SELECT trx_isolation_level FROM information_schema.innodb_trx \
                 WHERE trx_mysql_thread_id = CONNECTION_ID()), REPLACE(@@tx_isolation, '-', ' ')))"
            }
            "read_only" => {
                "SELECT CASE WHEN @@tx_read_only = 1 OR EXISTS (SELECT 1 FROM \
                 information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID() AND \
                 trx_is_read_only = 1) THEN 'on' ELSE 'off' END"
            }
            "time" => "SELECT 'none'",
            "own" => "SELECT CAST(CONNECTION_ID() AS CHAR)",
            _ => return None,
        })
    }
}

fn postgres_sql(name: &str) -> Option<&'static str> {
    Some(match name {
        "broken" => "INSERT INTO entry VALUES (NULL)",
        "ddl" => "DROP TABLE IF EXISTS never_there",
        "session_reads" => "SET default_transaction_read_only = on",
        "isolation" => "SHOW transaction_isolation",
        "read_only" => "SHOW transaction_read_only",
        "time" => {
            "SELECT CASE setting WHEN '0' THEN 'none' ELSE 'some' END FROM pg_settings \
             WHERE name = 'statement_timeout'"
        }
        "own" => "SELECT pg_backend_pid()::text",
        _ => return None,
    })
}

impl Base for PgPool {
    fn send(connection: &mut SqlxConnection<sqlx::Postgres>, sql: String) -> BoxFuture<'_, Answer> {
        Box::pin(async move { answer!(&mut **connection, sql).await.map_err(said) })
    }

    fn sql(name: &str) -> Option<&'static str> {
        postgres_sql(name)
    }
}

impl Base for deadpool_postgres::Pool {
    fn send(connection: &mut deadpool_postgres::Object, sql: String) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let rows = connection.simple_query(&sql).await;
            let rows = rows.map_err(|error| Said {
                words: error.to_string(),
                code: error
                    .code()
                    .map_or_else(String::new, |code| code.code().to_owned()),
            })?;
            let first = rows.iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(ToOwned::to_owned),
                _ => None,
            });
            Ok(first.collect())
        })
    }

    fn sql(name: &str) -> Option<&'static str> {
        postgres_sql(name)
    }
}

/// SQLite: a file for each case, and another one for the other pool.
pub struct Files {
    folder: tempfile::TempDir,
    number: Mutex<u32>,
}

impl Files {
    /// In a folder of their own.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            folder: tempfile::tempdir().map_err(text)?,
            number: Mutex::new(0),
        })
    }

    fn options(&self, other: bool) -> SqliteConnectOptions {
        let number = self
            .number
            .lock()
            .map_or_else(|broken| *broken.into_inner(), |number| *number);
        let name = if other { "other" } else { "case" };
        SqliteConnectOptions::new()
            .filename(self.folder.path().join(format!("{name}-{number}.db")))
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Off)
    }
}

impl Database for Files {
    type Pool = SqlitePool;

    const NAME: &'static str = "SQLite";
    const KEYS: &'static [&'static str] = &["sqlite"];
    const OTHER_IS_APART: bool = true;

    fn pool(&self, size: u32, other: bool) -> BoxFuture<'_, Result<SqlitePool, String>> {
        Box::pin(async move {
            let options = SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(PATIENCE);
            options
                .connect_with(self.options(other))
                .await
                .map_err(text)
        })
    }

    fn fresh(&self, sql: String, other: bool) -> BoxFuture<'_, Result<Vec<String>, String>> {
        Box::pin(async move {
            let mut connection = self.options(other).connect().await.map_err(text)?;
            let answer = answer!(&mut connection, sql).await.map_err(text);
            connection.close().await.map_err(text)?;
            answer
        })
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        if let Ok(mut number) = self.number.lock() {
            *number += 1;
        }
        Box::pin(async {
            let tables = TABLES.join(";");
            self.fresh(tables.clone(), false).await?;
            self.fresh(tables, true).await?;
            Ok(())
        })
    }

    fn kill(&self, _connection: &str) -> Option<String> {
        None
    }
}

async fn clear_server(database: &impl Database) -> Result<(), String> {
    database.fresh(TABLES.join(";"), false).await.map(drop)
}

fn terminate(connection: &str) -> String {
    format!("SELECT pg_terminate_backend({connection})::text")
}

async fn fresh_postgres(server: &Postgres, sql: String) -> Result<Vec<String>, String> {
    let mut connection = PgConnection::connect(&server.url()).await.map_err(text)?;
    let answer = answer!(&mut connection, sql).await.map_err(text);
    connection.close().await.map_err(text)?;
    answer
}

impl Database for Postgres {
    type Pool = PgPool;

    const NAME: &'static str = "PostgreSQL";
    const KEYS: &'static [&'static str] = &["postgres"];

    fn pool(&self, size: u32, _other: bool) -> BoxFuture<'_, Result<PgPool, String>> {
        Box::pin(async move {
            let options = PgPoolOptions::new()
                .max_connections(size)
                .acquire_timeout(PATIENCE);
            options.connect(&self.url()).await.map_err(text)
        })
    }

    fn fresh(&self, sql: String, _other: bool) -> BoxFuture<'_, Result<Vec<String>, String>> {
        Box::pin(fresh_postgres(self, sql))
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(clear_server(self))
    }

    fn kill(&self, connection: &str) -> Option<String> {
        Some(terminate(connection))
    }
}

/// PostgreSQL by `tokio-postgres`: a server of its own, so that the two are no trouble to each other.
pub struct ByTokioPostgres(pub Postgres);

impl Database for ByTokioPostgres {
    type Pool = deadpool_postgres::Pool;

    const NAME: &'static str = "PostgreSQL (tokio-postgres)";
    const KEYS: &'static [&'static str] = &["tokio_postgres", "postgres"];

    fn pool(
        &self,
        size: u32,
        _other: bool,
    ) -> BoxFuture<'_, Result<deadpool_postgres::Pool, String>> {
        Box::pin(async move {
            let config: tokio_postgres::Config = self.0.url().parse().map_err(text)?;
            let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
            deadpool_postgres::Pool::builder(manager)
                .max_size(size as usize)
                .wait_timeout(Some(PATIENCE))
                .runtime(deadpool_postgres::Runtime::Tokio1)
                .build()
                .map_err(text)
        })
    }

    fn fresh(&self, sql: String, _other: bool) -> BoxFuture<'_, Result<Vec<String>, String>> {
        Box::pin(fresh_postgres(&self.0, sql))
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(clear_server(self))
    }

    fn kill(&self, connection: &str) -> Option<String> {
        Some(terminate(connection))
    }
}

impl Database for MariaDb {
    type Pool = MySqlPool;

    const NAME: &'static str = "MariaDB";
    const KEYS: &'static [&'static str] = &["mariadb"];

    fn pool(&self, size: u32, _other: bool) -> BoxFuture<'_, Result<MySqlPool, String>> {
        Box::pin(async move {
            let options = MySqlPoolOptions::new()
                .max_connections(size)
                .acquire_timeout(PATIENCE);
            options.connect(&self.url()).await.map_err(text)
        })
    }

    fn fresh(&self, sql: String, _other: bool) -> BoxFuture<'_, Result<Vec<String>, String>> {
        Box::pin(async move {
            let connection = MySqlConnection::connect(&self.url()).await;
            let mut connection = connection.map_err(text)?;
            let answer = answer!(&mut connection, sql).await.map_err(text);
            connection.close().await.map_err(text)?;
            answer
        })
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(clear_server(self))
    }

    fn kill(&self, connection: &str) -> Option<String> {
        Some(format!("KILL {connection}"))
    }
}
