//! The databases of the tests: one of its own for each test, behind a proxy where there is a wire, with
//! somebody apart who sees what is committed and what is still open.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use settled_test_servers::{MariaDb, NoServer, Postgres, Proxy, skip};
use settled_transaction::driver::Driver;
use settled_transaction::{Error, Tx};
use sqlx::AssertSqlSafe;

pub(crate) type Connection<P> = <<P as Place>::Pool as Driver>::Connection;

/// A database with two tables: `entry (what)`, and `stock (id, held)` with the rows 1 and 2.
pub(crate) trait Place: Sized + Sync + 'static {
    type Pool: Driver;

    async fn new() -> Result<Self, NoServer>;
    /// A pool of so many connections at most, through the proxy where there is one.
    async fn pool(&self, connections: u32) -> Self::Pool;
    /// One statement within a scope, as programs send it.
    async fn run(tx: &Tx<Self::Pool>, sql: &str) -> Result<(), Error>;
    /// A row, by a statement with a parameter that is prepared first.
    async fn write(tx: &Tx<Self::Pool>, what: &str) -> Result<(), Error>;
    /// A text on a connection, as it is.
    async fn on(connection: &mut Connection<Self>, sql: &str) -> Result<(), Error>;
    /// The one text that a query gives.
    async fn ask(connection: &mut Connection<Self>, sql: &str) -> Result<String, Error>;
    /// What a select of one text column gives, apart from every pool.
    async fn select(&self, sql: &str) -> Vec<String>;
    /// How many transactions are open at the database, where it can say so.
    async fn open(&self) -> usize;
    fn proxy(&self) -> Option<&Proxy> {
        None
    }

    /// A statement on the driver's own connection, whose error is kept from the manager. Whether it
    /// succeeded.
    async fn hidden(tx: &Tx<Self::Pool>, sql: &str) -> Result<bool, Error> {
        tx.with(async |connection| Ok(Self::on(connection, sql).await.is_ok()))
            .await
    }

    /// What is committed.
    async fn rows(&self) -> Vec<String> {
        self.select("SELECT what FROM entry ORDER BY what").await
    }
}

/// Runs a test, or says that it cannot run.
pub(crate) fn run<P: Place, F: Future<Output = ()>>(name: &str, test: impl FnOnce(P) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match P::new().await {
            Ok(place) => test(place).await,
            Err(NoServer::NotInstalled(why)) => skip(&name.replace("::", "."), &why),
            Err(error) => panic!("{error}"),
        }
    });
}

/// A server that all tests share; it ends with this process.
fn shared<S>(
    server: &Mutex<Option<Arc<S>>>,
    start: impl FnOnce() -> Result<S, NoServer>,
) -> Result<Arc<S>, NoServer> {
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = &*server {
        return Ok(Arc::clone(running));
    }
    let started = Arc::new(start()?);
    *server = Some(Arc::clone(&started));
    Ok(started)
}

static POSTGRES: Mutex<Option<Arc<Postgres>>> = Mutex::new(None);
static MARIADB: Mutex<Option<Arc<MariaDb>>> = Mutex::new(None);
static DATABASES: AtomicU32 = AtomicU32::new(0);

const TABLES: &str = "CREATE TABLE entry (what VARCHAR(200) NOT NULL);
    CREATE TABLE stock (id INT PRIMARY KEY, held INT NOT NULL);
    INSERT INTO stock VALUES (1, 0), (2, 0)";

fn database() -> String {
    format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed))
}

/// What all drivers of sqlx do in the same words.
macro_rules! by_sqlx {
    ($parameter:literal) => {
        async fn run(tx: &Tx<Self::Pool>, sql: &str) -> Result<(), Error> {
            let sql = AssertSqlSafe(sql.to_owned());
            sqlx::query(sql).execute(tx).await?;
            Ok(())
        }

        async fn write(tx: &Tx<Self::Pool>, what: &str) -> Result<(), Error> {
            // A text of its own, so that it is prepared each time.
            let sql = concat!("INSERT INTO entry VALUES (", $parameter, ")");
            let sql = AssertSqlSafe(format!("{sql} /* {what} */"));
            sqlx::query(sql).bind(what).execute(tx).await?;
            Ok(())
        }

        async fn on(connection: &mut Connection<Self>, sql: &str) -> Result<(), Error> {
            let sql = AssertSqlSafe(sql.to_owned());
            sqlx::raw_sql(sql).execute(&mut **connection).await?;
            Ok(())
        }

        async fn ask(connection: &mut Connection<Self>, sql: &str) -> Result<String, Error> {
            let sql = AssertSqlSafe(sql.to_owned());
            Ok(sqlx::query_scalar(sql).fetch_one(&mut **connection).await?)
        }
    };
}

// --- SQLite by sqlx

pub(crate) struct SqlxSqlite {
    pub(crate) folder: tempfile::TempDir,
    apart: sqlx::SqlitePool,
}

impl SqlxSqlite {
    pub(crate) fn options(folder: &tempfile::TempDir) -> sqlx::sqlite::SqliteConnectOptions {
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.path().join("books.db"))
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
    }
}

impl Place for SqlxSqlite {
    type Pool = sqlx::SqlitePool;

    async fn new() -> Result<Self, NoServer> {
        let folder = tempfile::tempdir().unwrap();
        let apart = sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(Self::options(&folder))
            .await
            .unwrap();
        sqlx::raw_sql(TABLES).execute(&apart).await.unwrap();
        Ok(Self { folder, apart })
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(connections)
            .connect_with(Self::options(&self.folder))
            .await
            .unwrap()
    }

    by_sqlx!("?");

    async fn select(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = sqlx::query_scalar(sql).fetch_all(&self.apart);
        rows.await.unwrap()
    }

