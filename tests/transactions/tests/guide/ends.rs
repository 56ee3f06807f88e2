//! Hooks, what a scope can ask for, rules, and the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use settled_transaction::{Error, Isolation, Settings, Transactions};
use sqlx::SqlitePool;

use crate::office::{counts, office};

async fn sell_and_tell(
    books: &Transactions<SqlitePool>,
    seat: i64,
    told: Arc<AtomicU32>,
) -> Result<(), Error> {
    books
        .required()
        .run(async |tx| {
            tx.after_commit(move || async move {
                told.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })?;
            tx.after_completion(|outcome| async move {
                println!("it ended: {outcome:?}");
                Ok(())
            })?;
            let sql = "INSERT INTO ticket (seat) VALUES (?)";
            sqlx::query(sql).bind(seat).execute(tx).await?;
            Ok(())
        })
        .await
}

async fn balance(books: &Transactions<SqlitePool>) -> Result<i64, Error> {
    books
        .required()
        .name("balance")
        .isolation(Isolation::Serializable)
        .read_only()
        .timeout(Duration::from_secs(2))
        .run(async |tx| {
            let sql = "SELECT COALESCE(SUM(amount), 0) FROM ledger";
            Ok(sqlx::query_scalar(sql).fetch_one(tx).await?)
        })
        .await
}

#[derive(Debug)]
enum Refused {
    /// The price is booked all the same.
    NoShow,
    Trouble(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Trouble(error)
    }
}

async fn charge(books: &Transactions<SqlitePool>, amount: i64, came: bool) -> Result<(), Refused> {
    books
        .required()
        .commit_on(|error| matches!(error, Refused::NoShow))
        .run(async |tx| {
            let sql = "INSERT INTO ledger (amount) VALUES (?)";
            let booked = sqlx::query(sql).bind(amount).execute(tx).await;
            booked.map_err(Error::from)?;
            if came { Ok(()) } else { Err(Refused::NoShow) }
        })
        .await
}

fn with_a_reserve(pool: SqlitePool) -> Transactions<SqlitePool> {
    let settings = Settings {
        reserve: 1,
        default_timeout: Some(Duration::from_secs(5)),
        ..Settings::default()
    };
    Transactions::with_settings(pool, settings)
}

async fn try_it_again(books: &Transactions<SqlitePool>) -> Result<i64, Error> {
    for _ in 0..4 {
        match balance(books).await {
            Err(error) if error.is_retryable() => {}
            done => return done,
        }
    }
    balance(books).await
}

async fn unseen(books: &Transactions<SqlitePool>) -> Result<i64, Error> {
    books
        .required()
        .run(async |tx| {
            tx.with(async |connection| {
                let sql = "SELECT COUNT(*) FROM ticket";
                Ok(sqlx::query_scalar(sql).fetch_one(&mut **connection).await?)
            })
            .await
        })
        .await
}

#[tokio::test]
async fn what_is_said_is_done() {
    let (_folder, books) = office(Settings::default()).await;
    let told = Arc::new(AtomicU32::new(0));
    let tell = |seat| sell_and_tell(&books, seat, told.clone());
    tell(1).await.unwrap();
    assert!(tell(1).await.is_err());
    assert_eq!(told.load(Ordering::Relaxed), 1);
    charge(&books, 30, true).await.unwrap();
    let charged = charge(&books, 5, false).await;
    assert!(matches!(charged, Err(Refused::NoShow)));
    let books = with_a_reserve(books.pool().clone());
    assert_eq!(try_it_again(&books).await.unwrap(), 35);
    assert_eq!(unseen(&books).await.unwrap(), 1);
    assert_eq!(counts(&books).await, [1, 2, 0, 0]);
}

#[tokio::test]
async fn a_trouble_is_not_committed() {
    let (_folder, books) = office(Settings::default()).await;
    sqlx::raw_sql("DROP TABLE ledger")
        .execute(books.pool())
        .await
        .unwrap();
    let charged = charge(&books, 5, true).await;
    let Err(Refused::Trouble(trouble)) = charged else {
        panic!("{charged:?}");
    };
    assert!(!trouble.is_retryable());
}
