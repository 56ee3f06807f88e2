//! A scope whose future is dropped, wherever it stands, leaves all of it or nothing, a clean pool, and
//! hooks that were told the truth.

use std::cell::Cell;

use settled_transaction::driver::Driver;
use settled_transaction::{Error, Outcome, Propagation, Transactions, Tx};

use crate::each;
use crate::places::{Place, SqlxPostgres};
use crate::witness::{Said, Witness, assert_clean, polls};

each!(
    dropped_at_every_poll_it_is_all_or_nothing,
    dropped_within_another_it_is_all_or_nothing,
    an_outer_scope_goes_on_when_only_an_inner_one_is_dropped,
    what_joined_and_is_dropped_is_named,
    a_statement_dropped_after_a_dropped_savepoint_is_told_of,
);

/// More polls than any of these takes.
const MANY: u32 = 2000;

/// One scope with two writes, and where it stands.
struct Inner {
    witness: Witness,
    /// Its body has come to its end.
    is_done: Cell<bool>,
}

impl Inner {
    fn new() -> Self {
        Self {
            witness: Witness::default(),
            is_done: Cell::new(false),
        }
    }

    async fn body<P: Place>(&self, tx: &Tx<P::Pool>, round: u32) -> Result<(), Error> {
        tx.register(self.witness.clone())?;
        P::write(tx, &format!("{round} first")).await?;
        P::run(tx, "UPDATE stock SET held = held + 1 WHERE id = 2").await?;
        P::write(tx, &format!("{round} second")).await?;
        self.is_done.set(true);
        Ok(())
    }

    /// Whether its hook was registered: if not, there is nothing to be told.
    async fn outcome(&self) -> Option<Outcome> {
        if self.witness.said().is_empty() && !self.is_done.get() {
            // Told in the background, if it was registered.
            let told =
                tokio::time::timeout(std::time::Duration::from_millis(50), self.witness.end());
            return told.await.ok();
        }
        Some(self.witness.end().await)
    }
}

/// How many rows there are of a round: its first, its second, and the outer scope's last.
async fn rows_of<P: Place>(place: &P, round: u32) -> [usize; 3] {
    let rows = place.rows().await;
    ["first", "second", "after"].map(|what| {
        let wanted = format!("{round} {what}");
        rows.iter().filter(|row| **row == wanted).count()
    })
}

/// Where a transaction was: two rows or none, as the hook was told.
async fn assert_whole(inner: &Inner, [first, second, _]: [usize; 3], when: &str) {
    let outcome = inner.outcome().await;
    assert_eq!(first, second, "{when}");
    match outcome {
        Some(Outcome::Committed) => assert_eq!(first, 1, "{when}"),
        Some(Outcome::RolledBack) | None => assert_eq!(first, 0, "{when}"),
        Some(_) => assert!(inner.is_done.get(), "{when}: no commit was under way"),
    }
    if !inner.is_done.get() {
        assert_eq!(first, 0, "{when}");
    }
}

/// Where there was no transaction, each statement stands alone.
async fn assert_in_order(inner: &Inner, [first, second, _]: [usize; 3], when: &str) {
    inner.outcome().await;
    assert!(second <= first, "{when}");
}

fn begins(propagation: Propagation) -> bool {
    matches!(
        propagation,
        Propagation::Required | Propagation::RequiresNew | Propagation::Nested
    )
}

async fn dropped_at_every_poll_it_is_all_or_nothing<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let mut round = 0;
    for propagation in Propagation::ALL {
        for count in 1..MANY {
            round += 1;
            let when = format!("{propagation:?} dropped after {count} polls");
            let inner = Inner::new();
            let scope = books.scope().propagation(propagation);
            let run = scope.run(async |tx| inner.body::<P>(tx, round).await);
            let ended = polls(count, run).await;
            if propagation == Propagation::Mandatory {
                assert!(matches!(ended, Some(Err(Error::NoTransaction))), "{when}");
                break;
            }
            assert_clean(&place, &books, &when).await;
            let rows = rows_of(&place, round).await;
            if begins(propagation) {
                assert_whole(&inner, rows, &when).await;
            } else {
                assert_in_order(&inner, rows, &when).await;
            }
            if let Some(ended) = ended {
                ended.unwrap();
                assert_eq!(rows[1], 1, "{when}");
                assert_eq!(inner.witness.count(Said::AfterCommit), 1, "{when}");
                break;
            }
        }
    }
}

