//! What the database says, and does not say: swallowed errors, transactions that it ends by itself,
//! answers that are lost, and what a connection still has set when the next user gets it.

use std::time::Duration;

use settled_test_servers::Cut;
use settled_transaction::driver::Driver;
use settled_transaction::{Error, Isolation, Outcome, Transactions, Tx};

use crate::places::{Place, SqlxMySql, SqlxPostgres, SqlxSqlite, TokioPostgres};
use crate::witness::{Said, Witness, assert_clean};
use crate::{each, on};

each!(
    a_transaction_ended_unseen_is_never_taken_for_committed,
    what_may_only_read_does,
    nothing_is_set_for_the_next_user,
);
on!(SqlxPostgres: cut_postgres: a_commit_without_an_answer_is_unknown,
    dropped_while_the_answer_is_awaited_it_is_unknown,
    a_connection_killed_in_the_body_is_never_taken_for_committed);
on!(SqlxMySql: cut_mysql: a_commit_without_an_answer_is_unknown,
    dropped_while_the_answer_is_awaited_it_is_unknown,
    a_connection_killed_in_the_body_is_never_taken_for_committed);
on!(TokioPostgres: cut_tokio_postgres: a_commit_without_an_answer_is_unknown,
    dropped_while_the_answer_is_awaited_it_is_unknown,
    a_connection_killed_in_the_body_is_never_taken_for_committed);
on!(SqlxSqlite: control_sqlite: begins_and_ends_are_the_managers_to_send);
on!(SqlxPostgres: control_postgres: begins_and_ends_are_the_managers_to_send);
on!(SqlxMySql: control_mysql: begins_and_ends_are_the_managers_to_send);
on!(SqlxPostgres: on_sqlx_postgres: a_hidden_error_is_told, a_savepoint_that_fails_changes_nothing,
    what_is_deferred_fails_at_the_commit, a_serialization_failure_may_be_tried_again);
on!(TokioPostgres: on_tokio_postgres: a_hidden_error_is_told, a_savepoint_that_fails_changes_nothing,
    what_is_deferred_fails_at_the_commit, a_serialization_failure_may_be_tried_again);
on!(SqlxSqlite: on_sqlite: what_is_deferred_fails_at_the_commit);

/// What is particular to a database.
pub(crate) trait Words: Place {
    /// Which connection this is.
    const ME: &'static str = "";
    /// What is set on this connection.
    const SET: &'static str;
    /// Ends somebody's connection.
    fn kill(who: &str) -> String {
        who.to_owned()
    }
}

const SET_POSTGRES: &str = "SELECT concat_ws(' ', current_setting('transaction_isolation'),
    current_setting('transaction_read_only'), current_setting('statement_timeout'))";

impl Words for SqlxPostgres {
    const ME: &'static str = "SELECT CAST(pg_backend_pid() AS TEXT)";
    const SET: &'static str = SET_POSTGRES;

    fn kill(who: &str) -> String {
        format!("SELECT CAST(pg_terminate_backend({who}) AS TEXT)")
    }
}

impl Words for TokioPostgres {
    const ME: &'static str = SqlxPostgres::ME;
    const SET: &'static str = SET_POSTGRES;

    fn kill(who: &str) -> String {
        SqlxPostgres::kill(who)
    }
}

impl Words for SqlxMySql {
    const ME: &'static str = "SELECT CAST(CONNECTION_ID() AS CHAR)";
    const SET: &'static str =
        "SELECT CONCAT_WS(' ', @@autocommit, @@tx_isolation, @@tx_read_only, @@in_transaction)";

    fn kill(who: &str) -> String {
        format!("KILL {who}")
    }
}

impl Words for SqlxSqlite {
    const SET: &'static str = "SELECT query_only || ' ' || timeout || ' ' || foreign_keys
        FROM pragma_query_only, pragma_busy_timeout, pragma_foreign_keys";
}

