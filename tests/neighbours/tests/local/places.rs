//! The databases of the tests: one of its own for each test, behind a proxy where there is a wire.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use settled::local::{self, LocalPool};
use settled::transaction::{Begun, Error, Transactions, Tx};
use settled_test_servers::{MariaDb, NoServer, Postgres, Proxy, skip};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A service's database with one table of its own, `business (what)`.
pub(crate) trait Place: Sized + Send + Sync + 'static {
    type Pool: LocalPool;

    async fn new() -> Result<Self, NoServer>;
    /// A pool of so many connections at most, through the proxy where there is one.
    async fn pool(&self, connections: u32) -> Self::Pool;
    /// The business write.
    fn write(
        transaction: &Tx<Self::Pool>,
        what: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Some statement outside of any transaction, on whatever connection the pool gives.
    async fn write_alone(pool: &Self::Pool, sql: &str);
    /// What a select of one text column gives, on a connection of its own.
    async fn select(&self, sql: &str) -> Vec<String>;
    fn proxy(&self) -> Option<&Proxy> {
        None
    }

    async fn business(&self) -> Vec<String> {
        self.select("SELECT what FROM business").await
    }
}

/// The transactions of a pool.
pub(crate) fn books<P: LocalPool>(pool: &P) -> Transactions<P> {
    Transactions::new(pool.clone())
}

/// A transaction that is ended by hand.
pub(crate) async fn begin<P: LocalPool>(pool: &P) -> Begun<P> {
    books(pool).required().begin().await.unwrap()
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
            Ok(place) => {
                local::create_tables(&place.pool(1).await).await.unwrap();
                test(place).await;
            }
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

const BUSINESS: &str = "CREATE TABLE business (what VARCHAR(200) NOT NULL)";

fn database() -> String {
    format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed))
}

// --- SQLite by sqlx

pub(crate) struct SqlxSqlite {
    pub(crate) folder: tempfile::TempDir,
}

impl SqlxSqlite {
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("service.db")
    }

    fn options(&self) -> sqlx::sqlite::SqliteConnectOptions {
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
    }
}

impl Place for SqlxSqlite {
    type Pool = sqlx::SqlitePool;

    async fn new() -> Result<Self, NoServer> {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        Self::write_alone(&place.pool(1).await, BUSINESS).await;
        Ok(place)
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(connections)
            .connect_with(self.options())
            .await
            .unwrap()
    }

    async fn write(transaction: &Tx<Self::Pool>, what: &str) -> Result<(), Failure> {
        sqlx::query("INSERT INTO business (what) VALUES (?1)")
            .bind(what)
            .execute(transaction)
            .await?;
        Ok(())
    }

    async fn write_alone(pool: &Self::Pool, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(pool).await.unwrap();
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        use sqlx::ConnectOptions;
        let mut connection = self.options().connect().await.unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }
}

// --- PostgreSQL, by sqlx and by tokio-postgres

pub(crate) struct PostgresPlace {
    server: Arc<Postgres>,
    proxy: Proxy,
    database: String,
}

impl PostgresPlace {
    async fn new() -> Result<Self, NoServer> {
        let server = tokio::task::spawn_blocking(|| shared(&POSTGRES, Postgres::start))
            .await
            .unwrap()?;
        let database = database();
        let place = Self {
            proxy: Proxy::start(server.port()).await.unwrap(),
            server,
            database,
        };
        place
            .execute("postgres", &format!("CREATE DATABASE {}", place.database))
            .await;
        place.execute(&place.database, BUSINESS).await;
        Ok(place)
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

    async fn client(&self, database: &str) -> tokio_postgres::Client {
        let config = Self::config(self.server.port(), database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn execute(&self, database: &str, sql: &str) {
        self.client(database)
            .await
            .batch_execute(sql)
            .await
            .unwrap();
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        let client = self.client(&self.database).await;
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub(crate) struct SqlxPostgres(PostgresPlace);

impl SqlxPostgres {
    /// With a schema that the connection's search path names.
    pub(crate) async fn pool_in_schema(&self, schema: &str) -> sqlx::PgPool {
        let options = self.options().options([("search_path", schema)]);
        sqlx::PgPool::connect_with(options).await.unwrap()
    }

    fn options(&self) -> sqlx::postgres::PgConnectOptions {
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

    async fn write(transaction: &Tx<Self::Pool>, what: &str) -> Result<(), Failure> {
        sqlx::query("INSERT INTO business (what) VALUES ($1)")
            .bind(what)
            .execute(transaction)
            .await?;
        Ok(())
    }

    async fn write_alone(pool: &Self::Pool, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(pool).await.unwrap();
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        self.0.select(sql).await
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

    async fn write(transaction: &Tx<Self::Pool>, what: &str) -> Result<(), Failure> {
        let sql = "INSERT INTO business (what) VALUES ($1)";
        transaction
            .with(async |client: &mut deadpool_postgres::Object| {
                client.execute(sql, &[&what]).await.map_err(Error::from)
            })
            .await?;
        Ok(())
    }

    async fn write_alone(pool: &Self::Pool, sql: &str) {
        pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        self.0.select(sql).await
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.0.proxy)
    }
}

// --- MariaDB by sqlx

pub(crate) struct SqlxMySql {
    server: Arc<MariaDb>,
    proxy: Proxy,
    database: String,
}

impl SqlxMySql {
    fn options(&self, port: u16) -> sqlx::mysql::MySqlConnectOptions {
        sqlx::mysql::MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(port)
            .username("root")
            .ssl_mode(sqlx::mysql::MySqlSslMode::Disabled)
            .database(&self.database)
    }
}

impl Place for SqlxMySql {
    type Pool = sqlx::MySqlPool;

    async fn new() -> Result<Self, NoServer> {
        let server = tokio::task::spawn_blocking(|| shared(&MARIADB, MariaDb::start))
            .await
            .unwrap()?;
        let database = database();
        let place = Self {
            proxy: Proxy::start(server.port()).await.unwrap(),
            server,
            database,
        };
        let create = format!("CREATE DATABASE {}", place.database);
        let admin = place.options(place.server.port()).database("settled");
        let admin = sqlx::MySqlPool::connect_with(admin).await.unwrap();
        Self::write_alone(&admin, &create).await;
        Self::write_alone(&place.pool(1).await, BUSINESS).await;
        Ok(place)
    }

    async fn pool(&self, connections: u32) -> Self::Pool {
        sqlx::mysql::MySqlPoolOptions::new()
            .max_connections(connections)
            .connect_with(self.options(self.proxy.port()))
            .await
            .unwrap()
    }

    async fn write(transaction: &Tx<Self::Pool>, what: &str) -> Result<(), Failure> {
        sqlx::query("INSERT INTO business (what) VALUES (?)")
            .bind(what)
            .execute(transaction)
            .await?;
        Ok(())
    }

    async fn write_alone(pool: &Self::Pool, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(pool).await.unwrap();
    }

    async fn select(&self, sql: &str) -> Vec<String> {
        use sqlx::ConnectOptions;
        let options = self.options(self.server.port());
        let mut connection = options.connect().await.unwrap();
        let sql = sql.replace(" key ", " `key` ");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
}
