//! What transactions by scopes cost beside the driver's own, on SQLite, PostgreSQL and MariaDB.
//!
//! `cargo run --release -p settled-transaction-tests --bin cost [threads]`. The two sides take turns, so
//! that a busy moment of the machine is both's; ratios are of neighbours in time. `threads` runs it on a
//! runtime of several threads instead of one.

use std::fmt::Display;
use std::time::{Duration, Instant};

use settled_test_servers::{MariaDb, NoServer, Postgres};
use settled_transaction::{Error, Transactions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, MySqlPool, PgPool, SqlitePool};

type Failed = Box<dyn std::error::Error>;

/// How often each side has its turn.
const ROUNDS: usize = 25;
/// Transactions of one turn.
const TRANSACTIONS: u32 = 200;
/// Statements, savepoints or inner transactions within a transaction.
const WITHIN: u32 = 200;
/// Joins of one turn.
const JOINS: u32 = 20_000;

/// The middle and the least of all turns.
struct Times(Vec<f64>);

impl Times {
    fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn least(&self) -> f64 {
        self.0[0]
    }
}

fn each(turn: Duration, times: u32) -> f64 {
    turn.as_secs_f64() * 1e6 / f64::from(times)
}

fn line(what: &str, cells: [&dyn Display; 5]) {
    let [bare, least_bare, ours, least, ratio] = cells;
    println!("| {what:<34} | {bare:>8} | {least_bare:>8} | {ours:>8} | {least:>8} | {ratio:>6} |");
}

/// Two ways to do the same thing, in turns. What they return is how long `times` of it took.
async fn compare<B, O>(what: &str, times: u32, bare: B, ours: O) -> Result<(), Failed>
where
    B: AsyncFn() -> Result<Duration, Failed>,
    O: AsyncFn() -> Result<Duration, Failed>,
{
    let (mut bares, mut all, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    bare().await?;
    ours().await?;
    // Whoever is first after the other may find things warm: each is first as often.
    for round in 0..ROUNDS {
        let (one, other) = if round % 2 == 0 {
            let one = bare().await?;
            (one, ours().await?)
        } else {
            let other = ours().await?;
            (bare().await?, other)
        };
        bares.push(each(one, times));
        all.push(each(other, times));
        ratios.push(other.as_secs_f64() / one.as_secs_f64());
    }
    let (bares, all, ratios) = (Times::new(bares), Times::new(all), Times::new(ratios));
    let micros = |time: f64| format!("{time:.1}");
    line(
        what,
        [
            &micros(bares.median()),
            &micros(bares.least()),
            &micros(all.median()),
            &micros(all.least()),
            &format!("{:.2}", ratios.median()),
        ],
    );
    Ok(())
}

/// What has nothing to be compared with.
async fn alone(
    what: &str,
    times: u32,
    ours: impl AsyncFn() -> Result<Duration, Failed>,
) -> Result<(), Failed> {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        all.push(each(ours().await?, times));
    }
    let all = Times::new(all);
    let micros = |time: f64| format!("{time:.3}");
    line(
        what,
        [&"", &"", &micros(all.median()), &micros(all.least()), &""],
    );
    Ok(())
}