async fn a_hidden_error_is_told<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let wrong = "INSERT INTO nowhere VALUES (1)";
    for unseen in [false, true] {
        let hide = async |tx: &Tx<P::Pool>| {
            if unseen {
                assert!(!P::hidden(tx, wrong).await.unwrap());
            } else {
                assert!(P::run(tx, wrong).await.is_err());
            }
        };
        let is_told = |done: Result<(), Error>| {
            let Err(Error::UnexpectedRollback { mark }) = done else {
                panic!("{done:?}");
            };
            let said = mark.to_string();
            assert!(said.contains("had a statement that failed"), "{said}");
            said
        };
        let witness = Witness::default();
        let done = books.required().run(async |tx| {
            tx.register(witness.clone())?;
            P::write(tx, "lost").await?;
            hide(tx).await;
            Ok::<_, Error>(())
        });
        let said = is_told(done.await);
        if !unseen && std::any::type_name::<P>().contains("Sqlx") {
            assert!(said.contains("\"nowhere\" does not exist"), "{said}");
        }
        assert_eq!(witness.end().await, Outcome::RolledBack);
        assert!(place.rows().await.is_empty());
        // Within a savepoint it is the savepoint's end that tells.
        let done = books.required().run(async |tx| {
            P::write(tx, "kept").await?;
            let inner = tx.nested().run(async |tx| {
                P::write(tx, "lost").await?;
                hide(tx).await;
                Ok::<_, Error>(())
            });
            is_told(inner.await);
            P::write(tx, "kept").await
        });
        done.await.unwrap();
        assert_eq!(place.rows().await, ["kept", "kept"]);
        P::on(&mut acquire::<P>(&books).await, "DELETE FROM entry")
            .await
            .unwrap();
    }
    assert_clean(&place, &books, "hidden").await;
}

async fn acquire<P: Place>(books: &Transactions<P::Pool>) -> crate::places::Connection<P> {
    books.pool().acquire().await.unwrap()
}

async fn a_savepoint_that_fails_changes_nothing<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let done = books.required().run(async |tx| {
        P::write(tx, "lost").await?;
        assert!(!P::hidden(tx, "no SQL").await?);
        // An aborted transaction makes no savepoints.
        let inner = tx.nested().run(async |_| Ok::<_, Error>(())).await;
        assert!(matches!(inner, Err(Error::CannotBegin { .. })), "{inner:?}");
        // Were it gone, this would be done by itself.
        assert!(P::write(tx, "alone").await.is_err());
        Ok::<_, Error>(())
    });
    let done = done.await;
    assert!(
        matches!(done, Err(Error::UnexpectedRollback { .. })),
        "{done:?}"
    );
    assert!(place.rows().await.is_empty());
    assert_clean(&place, &books, "a savepoint failed").await;
}

async fn begins_and_ends_are_the_managers_to_send<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let done = books.required().run(async |tx| {
        P::write(tx, "a").await?;
        for sql in [
            "BEGIN",
            "commit",
            "ROLLBACK",
            " ; COMMIT",
            "/* and so */ end",
            "-- so\nSTART TRANSACTION",
            "SAVEPOINT mine",
            "RELEASE SAVEPOINT mine",
            "ROLLBACK TO mine",
        ] {
            let done = P::run(tx, sql).await;
            let refused = matches!(done, Err(Error::TransactionControl { .. }));
            assert!(refused, "{sql}: {done:?}");
        }
        P::write(tx, "b").await
    });
    done.await.unwrap();
    assert_eq!(place.rows().await, ["a", "b"]);
    assert_clean(&place, &books, "control").await;
}

