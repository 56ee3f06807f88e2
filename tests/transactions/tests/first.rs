//! The ways to say it, on SQLite.
#![allow(clippy::unwrap_used, reason = "a test")]

use settled_transaction::{Error, Outcome, Transactions, Tx};
use settled_transaction_tests::books::{books, rows};
use sqlx::SqlitePool;

async fn write(tx: &Tx<SqlitePool>, what: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO entry VALUES (?)")
        .bind(what)
        .execute(tx)
        .await?;
    Ok(())
}

/// A repository function that is handed nothing but the manager.
async fn write_here(books: &Transactions<SqlitePool>, what: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO entry VALUES (?)")
        .bind(what)
        .execute(books)
        .await?;
    Ok(())
}

#[derive(Debug)]
enum Failed {
    No,
    Transaction(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_move_between_threads() {
    let (_folder, books) = books().await;
    let own = books.clone();
    let done = tokio::spawn(async move {
        let name = String::from("a");
        own.required()
            .run(async |tx| {
                write(tx, &name).await?;
                tokio::task::yield_now().await;
                tx.nested()
                    .run(async |tx| {
                        write(tx, "b").await?;
                        write_here(&own, "c").await
                    })
                    .await?;
                own.required()
                    .run(async |_| write_here(&own, "d").await)
                    .await
            })
            .await
    });
    done.await.unwrap().unwrap();
    assert_eq!(rows(&books).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn who_marked_it_is_named() {
    let (_folder, books) = books().await;
    let line = line!() + 8;
    let done = books
        .required()
        .run(async |tx| {
            write(tx, "a").await?;
            let inner = books
                .required()
                .name("inner")
                .run(async |_| Err::<(), _>(Failed::No))
                .await;
            assert!(matches!(inner, Err(Failed::No)));
            Ok::<_, Failed>(())
        })
        .await;
    let Err(Failed::Transaction(error @ Error::UnexpectedRollback { .. })) = done else {
        panic!("{done:?}");
    };
    assert_eq!(error.outcome(), Some(Outcome::RolledBack));
    assert_eq!(
        error.to_string(),
        format!(
            "the transaction was rolled back although its body succeeded: the scope `inner` at {}:{line} failed",
            file!()
        )
    );
    assert!(rows(&books).await.is_empty());
}
