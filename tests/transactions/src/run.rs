//! Runs the rows of the table on a database, and compares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use settled_test_servers::{MariaDb, NoServer, Postgres};
use settled_transaction::Transactions;

use crate::databases::{ByTokioPostgres, Database, Files};
use crate::hooks::Events;
use crate::interpret::{run, settle};
use crate::program::{Block, Item};
use crate::recorded::{Recorded, Recorder};
use crate::table::{Expect, Row, Section};
use crate::world::{Beyond, Outside, Way, World, shown};

/// After this a row hangs.
const HANGS: Duration = Duration::from_secs(20);
/// No row waits for a lock or for a connection until somebody else's patience ends.
const SLOW: Duration = Duration::from_secs(4);

/// What became of a row on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is as expected.
    Passed,
    /// It is not, and how.
    Failed(String),
    /// It was not run, and why.
    Skipped(String),
}

/// What became of the table on one database.
#[derive(Clone, Debug)]
pub struct Report {
    /// The database.
    pub database: &'static str,
    /// Each row's, in the order of the table.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// How many passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Verdict) -> bool| self.verdicts.iter().filter(|v| is(v)).count();
        (
            count(|verdict| matches!(verdict, Verdict::Passed)),
            count(|verdict| matches!(verdict, Verdict::Failed(_))),
            count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        )
    }
}

/// Runs the table on every database. `only`: these cases; all where it names none.
pub async fn everywhere(table: &[Section], only: &[String]) -> Vec<Report> {
    let files = Files::new().map_err(NoServer::Broken);
    // A server takes a moment to start, for which nobody need wait.
    let start = tokio::task::spawn_blocking(|| {
        (
            Postgres::start(),
            Postgres::start().map(ByTokioPostgres),
            MariaDb::start(),
        )
    });
    let sqlite = on(files, table, only);
    let servers = async {
        match start.await {
            Ok((postgres, by_tokio, mariadb)) => {
                let all = (
                    on(postgres, table, only),
                    on(by_tokio, table, only),
                    on(mariadb, table, only),
                );
                let (postgres, by_tokio, mariadb) = tokio::join!(all.0, all.1, all.2);
                vec![postgres, by_tokio, mariadb]
            }
            Err(error) => vec![Report {
                database: "the servers",
                verdicts: vec![Verdict::Failed(error.to_string())],
            }],
        }
    };
    let (sqlite, servers) = tokio::join!(sqlite, servers);
    let mut reports = vec![sqlite];
    reports.extend(servers);
    reports
}

async fn on<B: Database>(
    database: Result<B, NoServer>,
    table: &[Section],
    only: &[String],
) -> Report {
    let rows = table.iter().flat_map(|section| &section.rows);
    let mut verdicts = Vec::new();
    match database {
        Err(NoServer::NotInstalled(why)) => {
            verdicts.extend(rows.map(|_| Verdict::Skipped(why.clone())));
        }
        Err(error) => verdicts.extend(rows.map(|_| Verdict::Failed(error.to_string()))),
        Ok(database) => {
            let database = Arc::new(database);
            for row in rows {
                let verdict = if only.is_empty() || only.contains(&row.case) {
                    verdict(&database, row).await
                } else {
                    Verdict::Skipped("not asked for".to_owned())
                };
                verdicts.push(verdict);
            }
        }
    }
    Report {
        database: B::NAME,
        verdicts,
    }
}

async fn verdict<B: Database>(database: &Arc<B>, row: &Row) -> Verdict {
    let expected = row.expected(B::KEYS);
    let skip = row.not_here.as_ref().map(|why| format!("not here: {why}"));
    if let Some(why) = skip.or_else(|| expected.skip.clone()) {
        return Verdict::Skipped(why);
    }
    for way in [Way::Found, Way::Handed] {
        let found = match tokio::time::timeout(HANGS, once(database, row, way)).await {
            Ok(found) => found,
            Err(_) => Err("it hangs".to_owned()),
        };
        let wrong = found.and_then(|found| compare(&found, expected));
        if let Err(wrong) = wrong {
            return Verdict::Failed(format!("({way:?}) {wrong}"));
        }
    }
    Verdict::Passed
}

/// What came of a row.
struct Found {
    ret: String,
    rows: String,
    ops: String,
    k: usize,
    told: String,
}

fn compare(found: &Found, expected: &Expect) -> Result<(), String> {
    let mut wrong = Vec::new();
    let (k, most) = (found.k.to_string(), expected.k.to_string());
    for (what, found, expected) in [
        ("ret", &found.ret, &expected.ret),
        ("rows", &found.rows, &expected.rows),
        ("ops", &found.ops, &expected.ops),
        ("k", &k, &most),
        ("told", &found.told, &expected.told),
    ] {
        if expected != "*" && found != expected {
            wrong.push(format!("{what} is `{found}`, not `{expected}`"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

fn outside<B: Database>(database: Arc<B>) -> Outside {
    Box::new(move |beyond| {
        let database = Arc::clone(&database);
        Box::pin(async move {
            let sql = match beyond {
                Beyond::Send(sql) => sql,
                Beyond::Kill(connection) => {
                    let cannot = || format!("{} has no connection to close", B::NAME);
                    database.kill(&connection).ok_or_else(cannot)?
                }
            };
            database.fresh(sql, false).await
        })
    })
}

fn mentions(block: &Block, argument: &str) -> bool {
    block.iter().any(|item: &Item| item.mentions(argument))
}

/// Runs a row once.
async fn once<B: Database>(database: &Arc<B>, row: &Row, way: Way) -> Result<Found, String> {
    let block = row.block()?;
    database.clear().await?;
    let set = &row.settings;
    let (settings, lacks) = (set.settings()?, set.lacking()?);
    let recorder = Arc::new(Recorder::new(set.faults()?));
    let size = set.pool.unwrap_or(4);
    let manage = |pool, prefix| {
        let pool = Recorded::new(pool, prefix, lacks, Arc::clone(&recorder));
        if set.observe {
            Transactions::observed(pool, settings.clone(), Events(Arc::clone(&recorder)))
        } else {
            Transactions::with_settings(pool, settings.clone())
        }
    };
    let manager = manage(database.pool(size, false).await?, "");
    let uses_other = mentions(&block, "other");
    let other = if uses_other {
        Some(manage(database.pool(size, true).await?, "o:"))
    } else {
        None
    };
    let outside = outside(Arc::clone(database));
    let world = World::new(Arc::clone(&recorder), manager.clone(), other, way, outside);
    let world = Arc::new(world);
    let began = Instant::now();
    let ran = run(Arc::clone(&world), block, None).await;
    let took = began.elapsed();
    settle(&world, 0).await.map_err(|failure| failure.name())?;
    if manager.suspended_connections() > 0 {
        return Err("connections are still set aside".to_owned());
    }
    if took > SLOW {
        return Err(format!("it took {took:?}"));
    }
    let seen = "SELECT what FROM entry ORDER BY what";
    let mut rows = database.fresh(seen.to_owned(), false).await?;
    if uses_other && B::OTHER_IS_APART {
        rows.extend(database.fresh(seen.to_owned(), true).await?);
        rows.sort();
    }
    Ok(Found {
        ret: shown(&ran),
        rows: rows.join(" "),
        ops: recorder.sent(),
        k: recorder.most(),
        told: recorder.told(),
    })
}