/// What the program does behind the manager's back it is told of, at the latest by the commit.
async fn a_transaction_ended_unseen_is_never_taken_for_committed<P: Place>(place: P) {
    for (round, sql) in ["COMMIT", "ROLLBACK"].into_iter().enumerate() {
        let books = Transactions::new(place.pool(1).await);
        let witness = Witness::default();
        let what = format!("{round}");
        let done = books.required().run(async |tx| {
            tx.register(witness.clone())?;
            P::write(tx, &what).await?;
            assert!(P::hidden(tx, sql).await?);
            Ok::<_, Error>(())
        });
        let error = done.await.unwrap_err();
        assert_ne!(error.outcome(), Some(Outcome::Committed), "{sql}: {error}");
        assert_ne!(error.outcome(), None, "{sql}: {error}");
        let committed = place.rows().await.contains(&what);
        assert_eq!(committed, sql == "COMMIT");
        let outcome = witness.end().await;
        assert_eq!(Some(outcome), error.outcome());
        assert!(
            !(committed && outcome == Outcome::RolledBack),
            "{sql}: {error}"
        );
        assert_eq!(witness.count(Said::AfterCommit), 0);
        assert_clean(&place, &books, sql).await;
    }
}

async fn what_may_only_read_does<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    for unseen in [false, true] {
        let done = books.required().read_only().run(async |tx| {
            if unseen {
                let sql = "INSERT INTO entry VALUES ('unseen')";
                assert!(!P::hidden(tx, sql).await?);
            } else {
                P::write(tx, "refused").await.unwrap_err();
            }
            Err::<(), _>(Error::NoHooks)
        });
        assert!(matches!(done.await, Err(Error::NoHooks)));
    }
    assert!(place.rows().await.is_empty());
    assert_clean(&place, &books, "read only").await;
}

async fn nothing_is_set_for_the_next_user<P: Words>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let set = async || {
        let mut connection = acquire::<P>(&books).await;
        let set = P::ask(&mut connection, P::SET).await.unwrap();
        if let Some(way_back) = books.pool().give_back(connection) {
            way_back.await;
        }
        set
    };
    let before = set().await;
    for commits in [true, false] {
        for dropped in [false, true] {
            let scope = books
                .required()
                .read_only()
                .isolation(Isolation::Serializable)
                .timeout(Duration::from_secs(20));
            let inside = std::cell::RefCell::new(String::new());
            let run = scope.run(async |tx| {
                // An unseen look, so that what it takes to have one is set too.
                let set = tx.with(async |connection| P::ask(connection, P::SET).await);
                *inside.borrow_mut() = set.await?;
                if dropped {
                    std::future::pending::<()>().await;
                }
                commits.then_some(()).ok_or(Error::NoHooks)
            });
            if dropped {
                let while_set = async {
                    while inside.borrow().is_empty() {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    _ = run => unreachable!(),
                    () = while_set => {}
                }
            } else {
                assert_eq!(run.await.is_ok(), commits);
            }
            assert_ne!(*inside.borrow(), before);
            assert_eq!(set().await, before, "commits {commits}, dropped {dropped}");
        }
    }
    assert_clean(&place, &books, "set").await;
}

async fn a_commit_without_an_answer_is_unknown<P: Place>(place: P) {
    for cut in [Cut::Before, Cut::After] {
        let books = Transactions::new(place.pool(1).await);
        let witness = Witness::default();
        let done = books.required().run(async |tx| {
            tx.register(witness.clone())?;
            P::write(tx, &format!("{cut:?}")).await?;
            place.proxy().unwrap().cut(cut);
            Ok::<_, Error>(())
        });
        let error = done.await.unwrap_err();
        let Error::Commit {
            outcome: Outcome::Unknown,
            retryable: false,
            ..
        } = error
        else {
            panic!("{cut:?}: {error}");
        };
        assert!(!error.is_retryable());
        place.proxy().unwrap().until_cut().await;
        assert_eq!(witness.end().await, Outcome::Unknown);
        assert_eq!(witness.count(Said::AfterCommit), 0);
        if cut == Cut::After {
            // The server has the COMMIT, and comes to it in its own time.
            let committed = async {
                while !place.rows().await.contains(&format!("{cut:?}")) {
                    tokio::task::yield_now().await;
                }
            };
            let waited = tokio::time::timeout(Duration::from_secs(10), committed);
            waited.await.unwrap();
        } else {
            assert!(!place.rows().await.contains(&format!("{cut:?}")));
        }
        assert_clean(&place, &books, "no answer").await;
    }
}