    async fn open(&self) -> usize {
        // It keeps no list; but while one writes, nobody else can.
        0
    }
}

// --- PostgreSQL, by sqlx and by tokio-postgres

pub(crate) struct PostgresPlace {
    _server: Arc<Postgres>,
    proxy: Proxy,
    database: String,
    apart: tokio_postgres::Client,
}

impl PostgresPlace {
    async fn new() -> Result<Self, NoServer> {
        let server = tokio::task::spawn_blocking(|| shared(&POSTGRES, Postgres::start))
            .await
            .unwrap()?;
        let database = database();
        let port = server.port();
        let first = Self::client(port, "postgres").await;
        let create = format!("CREATE DATABASE {database}");
        first.batch_execute(&create).await.unwrap();
        let apart = Self::client(port, &database).await;
        apart.batch_execute(TABLES).await.unwrap();
        Ok(Self {
            proxy: Proxy::start(port).await.unwrap(),
            _server: server,
            database,
            apart,
        })
    }

    fn config(port: u16, database: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(port)
            .user("postgres")
            .dbname(database);
        config
    }

    async fn client(port: u16, database: &str) -> tokio_postgres::Client {
        let config = Self::config(port, database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        let rows = self.apart.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn open(&self) -> usize {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
        let row = self.apart.query_one(sql, &[]).await.unwrap();
        row.get::<_, i64>(0) as usize
    }
}

pub(crate) struct SqlxPostgres(PostgresPlace);

impl SqlxPostgres {
    pub(crate) fn options(&self) -> sqlx::postgres::PgConnectOptions {
        sqlx::postgres::PgConnectOptions::new()
            .host("127.0.0.1")
            .port(self.0.proxy.port())
            .username("postgres")
            .database(&self.0.database)
            .ssl_mode(sqlx::postgres::PgSslMode::Disable)
    }
}

impl Place for SqlxPostgres {
    type Pool = sqlx::PgPool;

    async fn new() -> Result<Self, NoServer> {
        PostgresPlace::new().await.map(Self)
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        sqlx::postgres::PgPoolOptions::new()
            .max_connections(connections)
            .connect_with(self.options())
            .await
            .unwrap()
    }

    by_sqlx!("$1");

    async fn select(&self, sql: &str) -> Vec<String> {
        self.0.select(sql).await
    }

    async fn open(&self) -> usize {
        self.0.open().await
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.0.proxy)
    }
}

pub(crate) struct TokioPostgres(PostgresPlace);

impl Place for TokioPostgres {
    type Pool = deadpool_postgres::Pool;

    async fn new() -> Result<Self, NoServer> {
        PostgresPlace::new().await.map(Self)
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        let config = PostgresPlace::config(self.0.proxy.port(), &self.0.database);
        let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
        deadpool_postgres::Pool::builder(manager)
            .max_size(connections as usize)
            .build()
            .unwrap()
    }

    async fn run(tx: &Tx<Self::Pool>, sql: &str) -> Result<(), Error> {
        tx.with(async |client| {
            client.execute(sql, &[]).await?;
            Ok(())
        })
        .await
    }

    async fn write(tx: &Tx<Self::Pool>, what: &str) -> Result<(), Error> {
        tx.with(async |client| {
            let sql = "INSERT INTO entry VALUES ($1)";
            client.execute(sql, &[&what]).await?;
            Ok(())
        })
        .await
    }

    async fn on(connection: &mut Connection<Self>, sql: &str) -> Result<(), Error> {
        connection.batch_execute(sql).await?;
        Ok(())
    }

    async fn ask(connection: &mut Connection<Self>, sql: &str) -> Result<String, Error> {
        Ok(connection.query_one(sql, &[]).await?.get(0))
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        self.0.select(sql).await
    }

    async fn open(&self) -> usize {
        self.0.open().await
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.0.proxy)
    }
}

// --- MariaDB by sqlx

pub(crate) struct SqlxMySql {
    _server: Arc<MariaDb>,
    proxy: Proxy,
    database: String,
    apart: sqlx::MySqlPool,
}

impl SqlxMySql {
    fn options(port: u16, database: &str) -> sqlx::mysql::MySqlConnectOptions {
        sqlx::mysql::MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(port)
            .username("root")
            .ssl_mode(sqlx::mysql::MySqlSslMode::Disabled)
            .database(database)
    }

    fn pools(connections: u32) -> sqlx::mysql::MySqlPoolOptions {
        sqlx::mysql::MySqlPoolOptions::new().max_connections(connections)
    }
}

impl Place for SqlxMySql {
    type Pool = sqlx::MySqlPool;

    async fn new() -> Result<Self, NoServer> {
        let server = tokio::task::spawn_blocking(|| shared(&MARIADB, MariaDb::start))
            .await
            .unwrap()?;
        let database = database();
        let port = server.port();
        let first = Self::options(port, "settled");
        let first = Self::pools(1).connect_with(first).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
        sqlx::raw_sql(create).execute(&first).await.unwrap();
        first.close().await;
        let apart = Self::options(port, &database);
        let apart = Self::pools(1).connect_with(apart).await.unwrap();
        sqlx::raw_sql(TABLES).execute(&apart).await.unwrap();
        Ok(Self {
            proxy: Proxy::start(port).await.unwrap(),
            _server: server,
            database,
            apart,
        })
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        let options = Self::options(self.proxy.port(), &self.database);
        Self::pools(connections)
            .connect_with(options)
            .await
            .unwrap()
    }

    by_sqlx!("?");

    async fn select(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = sqlx::query_scalar(sql).fetch_all(&self.apart);
        rows.await.unwrap()
    }

    async fn open(&self) -> usize {
        // Its list is renewed only when nobody has looked for a while; its locks tell at once.
        0
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
}
