//! The three ways to say it.

use settled_transaction::{Error, Settings, Transactions, transactional};
use sqlx::SqlitePool;

use crate::office::{counts, office};

async fn sell(books: &Transactions<SqlitePool>, seat: i64, price: i64) -> Result<(), Error> {
    books
        .required()
        .run(async |tx| {
            sqlx::query("INSERT INTO ticket (seat) VALUES (?)")
                .bind(seat)
                .execute(tx)
                .await?;
            sqlx::query("INSERT INTO ledger (amount) VALUES (?)")
                .bind(price)
                .execute(tx)
                .await?;
            Ok(())
        })
        .await
}

/// Within a transaction where there is one, and by itself where there is none.
async fn book(books: &Transactions<SqlitePool>, amount: i64) -> Result<(), Error> {
    sqlx::query("INSERT INTO ledger (amount) VALUES (?)")
        .bind(amount)
        .execute(books)
        .await?;
    Ok(())
}

struct BoxOffice {
    books: Transactions<SqlitePool>,
}

impl BoxOffice {
    #[transactional(self.books, timeout = "2s")]
    async fn sell(&self, seat: i64, price: i64) -> Result<(), Error> {
        sqlx::query("INSERT INTO ticket (seat) VALUES (?)")
            .bind(seat)
            .execute(&self.books)
            .await?;
        book(&self.books, price).await
    }
}

/// For what has no single body, such as a connection that talks for a while.
async fn sell_by_hand(books: &Transactions<SqlitePool>, seat: i64) -> Result<(), Error> {
    let begun = books.required().begin().await?;
    let sold = sqlx::query("INSERT INTO ticket (seat) VALUES (?)")
        .bind(seat)
        .execute(begun.tx())
        .await;
    match sold {
        Ok(_) => begun.commit().await,
        Err(_) => begun.roll_back().await,
    }
}

#[tokio::test]
async fn both_or_neither() {
    let (_folder, books) = office(Settings::default()).await;
    sell(&books, 1, 30).await.unwrap();
    assert_eq!(counts(&books).await, [1, 1, 0, 0]);
    assert!(sell(&books, 1, 30).await.is_err());
    assert_eq!(counts(&books).await, [1, 1, 0, 0]);
    let office = BoxOffice {
        books: books.clone(),
    };
    office.sell(2, 30).await.unwrap();
    assert!(office.sell(2, 30).await.is_err());
    book(&books, 5).await.unwrap();
    assert_eq!(counts(&books).await, [2, 3, 0, 0]);
    sell_by_hand(&books, 3).await.unwrap();
    sell_by_hand(&books, 3).await.unwrap();
    assert_eq!(counts(&books).await, [3, 3, 0, 0]);
}