async fn dropped_while_the_answer_is_awaited_it_is_unknown<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let witness = Witness::default();
    let run = books.required().run(async |tx| {
        tx.register(witness.clone())?;
        P::write(tx, "a").await?;
        place.proxy().unwrap().cut(Cut::Silent);
        Ok::<_, Error>(())
    });
    tokio::select! {
        done = run => panic!("{done:?}"),
        () = place.proxy().unwrap().until_cut() => {}
    }
    assert_eq!(witness.end().await, Outcome::Unknown);
    assert_eq!(witness.count(Said::AfterCommit), 0);
    assert_eq!(place.rows().await, ["a"]);
    assert_clean(&place, &books, "no answer").await;
}

async fn a_connection_killed_in_the_body_is_never_taken_for_committed<P: Words>(place: P) {
    for (unseen, swallowed) in [(false, false), (false, true), (true, true)] {
        let books = Transactions::new(place.pool(1).await);
        let witness = Witness::default();
        let done = books.required().run(async |tx| {
            tx.register(witness.clone())?;
            P::write(tx, "a").await?;
            let me = tx.with(async |connection| P::ask(connection, P::ME).await);
            place.select(&P::kill(&me.await?)).await;
            if unseen {
                return Ok(());
            }
            let written = P::write(tx, "b").await;
            assert!(written.is_err());
            // Nothing goes on, on another connection.
            assert!(P::write(tx, "c").await.is_err());
            if swallowed { Ok(()) } else { written }
        });
        let error = done.await.unwrap_err();
        let outcome = witness.end().await;
        assert!(
            matches!(outcome, Outcome::RolledBack | Outcome::Unknown),
            "{error}"
        );
        if swallowed {
            assert_eq!(error.outcome(), Some(outcome), "{error}");
        }
        assert!(place.rows().await.is_empty());
        assert_clean(&place, &books, "killed").await;
    }
}

async fn what_is_deferred_fails_at_the_commit<P: Place>(place: P) {
    let books = Transactions::new(place.pool(1).await);
    let mut connection = acquire::<P>(&books).await;
    let sql = "CREATE TABLE child
        (id INT NOT NULL REFERENCES stock (id) DEFERRABLE INITIALLY DEFERRED)";
    P::on(&mut connection, sql).await.unwrap();
    drop(connection);
    let witness = Witness::default();
    let done = books.required().run(async |tx| {
        tx.register(witness.clone())?;
        P::write(tx, "a").await?;
        P::run(tx, "INSERT INTO child VALUES (99)").await
    });
    let error = done.await.unwrap_err();
    let Error::Commit {
        outcome: Outcome::RolledBack,
        retryable: false,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(witness.end().await, Outcome::RolledBack);
    assert!(place.rows().await.is_empty());
    assert_clean(&place, &books, "deferred").await;
}

async fn a_serialization_failure_may_be_tried_again<P: Place>(place: P) {
    let books = Transactions::new(place.pool(2).await);
    let begin = async || {
        let scope = books.requires_new().isolation(Isolation::Serializable);
        scope.begin().await.unwrap()
    };
    let (one, other) = (begin().await, begin().await);
    let read = "SELECT count(*) FROM entry";
    P::run(one.tx(), read).await.unwrap();
    P::run(other.tx(), read).await.unwrap();
    P::write(one.tx(), "one").await.unwrap();
    P::write(other.tx(), "other").await.unwrap();
    other.commit().await.unwrap();
    let error = one.commit().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(place.rows().await, ["other"]);
    assert_clean(&place, &books, "serialization").await;
}
