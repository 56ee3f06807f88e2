//! Transactions that a database ends by itself: a deadlock's victim, a statement that changes tables, a
//! conflict that rolls back. What comes after is refused, and never done by itself.

use settled_transaction::{Error, Outcome, Transactions, Tx};
use sqlx::Connection;

use crate::places::{Place, SqlxMySql, SqlxPostgres, SqlxSqlite};
use crate::witness::{Said, Witness, assert_clean, until};

fn run<P: Place, F: Future<Output = ()>>(name: &str, test: impl FnOnce(P) -> F) {
    crate::places::run(&format!("ended.{name}"), test);
}

/// Writes something that must be refused, in both ways.
async fn assert_refused<P: Place>(tx: &Tx<P::Pool>) {
    for _ in 0..2 {
        let written = P::write(tx, "alone").await;
        assert!(matches!(written, Err(Error::Gone { .. })), "{written:?}");
    }
    let hidden = P::hidden(tx, "INSERT INTO entry VALUES ('alone')").await;
    assert!(matches!(hidden, Err(Error::Gone { .. })), "{hidden:?}");
    let nested = tx.nested().run(async |_| Ok::<_, Error>(())).await;
    assert!(matches!(nested, Err(Error::Gone { .. })), "{nested:?}");
}

/// Makes the transaction a deadlock's victim: another has more to lose.
async fn lose(place: &SqlxMySql, tx: &Tx<sqlx::MySqlPool>, unseen: bool) {
    let other = place.pool(1).await;
    let mut other = other.begin().await.unwrap();
    for sql in [
        "INSERT INTO entry SELECT 'other' FROM seq_1_to_200",
        "UPDATE stock SET held = held + 1 WHERE id = 2",
    ] {
        sqlx::query(sql).execute(&mut *other).await.unwrap();
    }
    SqlxMySql::run(tx, "UPDATE stock SET held = held + 1 WHERE id = 1")
        .await
        .unwrap();
    let blocked = sqlx::query("UPDATE stock SET held = held + 1 WHERE id = 1").execute(&mut *other);
    let victim = async {
        // At work for a while on what takes no time: it waits.
        let mut seen = 0;
        until("the other one waits", async || {
            let waiting = "SELECT info FROM information_schema.processlist
                WHERE db = DATABASE() AND info LIKE 'UPDATE stock%id = 1'";
            seen += place.select(waiting).await.len();
            seen > 20
        })
        .await;
        let sql = "UPDATE stock SET held = held + 1 WHERE id = 2";
        if unseen {
            // What follows within is not done by itself either.
            let raw = async |connection: &mut _| {
                assert!(SqlxMySql::on(connection, sql).await.is_err());
                SqlxMySql::on(connection, "INSERT INTO entry VALUES ('alone')").await
            };
            tx.with(raw).await.unwrap();
        } else {
            let error = SqlxMySql::run(tx, sql).await.unwrap_err();
            assert!(error.to_string().contains("1213"), "{error}");
            assert!(error.is_retryable());
        }
    };
    let (done, ()) = tokio::join!(blocked, victim);
    done.unwrap();
    other.rollback().await.unwrap();
}

#[test]
fn after_a_deadlock_nothing_is_done_by_itself() {
    run("deadlock", async |place: SqlxMySql| {
        for unseen in [false, true] {
            let books = Transactions::new(place.pool(1).await);
            let witness = Witness::default();
            let done = books.required().run(async |tx| {
                tx.register(witness.clone())?;
                SqlxMySql::write(tx, "a").await?;
                lose(&place, tx, unseen).await;
                assert_refused::<SqlxMySql>(tx).await;
                Ok::<_, Error>(())
            });
            let error = done.await.unwrap_err();
            assert_eq!(error.outcome(), Some(witness.end().await), "{error}");
            if !unseen {
                assert_eq!(error.outcome(), Some(Outcome::RolledBack), "{error}");
            }
            assert_clean(&place, &books, "deadlock").await;
            assert!(place.rows().await.is_empty());
        }
    });
}

#[test]
fn after_a_deadlock_within_a_savepoint_nothing_is_done_by_itself() {
    run("deadlock_nested", async |place: SqlxMySql| {
        for unseen in [false, true] {
            let books = Transactions::new(place.pool(1).await);
            let done = books.required().run(async |tx| {
                SqlxMySql::write(tx, "a").await?;
                let inner = tx.nested().run(async |tx| {
                    SqlxMySql::write(tx, "b").await?;
                    lose(&place, tx, unseen).await;
                    assert_refused::<SqlxMySql>(tx).await;
                    Ok::<_, Error>(())
                });
                assert!(inner.await.is_err());
                assert_refused::<SqlxMySql>(tx).await;
                Ok::<_, Error>(())
            });
            let error = done.await.unwrap_err();
            assert!(error.outcome().is_some(), "{error}");
            assert_clean(&place, &books, "deadlock").await;
            assert!(place.rows().await.is_empty());
        }
    });
}

