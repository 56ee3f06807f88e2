//! Pools that are too small, and the one writer of SQLite: refused at once and by name, never waited
//! for.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use settled_transaction::driver::Driver;
use settled_transaction::{Error, Settings, Transactions};
use tokio::sync::Barrier;

use crate::places::{Place, SqlxSqlite};
use crate::witness::assert_clean;
use crate::{each, on};

each!(
    a_pool_of_one_refuses_a_second_connection_at_once,
    connections_held_by_strangers_count,
    a_connection_on_its_way_back_is_waited_for,
    three_levels_take_three_connections,
);
on!(SqlxPostgres: tasks_sqlx_postgres: tasks_at_a_barrier_come_to_their_end);
on!(SqlxMySql: tasks_sqlx_mysql: tasks_at_a_barrier_come_to_their_end);
on!(TokioPostgres: tasks_tokio_postgres: tasks_at_a_barrier_come_to_their_end);

/// At once, where the pool itself would wait for half a minute.
async fn at_once<T>(work: impl Future<Output = T>) -> T {
    let since = Instant::now();
    let done = work.await;
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "it was waited for"
    );
    done
}

/// The one writer of SQLite must not be what refuses here: nothing is written before.
async fn a_pool_of_one_refuses_a_second_connection_at_once<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let done = books.required().deferred().run(async |tx| {
        let new = tx.requires_new().run(async |_| Ok::<_, Error>(()));
        let Err(Error::PoolExhausted { held: 1, size: 1 }) = at_once(new).await else {
            panic!("it was not refused");
        };
        assert_eq!(books.suspended_connections(), 0);
        let not = tx.not_supported().run(async |tx| {
            assert_eq!(books.suspended_connections(), 1);
            P::write(tx, "not").await
        });
        let Err(Error::PoolExhausted { held: 1, size: 1 }) = at_once(not).await else {
            panic!("it was not refused");
        };
        // Without a statement it takes no connection.
        let nothing = tx.not_supported().run(async |_| Ok::<_, Error>(()));
        at_once(nothing).await?;
        P::write(tx, "outer").await
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["outer"]);
    assert_clean(&place, &books, "a pool of one").await;
}

async fn connections_held_by_strangers_count<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let stranger = books.pool().acquire().await.unwrap();
    let done = books.required().deferred().run(async |tx| {
        let new = tx.requires_new().run(async |_| Ok::<_, Error>(()));
        let Err(Error::PoolExhausted { held: 1, size: 2 }) = at_once(new).await else {
            panic!("it was not refused");
        };
        if let Some(way_back) = books.pool().give_back(stranger) {
            way_back.await;
        }
        let new = tx
            .requires_new()
            .run(async |tx| P::write(tx, "inner").await);
        new.await?;
        P::write(tx, "outer").await
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["inner", "outer"]);
    assert_clean(&place, &books, "strangers").await;
}

async fn a_connection_on_its_way_back_is_waited_for<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let done = books.required().deferred().run(async |tx| {
        for round in 0..200 {
            let scope = if round % 3 == 0 {
                tx.not_supported()
            } else {
                tx.requires_new().deferred()
            };
            let done = scope.run(async |tx| {
                if round % 50 == 0 {
                    P::write(tx, &round.to_string()).await?;
                }
                Ok::<_, Error>(())
            });
            done.await?;
        }
        Ok::<_, Error>(())
    });
    done.await.unwrap();
    assert_eq!(place.rows().await.len(), 4);
    assert_clean(&place, &books, "on its way back").await;
}

async fn three_levels_take_three_connections<P: Place>(place: P) {
    for size in [2, 3] {
        let books = Transactions::new(place.pool(size).await);
        let done = books.requires_new().deferred().run(async |tx| {
            let second = tx.requires_new().deferred().run(async |tx| {
                let third = tx.requires_new().run(async |tx| {
                    assert_eq!(books.suspended_connections(), 2);
                    P::write(tx, "third").await
                });
                match at_once(third).await {
                    Err(Error::PoolExhausted { held: 2, size: 2 }) if size == 2 => {}
                    done => done?,
                }
                P::write(tx, "second").await
            });
            second.await?;
            P::write(tx, "first").await
        });
        done.await.unwrap();
        assert_eq!(books.suspended_connections(), 0);
        assert_clean(&place, &books, "three levels").await;
    }
    assert_eq!(
        place.rows().await,
        ["first", "first", "second", "second", "third"]
    );
}

