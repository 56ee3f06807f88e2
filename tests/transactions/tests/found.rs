//! What random programs have found, told plainly.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, Mutex};

use settled_test_servers::{MariaDb, NoServer, Postgres, skip};
use settled_transaction::{Error, Hook, HookFuture, Outcome, Transactions, Tx};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Executor, MySqlPool, PgPool, SqlitePool};

const TABLE: &str = "CREATE TABLE entry (what INT NOT NULL PRIMARY KEY)";

async fn books() -> (tempfile::TempDir, Transactions<SqlitePool>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("books.db"))
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(4);
    let pool = pool.connect_with(options).await.unwrap();
    pool.execute(TABLE).await.unwrap();
    (folder, Transactions::new(pool))
}

async fn write(tx: &Tx<SqlitePool>) -> Result<(), Error> {
    tx.execute("INSERT INTO entry VALUES (1)").await?;
    Ok(())
}

/// Counts how often its transaction is set aside.
struct Counts(Arc<Mutex<u32>>);

impl Hook for Counts {
    fn suspend(&self) {
        *self.0.lock().unwrap() += 1;
    }
}

/// Begins a transaction after the commit.
struct BeginsAfter(Transactions<SqlitePool>);

impl Hook for BeginsAfter {
    fn after_commit(&self) -> HookFuture<'_> {
        Box::pin(async {
            let begun = self.0.requires_new().read_only();
            begun
                .run(async |_| {
                    assert_eq!(self.0.suspended_connections(), 1);
                    Ok::<_, Error>(())
                })
                .await?;
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_is_set_aside_is_not_set_aside_once_more_by_a_hook() {
    let (_folder, books) = books().await;
    let times = Arc::new(Mutex::new(0));
    let done = books.required().read_only().run(async |tx| {
        tx.register(Counts(Arc::clone(&times)))?;
        let inner = tx.requires_new().read_only();
        inner
            .run(async |tx| tx.register(BeginsAfter(books.clone())))
            .await
    });
    done.await.unwrap();
    assert_eq!(*times.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_savepoint_by_hand_ends_with_its_scope() {
    let (_folder, books) = books().await;
    let done = books.required().run(async |tx| {
        let inner = tx.required().run(async |tx| {
            write(tx).await?;
            let made = tx.savepoint().await?;
            assert!(matches!(
                tx.required()
                    .run(async |tx| tx.roll_back_to(made).await)
                    .await,
                Err(Error::NoSavepoint { .. })
            ));
            Ok::<_, Error>(made)
        });
        // It failed within what it had joined, which dooms the whole: to go back to its savepoint would
        // take that away, and leave a part of it.
        let made = inner.await?;
        tx.roll_back_to(made).await
    });
    let done = done.await;
    assert!(matches!(done, Err(Error::NoSavepoint { .. })), "{done:?}");
}

#[tokio::test]
async fn who_only_reads_never_is_the_one_writer() {
    let (_folder, books) = books().await;
    let done = books.required().read_only().run(async |tx| {
        write(tx).await.unwrap_err();
        tx.requires_new().run(async |tx| write(tx).await).await
    });
    done.await.unwrap();
}

/// Marks its scope at the last moment, and hears how that ends.
struct Marks(Transactions<SqlitePool>, Arc<Mutex<Option<Outcome>>>);

impl Hook for Marks {
    fn before_commit(&self, _read_only: bool) -> HookFuture<'_> {
        Box::pin(async {
            let tx = self.0.current().ok_or("nothing is around")?;
            Ok(tx.mark_rollback_only()?)
        })
    }

    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        *self.1.lock().unwrap() = Some(outcome);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_hook_may_mark_a_scope_without_a_transaction() {
    let (_folder, books) = books().await;
    let heard = Arc::new(Mutex::new(None));
    let done = books
        .supports()
        .run(async |tx| tx.register(Marks(books.clone(), Arc::clone(&heard))));
    done.await.unwrap();
    assert_eq!(*heard.lock().unwrap(), Some(Outcome::RolledBack));
}

#[tokio::test]
async fn a_connection_on_its_way_back_is_waited_for() {
    let (_folder, books) = books().await;
    let done = books.required().deferred().run(async |tx| {
        // Of the four there are three left, used without the manager: when they are let go of, the pool
        // tests them before anybody else may have them.
        let mut plain = Vec::new();
        for _ in 0..3 {
            plain.push(books.pool().acquire().await.unwrap());
        }
        drop(plain);
        tx.requires_new().run(async |tx| write(tx).await).await
    });
    done.await.unwrap();
}

#[tokio::test]
async fn postgresql_keeps_what_a_refused_release_would_have_kept() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(NoServer::NotInstalled(why)) => return skip("found_postgresql", &why),
        Err(broken) => panic!("{broken}"),
    };
    let pool = PgPool::connect(&server.url()).await.unwrap();
    pool.execute(TABLE).await.unwrap();
    let books = Transactions::new(pool);
    let done = books.required().run(async |tx| {
        let made = tx.savepoint().await?;
        tx.execute("INSERT INTO entry VALUES (1)").await?;
        tx.execute("INSERT INTO entry VALUES (1)")
            .await
            .unwrap_err();
        tx.release(made).await.unwrap_err();
        Ok::<_, Error>(())
    });
    let done = done.await;
    assert!(
        matches!(done, Err(Error::UnexpectedRollback { .. })),
        "{done:?}"
    );
}

#[tokio::test]
async fn mariadb_undoes_all_of_a_nested_scope_after_a_refused_statement() {
    let server = match MariaDb::start() {
        Ok(server) => server,
        Err(NoServer::NotInstalled(why)) => return skip("found_mariadb", &why),
        Err(broken) => panic!("{broken}"),
    };
    let pool = MySqlPool::connect(&server.url()).await.unwrap();
    pool.execute(TABLE).await.unwrap();
    let books = Transactions::new(pool);
    let done = books.required().run(async |tx| {
        let nested = tx.nested().run(async |tx| {
            tx.execute("INSERT INTO entry VALUES (1)").await?;
            tx.execute("INSERT INTO entry VALUES (1)").await?;
            Ok::<_, Error>(())
        });
        nested.await.unwrap_err();
        Ok::<_, Error>(())
    });
    done.await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM entry")
        .fetch_one(books.pool())
        .await
        .unwrap();
    assert_eq!(rows, 0);
}
