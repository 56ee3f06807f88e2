//! Tasks and handles: what is spawned, joined, selected, kept too long, or dropped where there is no
//! runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use settled_transaction::{Error, Hook, HookFuture, Outcome, Transactions, Tx};

use crate::each;
use crate::places::{Place, SqlxMySql, SqlxPostgres, SqlxSqlite};
use crate::witness::{Said, Witness, assert_clean, polls};

each!(
    a_spawned_task_has_nothing_around_it,
    two_statements_in_a_join_are_both_done,
    two_savepoints_in_a_join_do_not_mix,
    a_dropped_statement_is_never_committed_silently,
    a_handle_kept_too_long_is_refused,
    dropped_outside_of_a_runtime_it_is_rolled_back,
    a_transaction_can_be_begun_after_the_commit,
    hooks_that_panic_change_no_outcome,
);

async fn a_spawned_task_has_nothing_around_it<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let done = books.required().run(async |tx| {
        P::write(tx, "a").await?;
        let own = books.clone();
        let spawned = tokio::spawn(async move { own.current().is_some() });
        assert!(!spawned.await.unwrap());
        // Another task, told of it on purpose: a thread, for not every driver's test may be sent.
        let handed = tx.clone();
        let apart = std::thread::scope(|threads| {
            let apart = threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    assert!(handed.manager().current().is_none());
                    let scope = handed.manager().mandatory();
                    let none = scope.run(async |_| Ok::<_, Error>(())).await;
                    let own = handed.scope();
                    let own = own.propagation(settled_transaction::Propagation::Mandatory);
                    let own = own.run(async |tx| Ok::<_, Error>(tx.is_active())).await;
                    (none, own)
                })
            });
            apart.join().unwrap()
        });
        let (none, own) = apart;
        assert!(matches!(none, Err(Error::NoTransaction)), "{none:?}");
        assert!(own?);
        Ok::<_, Error>(())
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["a"]);
    assert_clean(&place, &books, "spawned").await;
}

async fn two_statements_in_a_join_are_both_done<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let done = books.required().run(async |tx| {
        let (one, other) = tokio::join!(P::write(tx, "a"), P::write(tx, "b"));
        one.and(other)
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["a", "b"]);
    assert_clean(&place, &books, "joined").await;
}

async fn two_savepoints_in_a_join_do_not_mix<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let done = books.required().run(async |tx| {
        let nested = async |what: &str, ends_well: bool| {
            let scope = tx.nested();
            let run = scope.run(async |tx| {
                P::write(tx, what).await?;
                tokio::task::yield_now().await;
                P::write(tx, what).await?;
                ends_well.then_some(()).ok_or(Error::NoHooks)
            });
            run.await
        };
        let (one, other) = tokio::join!(nested("a", true), nested("b", false));
        one.unwrap();
        assert!(
            matches!(other, Err(Error::NestedOpen | Error::NoHooks)),
            "{other:?}"
        );
        P::write(tx, "c").await
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["a", "a", "c"]);
    assert_clean(&place, &books, "joined savepoints").await;
}

async fn a_dropped_statement_is_never_committed_silently<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    for count in 1..1000 {
        let when = format!("the statement dropped after {count} polls");
        let witness = Witness::default();
        let mut whole = false;
        let what = format!("{count} dropped");
        let done = books.required().run(async |tx| {
            tx.register(witness.clone())?;
            P::write(tx, &format!("{count} before")).await?;
            whole = polls(count, P::write(tx, &what)).await.is_some();
            Ok::<_, Error>(())
        });
        let done = done.await;
        let rows = place.rows().await;
        let there = rows
            .iter()
            .filter(|row| row.starts_with(&format!("{count} ")));
        if whole {
            done.unwrap();
            assert_eq!(there.count(), 2);
            break;
        }
        let Err(Error::UnexpectedRollback { mark }) = done else {
            panic!("{when}: {done:?}");
        };
        let said = mark.to_string();
        assert!(said.contains("dropped a statement"), "{when}: {said}");
        assert_eq!(there.count(), 0, "{when}");
        assert_eq!(witness.end().await, Outcome::RolledBack);
        assert_clean(&place, &books, &when).await;
    }
}

async fn a_handle_kept_too_long_is_refused<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let mut kept: Vec<Tx<P::Pool>> = Vec::new();
    let done = books.required().run(async |tx| {
        kept.push(tx.clone());
        let inner = tx.nested().run(async |tx| {
            kept.push(tx.clone());
            P::write(tx, "inner").await
        });
        inner.await?;
        let late = P::write(&kept[1], "late").await;
        assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        P::write(tx, "outer").await
    });
    done.await.unwrap();
    for tx in &kept {
        let late = P::write(tx, "late").await;
        assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        let late = P::hidden(tx, "INSERT INTO entry VALUES ('late')").await;
        assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        let late = tx.mark_rollback_only();
        assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        let late = tx.register(Witness::default());
        assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        for scope in [tx.required(), tx.nested()] {
            let late = scope.run(async |_| Ok::<_, Error>(())).await;
            assert!(matches!(late, Err(Error::Completed)), "{late:?}");
        }
    }
    assert_eq!(place.rows().await, ["inner", "outer"]);
    assert_clean(&place, &books, "kept").await;
}