macro_rules! costs {
    ($name:ident, $pool:ty, $insert:literal) => {
        async fn $name(title: &str, pool: &$pool) -> Result<(), Failed> {
            println!("\n{title}, microseconds each\n");
            line("", [&"bare", &"least", &"scopes", &"least", &"ratio"]);
            line("---", [&"---", &"---", &"---", &"---", &"---"]);
            let books = Transactions::new(pool.clone());
            let insert = || sqlx::query($insert).bind(1_i64);
            let bare = async || {
                let began = Instant::now();
                for _ in 0..TRANSACTIONS {
                    let mut tx = pool.begin().await?;
                    insert().execute(&mut *tx).await?;
                    tx.commit().await?;
                }
                Ok(began.elapsed())
            };
            compare("begin, insert, commit", TRANSACTIONS, bare, async || {
                let began = Instant::now();
                for _ in 0..TRANSACTIONS {
                    let scope = books.required();
                    scope
                        .run(async |tx| {
                            insert().execute(tx).await?;
                            Ok::<_, Error>(())
                        })
                        .await?;
                }
                Ok(began.elapsed())
            })
            .await?;
            // Twice the same: how far these ratios can be believed.
            compare("the same, bare on both sides", TRANSACTIONS, bare, bare).await?;
            compare(
                "insert within a transaction",
                WITHIN,
                async || {
                    let mut tx = pool.begin().await?;
                    let began = Instant::now();
                    for _ in 0..WITHIN {
                        insert().execute(&mut *tx).await?;
                    }
                    let took = began.elapsed();
                    tx.rollback().await?;
                    Ok(took)
                },
                async || {
                    let scope = books.required();
                    let took = scope.run(async |tx| {
                        let began = Instant::now();
                        for _ in 0..WITHIN {
                            insert().execute(tx).await?;
                        }
                        let took = began.elapsed();
                        tx.mark_rollback_only()?;
                        Ok::<_, Error>(took)
                    });
                    Ok(took.await?)
                },
            )
            .await?;
            compare(
                "savepoint, insert, release",
                WITHIN,
                async || {
                    let mut tx = pool.begin().await?;
                    let began = Instant::now();
                    for _ in 0..WITHIN {
                        let mut inner = tx.begin().await?;
                        insert().execute(&mut *inner).await?;
                        inner.commit().await?;
                    }
                    let took = began.elapsed();
                    tx.rollback().await?;
                    Ok(took)
                },
                async || {
                    let scope = books.required();
                    let took = scope.run(async |tx| {
                        let began = Instant::now();
                        for _ in 0..WITHIN {
                            let nested = tx.nested();
                            nested
                                .run(async |tx| {
                                    insert().execute(tx).await?;
                                    Ok::<_, Error>(())
                                })
                                .await?;
                        }
                        let took = began.elapsed();
                        tx.mark_rollback_only()?;
                        Ok::<_, Error>(took)
                    });
                    Ok(took.await?)
                },
            )
            .await?;
            compare(
                "another transaction meanwhile",
                WITHIN,
                async || {
                    let tx = pool.begin().await?;
                    let began = Instant::now();
                    for _ in 0..WITHIN {
                        let mut other = pool.begin().await?;
                        insert().execute(&mut *other).await?;
                        other.commit().await?;
                    }
                    let took = began.elapsed();
                    tx.rollback().await?;
                    Ok(took)
                },
                async || {
                    let scope = books.required().deferred();
                    let took = scope.run(async |tx| {
                        let began = Instant::now();
                        for _ in 0..WITHIN {
                            let other = tx.requires_new();
                            other
                                .run(async |tx| {
                                    insert().execute(tx).await?;
                                    Ok::<_, Error>(())
                                })
                                .await?;
                        }
                        Ok::<_, Error>(began.elapsed())
                    });
                    Ok(took.await?)
                },
            )
            .await?;
            alone("joining, by handle", JOINS, async || {
                let scope = books.required();
                let took = scope.run(async |tx| {
                    let began = Instant::now();
                    for _ in 0..JOINS {
                        tx.required().run(async |_| Ok::<_, Error>(())).await?;
                    }
                    Ok::<_, Error>(began.elapsed())
                });
                Ok(took.await?)
            })
            .await?;
            alone("joining, by what is around", JOINS, async || {
                let scope = books.required();
                let took = scope.run(async |_| {
                    let began = Instant::now();
                    for _ in 0..JOINS {
                        books.required().run(async |_| Ok::<_, Error>(())).await?;
                    }
                    Ok::<_, Error>(began.elapsed())
                });
                Ok(took.await?)
            })
            .await
        }
    };
}

costs!(sqlite, SqlitePool, "INSERT INTO entry VALUES (?)");
costs!(postgres, PgPool, "INSERT INTO entry VALUES ($1)");
costs!(mariadb, MySqlPool, "INSERT INTO entry VALUES (?)");

const TABLE: &str = "CREATE TABLE entry (what BIGINT NOT NULL)";

/// How many statements the server has seen for joining, once by handle and once by what is around.
async fn statements_of_a_join(pool: &MySqlPool) -> Result<u64, Failed> {
    let books = Transactions::new(pool.clone());
    let seen = async || {
        let sql = "SHOW SESSION STATUS LIKE 'Questions'";
        let (_, seen): (String, String) = sqlx::query_as(sql).fetch_one(&books).await?;
        Ok::<_, Error>(seen.parse::<u64>().unwrap_or(0))
    };
    let scope = books.required();
    let sent = scope.run(async |tx| {
        // To look is a statement too.
        let first = seen().await?;
        let own = seen().await? - first;
        let before = seen().await?;
        tx.required().run(async |_| Ok::<_, Error>(())).await?;
        books.required().run(async |_| Ok::<_, Error>(())).await?;
        Ok::<_, Error>(seen().await? - before - own)
    });
    Ok(sent.await?)
}

async fn measure() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("cost.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;
    pool.execute(TABLE).await?;
    sqlite("SQLite, write-ahead log, synchronous full", &pool).await?;
    match Postgres::start() {
        Ok(server) => {
            let pool = PgPool::connect(&server.url()).await?;
            pool.execute(TABLE).await?;
            postgres("PostgreSQL on loopback, nothing durable", &pool).await?;
        }
        Err(NoServer::NotInstalled(why)) => println!("\nPostgreSQL: {why}"),
        Err(broken) => return Err(broken.into()),
    }
    match MariaDb::start() {
        Ok(server) => {
            let pool = MySqlPool::connect(&server.url()).await?;
            pool.execute(TABLE).await?;
            mariadb("MariaDB on loopback, nothing durable", &pool).await?;
            println!(
                "\nstatements sent by two joins: {}",
                statements_of_a_join(&pool).await?
            );
        }
        Err(NoServer::NotInstalled(why)) => println!("\nMariaDB: {why}"),
        Err(broken) => return Err(broken.into()),
    }
    Ok(())
}

fn main() -> Result<(), Failed> {
    let mut runtime = match std::env::args().nth(1).as_deref() {
        Some("threads") => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build()?.block_on(measure())
}