/// As many tasks as connections, each with one and asking for another.
async fn tasks_at_a_barrier_come_to_their_end<P: Place>(place: P) {
    const TASKS: u32 = 4;
    for reserve in [0, 1] {
        let settings = Settings {
            reserve,
            ..Settings::default()
        };
        let books = Transactions::with_settings(place.pool(TASKS).await, settings);
        let at_work = TASKS - reserve;
        let barrier = Barrier::new(at_work as usize);
        let task = async |number: u32| {
            books
                .required()
                .run(async |tx| {
                    // The last one has to wait for another's end where one is kept for the others.
                    if number < at_work {
                        barrier.wait().await;
                    }
                    let inner = tx
                        .requires_new()
                        .run(async |tx| P::write(tx, "inner").await);
                    let inner = inner.await;
                    P::write(tx, "outer").await?;
                    inner
                })
                .await
        };
        let tasks = join_all((0..TASKS).map(task));
        let done = tokio::time::timeout(Duration::from_secs(10), tasks).await;
        let done = done.expect("they wait for each other");
        if reserve == 0 {
            let refused = |done: &Result<(), Error>| {
                matches!(
                    done,
                    Err(Error::PoolExhausted {
                        held: 1,
                        size: TASKS
                    })
                )
            };
            // The first to fail gives its connection back, and another may find it.
            assert!(refused(&done[0]) || done.iter().any(refused), "{done:?}");
            for done in &done {
                assert!(done.is_ok() || refused(done), "{done:?}");
            }
        } else {
            for done in done {
                done.unwrap();
            }
            let rows = place.rows().await;
            assert!(rows.len() >= 2 * TASKS as usize);
        }
        assert_clean(&place, &books, "a barrier").await;
    }
}

fn sqlite<F: Future<Output = ()>>(name: &str, test: impl FnOnce(SqlxSqlite) -> F) {
    crate::places::run(&format!("traps.{name}"), test);
}

#[test]
fn a_second_writer_of_sqlite_is_refused_at_once() {
    sqlite("writer", async |place| {
        let books = Transactions::new(place.pool(3).await);
        let done = books.required().run(async |tx| {
            SqlxSqlite::write(tx, "outer").await?;
            let new = tx
                .requires_new()
                .run(async |tx| SqlxSqlite::write(tx, "new").await);
            let new = at_once(new).await;
            assert!(matches!(new, Err(Error::SingleWriter)), "{new:?}");
            let not = tx
                .not_supported()
                .run(async |tx| SqlxSqlite::write(tx, "not").await);
            let not = at_once(not).await;
            assert!(matches!(not, Err(Error::SingleWriter)), "{not:?}");
            // Who only reads is in nobody's way, and sees nothing of it.
            let sql = "INSERT INTO entry SELECT 'seen' FROM entry";
            let reads = tx.requires_new().read_only().run(async |tx| {
                SqlxSqlite::run(tx, "SELECT * FROM entry").await?;
                assert!(SqlxSqlite::run(tx, sql).await.is_err());
                Ok::<_, Error>(())
            });
            at_once(reads).await?;
            let reads = tx
                .not_supported()
                .run(async |tx| SqlxSqlite::run(tx, "SELECT * FROM entry").await);
            at_once(reads).await?;
            SqlxSqlite::write(tx, "outer too").await
        });
        done.await.unwrap();
        assert_eq!(place.rows().await, ["outer", "outer too"]);
        assert_clean(&place, &books, "one writer").await;
    });
}

#[test]
fn a_deferred_scope_is_no_writer_before_its_first_write() {
    sqlite("deferred", async |place| {
        let books = Transactions::new(place.pool(3).await);
        let new = async |tx: &settled_transaction::Tx<sqlx::SqlitePool>, what: &str| {
            let new = tx
                .requires_new()
                .run(async |tx| SqlxSqlite::write(tx, what).await);
            at_once(new).await
        };
        // Nothing was done before.
        let done = books.required().deferred().run(async |tx| {
            new(tx, "a").await?;
            SqlxSqlite::write(tx, "b").await?;
            let refused = new(tx, "refused").await;
            assert!(matches!(refused, Err(Error::SingleWriter)), "{refused:?}");
            Ok::<_, Error>(())
        });
        done.await.unwrap();
        // It has read, and goes on reading.
        let done = books.required().deferred().run(async |tx| {
            SqlxSqlite::run(tx, "SELECT * FROM entry").await?;
            new(tx, "c").await?;
            SqlxSqlite::run(tx, "SELECT * FROM entry").await
        });
        done.await.unwrap();
        // It has read, and what it has read is no more: its write fails at once, and may be tried again.
        let done = books.required().deferred().run(async |tx| {
            SqlxSqlite::run(tx, "SELECT * FROM entry").await?;
            new(tx, "d").await?;
            at_once(SqlxSqlite::write(tx, "too late")).await
        });
        let error = done.await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(place.rows().await, ["a", "b", "c", "d"]);
        assert_clean(&place, &books, "deferred").await;
    });
}