/// An outer scope with something to write before and after. SQLite's has nothing to write before: it
/// has one writer.
async fn outer_body<P: Place>(
    tx: &Tx<P::Pool>,
    round: u32,
    witness: &Witness,
    inner: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    tx.register(witness.clone())?;
    if !tx.manager().pool().traits().single_writer {
        P::write(tx, &format!("{round} before")).await?;
    }
    inner().await?;
    P::write(tx, &format!("{round} after")).await
}

async fn dropped_within_another_it_is_all_or_nothing<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let mut round = 0;
    for propagation in Propagation::ALL {
        for count in 1..MANY {
            round += 1;
            let when = format!("{propagation:?} within another, dropped after {count} polls");
            let (inner, outer) = (Inner::new(), Witness::default());
            let body_done = Cell::new(false);
            let run = books.required().deferred().run(async |tx| {
                let within = async || {
                    let scope = tx.scope().propagation(propagation);
                    let done = scope.run(async |tx| inner.body::<P>(tx, round).await).await;
                    match done {
                        Err(Error::InTransaction) if propagation == Propagation::Never => Ok(()),
                        done => done,
                    }
                };
                outer_body::<P>(tx, round, &outer, within).await?;
                body_done.set(true);
                Ok::<_, Error>(())
            });
            let ended = polls(count, run).await;
            if !outer.said().is_empty() || body_done.get() {
                outer.end().await;
            }
            assert_clean(&place, &books, &when).await;
            let rows @ [first, second, after] = rows_of(&place, round).await;
            match propagation {
                Propagation::Required
                | Propagation::Supports
                | Propagation::Mandatory
                | Propagation::Nested => {
                    assert_eq!((first, second), (after, after), "{when}");
                }
                Propagation::RequiresNew => assert_whole(&inner, rows, &when).await,
                Propagation::NotSupported => assert_in_order(&inner, rows, &when).await,
                Propagation::Never => assert_eq!(first, 0, "{when}"),
            }
            if !body_done.get() {
                assert_eq!(after, 0, "{when}");
            }
            match outer.outcome() {
                Some(Outcome::Committed) => assert_eq!(after, 1, "{when}"),
                Some(Outcome::RolledBack) => assert_eq!(after, 0, "{when}"),
                _ => {}
            }
            if let Some(ended) = ended {
                ended.unwrap();
                assert_eq!(after, 1, "{when}");
                break;
            }
        }
    }
}

async fn an_outer_scope_goes_on_when_only_an_inner_one_is_dropped<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let mut round = 0;
    for propagation in Propagation::ALL {
        for count in 1..MANY {
            round += 1;
            let when = format!("{propagation:?} alone dropped after {count} polls");
            let (inner, outer) = (Inner::new(), Witness::default());
            let inner_ended = Cell::new(None);
            let done = books
                .required()
                .deferred()
                .run(async |tx| {
                    let within = async || {
                        let scope = tx.scope().propagation(propagation);
                        let run = scope.run(async |tx| inner.body::<P>(tx, round).await);
                        inner_ended.set(polls(count, run).await);
                        let current = books.current().unwrap();
                        assert_eq!(current.is_nested(), tx.is_nested(), "{when}");
                        assert!(current.is_new() && current.is_active(), "{when}");
                        Ok(())
                    };
                    outer_body::<P>(tx, round, &outer, within).await
                })
                .await;
            let inner_ended = inner_ended.take();
            let outcome = outer.end().await;
            assert_clean(&place, &books, &when).await;
            let rows @ [first, second, after] = rows_of(&place, round).await;
            let joins = matches!(
                propagation,
                Propagation::Required | Propagation::Supports | Propagation::Mandatory
            );
            // While the end of a savepoint is under way nobody can tell whether it is still there, and
            // where a statement was dropped not every driver can go on.
            let outlives = books.pool().outlives_statements();
            let may_be_lost =
                joins || propagation == Propagation::Nested && (inner.is_done.get() || !outlives);
            if inner_ended.is_none() && (joins || may_be_lost && done.is_err()) {
                let Err(Error::UnexpectedRollback { mark } | Error::Gone { why: mark }) = &done
                else {
                    panic!("{when}: {done:?}");
                };
                assert!(mark.to_string().contains("dropped"), "{when}: {mark}");
                assert_eq!(outcome, Outcome::RolledBack, "{when}");
                assert_eq!((after, first, second), (0, 0, 0), "{when}");
            } else {
                if let Err(error) = done {
                    panic!("{when}: {error}");
                }
                assert_eq!((outcome, after), (Outcome::Committed, 1), "{when}");
                match propagation {
                    Propagation::RequiresNew => {
                        assert_whole(&inner, rows, &when).await;
                    }
                    Propagation::NotSupported => {
                        assert_in_order(&inner, rows, &when).await;
                    }
                    Propagation::Nested if inner_ended.is_none() => {
                        // Its hook went with it.
                        assert_eq!((first, second), (0, 0), "{when}");
                        assert_eq!(inner.witness.count(Said::AfterCommit), 0, "{when}");
                    }
                    Propagation::Never => assert_eq!((first, second), (0, 0), "{when}"),
                    _ => assert_eq!((first, second), (1, 1), "{when}"),
                }
            }
            let suspends = matches!(
                propagation,
                Propagation::RequiresNew | Propagation::NotSupported
            );
            assert_eq!(
                outer.count(Said::Suspended),
                usize::from(suspends),
                "{when}"
            );
            if let Some(ended) = inner_ended {
                match ended {
                    Err(Error::InTransaction) if propagation == Propagation::Never => {}
                    ended => ended.unwrap(),
                }
                break;
            }
        }
    }
}