#[test]
fn a_statement_that_commits_is_told_of() {
    run("tables", async |place: SqlxMySql| {
        for unseen in [false, true] {
            let books = Transactions::new(place.pool(1).await);
            let witness = Witness::default();
            let done = books.required().run(async |tx| {
                tx.register(witness.clone())?;
                SqlxMySql::write(tx, "a").await?;
                let sql = format!("CREATE TABLE made_{unseen} (a INT)");
                if unseen {
                    assert!(SqlxMySql::hidden(tx, &sql).await?);
                } else {
                    SqlxMySql::run(tx, &sql).await?;
                }
                assert_refused::<SqlxMySql>(tx).await;
                Ok::<_, Error>(())
            });
            let error = done.await.unwrap_err();
            assert_eq!(error.outcome(), Some(Outcome::Unknown), "{error}");
            assert_eq!(witness.end().await, Outcome::Unknown);
            assert_eq!(witness.count(Said::AfterCommit), 0);
            assert_clean(&place, &books, "tables").await;
        }
        assert_eq!(place.rows().await, ["a", "a"]);
    });
}

#[test]
fn after_sqlite_has_rolled_back_nothing_is_done_by_itself() {
    run("conflict", async |place: SqlxSqlite| {
        let books = Transactions::new(place.pool(1).await);
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON entry WHEN NEW.what = 'wrong'
            BEGIN SELECT RAISE(ROLLBACK, 'refused'); END";
        sqlx::query(trigger).execute(books.pool()).await.unwrap();
        for sql in [
            "INSERT OR ROLLBACK INTO stock VALUES (1, 0)",
            "INSERT INTO entry VALUES ('wrong')",
        ] {
            for (unseen, within) in [(false, false), (true, false), (false, true), (true, true)] {
                let witness = Witness::default();
                let end = async |tx: &Tx<_>| {
                    SqlxSqlite::write(tx, "a").await?;
                    if unseen {
                        assert!(!SqlxSqlite::hidden(tx, sql).await?);
                    } else {
                        SqlxSqlite::run(tx, sql).await.unwrap_err();
                    }
                    assert_refused::<SqlxSqlite>(tx).await;
                    Ok::<_, Error>(())
                };
                let done = books.required().run(async |tx| {
                    tx.register(witness.clone())?;
                    if within {
                        assert!(tx.nested().run(end).await.is_err());
                        assert_refused::<SqlxSqlite>(tx).await;
                        Ok(())
                    } else {
                        end(tx).await
                    }
                });
                let error = done.await.unwrap_err();
                // What nobody saw may have been a commit as well.
                let outcome = if unseen {
                    Outcome::Unknown
                } else {
                    Outcome::RolledBack
                };
                assert_eq!(error.outcome(), Some(outcome), "{sql}: {error}");
                assert_eq!(witness.end().await, outcome);
                assert_clean(&place, &books, sql).await;
                assert!(place.rows().await.is_empty(), "{sql}");
            }
        }
    });
}

/// `sqlx`'s own transactions within ours are savepoints, however they end.
macro_rules! plain_begin {
    ($name:ident, $place:ident) => {
        #[test]
        fn $name() {
            run(stringify!($name), async |place: $place| {
                let books = Transactions::new(place.pool(1).await);
                let done = books.required().run(async |tx| {
                    tx.with(async |connection| {
                        let insert = async |transaction: &mut _, what: &str| {
                            let sql = format!("INSERT INTO entry VALUES ('{what}')");
                            sqlx::query(sqlx::AssertSqlSafe(sql))
                                .execute(transaction)
                                .await
                                .map(drop)
                        };
                        let mut own = connection.begin().await?;
                        insert(&mut *own, "kept").await?;
                        own.commit().await?;
                        let mut own = connection.begin().await?;
                        insert(&mut *own, "undone").await?;
                        own.rollback().await?;
                        insert(&mut **connection, "kept too").await?;
                        let mut own = connection.begin().await?;
                        insert(&mut *own, "dropped").await?;
                        Ok::<_, Error>(())
                    })
                    .await?;
                    $place::write(tx, "last").await
                });
                done.await.unwrap();
                assert_eq!(place.rows().await, ["kept", "kept too", "last"]);
                assert_clean(&place, &books, "plain begin").await;
            });
        }
    };
}

plain_begin!(
    plain_transactions_within_are_savepoints_of_sqlite,
    SqlxSqlite
);
plain_begin!(
    plain_transactions_within_are_savepoints_of_postgres,
    SqlxPostgres
);
plain_begin!(plain_transactions_within_are_savepoints_of_mysql, SqlxMySql);