/// On a thread without a runtime, while the one it came from lives and after that is gone.
async fn dropped_outside_of_a_runtime_it_is_rolled_back<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let witness = Witness::default();
    let begun = books.required().begin().await.unwrap();
    begun.tx().register(witness.clone()).unwrap();
    P::write(begun.tx(), "dropped").await.unwrap();
    std::thread::scope(|threads| {
        threads.spawn(move || drop(begun)).join().unwrap();
    });
    assert_eq!(witness.end().await, Outcome::RolledBack);
    assert_clean(&place, &books, "dropped on a thread").await;

    let place = &place;
    let begun = std::thread::scope(|threads| {
        let other = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let books = Transactions::new(place.pool(1).await);
                let begun = books.required().begin().await.unwrap();
                P::write(begun.tx(), "gone").await.unwrap();
                begun
            })
        });
        other.join()
    });
    // Its runtime is shut down.
    drop(begun.unwrap());
    assert_clean(place, &books, "dropped after its runtime").await;
    assert!(place.rows().await.is_empty());
}

async fn a_transaction_can_be_begun_after_the_commit<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    // The hook is not sent with the test's own types: it is one of its own.
    let seen = Arc::new(AtomicBool::new(false));
    let done = books.required().run(async |tx| {
        let (books, seen) = (books.clone(), Arc::clone(&seen));
        tx.after_commit(move || async move {
            assert!(books.current().is_none());
            let begun = books.required().begin().await?;
            seen.store(begun.tx().is_new(), Ordering::Relaxed);
            begun.commit().await?;
            Ok(())
        })?;
        P::write(tx, "a").await
    });
    done.await.unwrap();
    assert!(seen.load(Ordering::Relaxed));
    assert_eq!(place.rows().await, ["a"]);
    assert_clean(&place, &books, "after the commit").await;
}

/// Panics where it is told to.
struct Panics(Said, bool);

impl Panics {
    fn hears(&self, said: Said) -> HookFuture<'_> {
        let panics = said == self.0;
        // Before there is a future, or within it.
        assert!(!(panics && self.1), "as it is meant to");
        Box::pin(async move {
            assert!(!panics, "as it is meant to");
            Ok(())
        })
    }
}

impl Hook for Panics {
    fn before_commit(&self, _read_only: bool) -> HookFuture<'_> {
        self.hears(Said::BeforeCommit)
    }

    fn before_completion(&self) -> HookFuture<'_> {
        self.hears(Said::BeforeCompletion)
    }

    fn after_commit(&self) -> HookFuture<'_> {
        self.hears(Said::AfterCommit)
    }

    fn after_completion(&self, _outcome: Outcome) -> HookFuture<'_> {
        self.hears(Said::AfterCompletion(Outcome::Committed))
    }
}

async fn hooks_that_panic_change_no_outcome<P: Place>(place: P) {
    for at_once in [false, true] {
        for (said, committed, told) in [
            (Said::BeforeCommit, false, true),
            (Said::BeforeCompletion, true, false),
            (Said::AfterCommit, true, true),
            (Said::AfterCompletion(Outcome::Committed), true, false),
        ] {
            let books = Transactions::new(place.pool(1).await);
            let witness = Witness::default();
            let what = format!("{said:?} {at_once}");
            let done = books.required().run(async |tx| {
                tx.register(Panics(said, at_once))?;
                tx.register(witness.clone())?;
                P::write(tx, &what).await
            });
            let done = done.await;
            let outcome = witness.end().await;
            assert_eq!(outcome == Outcome::Committed, committed, "{what}");
            assert_eq!(place.rows().await.contains(&what), committed, "{what}");
            assert_eq!(done.is_err(), told, "{what}: {done:?}");
            if let Err(error) = done {
                assert_eq!(error.outcome(), Some(outcome), "{error}");
            }
            assert_clean(&place, &books, &what).await;
        }
    }
}

/// A stream that is dropped after its first row has run; on a file, and on a wire.
macro_rules! cut_short {
    ($name:ident, $place:ident) => {
        #[test]
        fn $name() {
            crate::places::run(
                concat!("tasks.", stringify!($name)),
                async |place: $place| {
                    let books = Transactions::new(place.pool(1).await);
                    let done = books.required().run(async |tx| {
                        for what in ["a", "b"] {
                            $place::write(tx, what).await?;
                        }
                        let mut rows = sqlx::query("SELECT what FROM entry").fetch(tx);
                        assert!(rows.next().await.unwrap().is_ok());
                        drop(rows);
                        $place::write(tx, "c").await
                    });
                    done.await.unwrap();
                    assert_eq!(place.rows().await, ["a", "b", "c"]);
                    assert_clean(&place, &books, "cut short").await;
                },
            );
        }
    };
}

cut_short!(
    a_stream_cut_short_is_no_dropped_statement_on_sqlite,
    SqlxSqlite
);
cut_short!(
    a_stream_cut_short_is_no_dropped_statement_on_postgres,
    SqlxPostgres
);
cut_short!(
    a_stream_cut_short_is_no_dropped_statement_on_mysql,
    SqlxMySql
);