/// Dropped between two statements: it is the scope that is named, and where it was begun.
async fn what_joined_and_is_dropped_is_named<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let outer = Witness::default();
    let done = books
        .required()
        .run(async |tx| {
            tx.register(outer.clone())?;
            P::write(tx, "outer").await?;
            let inner = tx.required().name("inner").run(async |tx| {
                P::write(tx, "inner").await?;
                std::future::pending::<Result<(), Error>>().await
            });
            let rows = async || P::write(tx, "meanwhile").await;
            tokio::select! {
                biased;
                _ = inner => unreachable!(),
                written = async { tokio::task::yield_now().await; rows().await } => written?,
            }
            assert!(tx.is_rollback_only());
            P::write(tx, "after").await
        })
        .await;
    let Err(error @ Error::UnexpectedRollback { .. }) = done else {
        panic!("{done:?}");
    };
    let said = error.to_string();
    assert!(said.contains("the scope `inner`"), "{said}");
    assert!(said.contains("was dropped before its end"), "{said}");
    assert_eq!(outer.end().await, Outcome::RolledBack);
    assert!(place.rows().await.is_empty());
    assert_clean(&place, &books, "joined and dropped").await;
}

/// The statement that comes first after a dropped NESTED scope undoes it. Where that statement is
/// dropped too, the outer scope cannot commit, and is told why.
async fn a_statement_dropped_after_a_dropped_savepoint_is_told_of<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    for count in 1..MANY {
        let when = format!("the statement dropped after {count} polls");
        let outer = Witness::default();
        let mut whole = false;
        let done = books
            .required()
            .run(async |tx| {
                tx.register(outer.clone())?;
                P::write(tx, &format!("{count} first")).await?;
                let inner = tx.nested().begin().await?;
                P::write(inner.tx(), &format!("{count} second")).await?;
                drop(inner);
                let what = format!("{count} after");
                let statement = P::write(tx, &what);
                whole = polls(count, statement).await.is_some();
                Ok::<_, Error>(())
            })
            .await;
        let [first, second, rows] = rows_of(&place, count).await;
        assert_eq!((first, second), (rows, 0), "{when}");
        if whole {
            done.unwrap();
            assert_eq!((rows, outer.end().await), (1, Outcome::Committed), "{when}");
            break;
        }
        let Err(Error::UnexpectedRollback { mark }) = done else {
            panic!("{when}: {done:?}");
        };
        let said = mark.to_string();
        assert!(
            said.contains("dropped a statement before its end"),
            "{when}: {said}"
        );
        assert_eq!(
            (rows, outer.end().await),
            (0, Outcome::RolledBack),
            "{when}"
        );
        assert_clean(&place, &books, &when).await;
    }
}

/// What this crate is there for. Should this fail, `sqlx` has mended it (transact-rs/sqlx#4385): then
/// take the test away.
#[test]
fn a_control_shows_that_sqlx_alone_leaks_a_transaction_whose_begin_is_dropped() {
    let name = "cancelled::control";
    crate::places::run(name, async |place: SqlxPostgres| {
        let mut leaked = Vec::new();
        for count in 1..6 {
            let pool = place.pool(1).await;
            drop(polls(count, pool.begin()).await);
            // As a plain user of the pool would.
            let write = format!("INSERT INTO entry VALUES ('{count}')");
            let write = sqlx::query(sqlx::AssertSqlSafe(write)).execute(&pool);
            write.await.unwrap();
            if !place.rows().await.contains(&count.to_string()) {
                leaked.push(count);
            }
        }
        println!(
            "sqlx alone leaked a transaction where a begin was dropped after {leaked:?} polls"
        );
    });
}
