//! The seven behaviours, and what comes of their failures.

use settled_transaction::{Error, Settings, Transactions, transactional};
use sqlx::SqlitePool;

use crate::office::{counts, office};

struct BoxOffice {
    books: Transactions<SqlitePool>,
}

impl BoxOffice {
    /// REQUIRED: a whole for those who call it alone, and a part of a greater one.
    #[transactional(self.books)]
    async fn sell(&self, seat: i64) -> Result<(), Error> {
        let sql = "INSERT INTO ticket (seat) VALUES (?)";
        sqlx::query(sql).bind(seat).execute(&self.books).await?;
        self.book(30).await
    }

    /// SUPPORTS: reads alike with and without.
    #[transactional(self.books, supports)]
    async fn sold(&self) -> Result<i64, Error> {
        let sql = "SELECT COUNT(*) FROM ticket";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.books).await?)
    }

    /// MANDATORY: a booking alone would be a mistake.
    #[transactional(self.books, mandatory)]
    async fn book(&self, amount: i64) -> Result<(), Error> {
        let sql = "INSERT INTO ledger (amount) VALUES (?)";
        sqlx::query(sql).bind(amount).execute(&self.books).await?;
        Ok(())
    }

    /// `REQUIRES_NEW`: that somebody tried is kept, whatever comes of it.
    #[transactional(self.books, requires_new)]
    async fn note(&self, what: &str) -> Result<(), Error> {
        let sql = "INSERT INTO audit (what) VALUES (?)";
        sqlx::query(sql).bind(what).execute(&self.books).await?;
        Ok(())
    }

    /// `NOT_SUPPORTED`: takes long, and is to hold no locks of the caller's.
    #[transactional(self.books, not_supported)]
    async fn report(&self) -> Result<Vec<i64>, Error> {
        let sql = "SELECT seat FROM ticket";
        Ok(sqlx::query_scalar(sql).fetch_all(&self.books).await?)
    }

    /// NEVER: talks to somebody else, for whom no transaction of ours may wait.
    #[transactional(self.books, never)]
    async fn close_the_day(&self) -> Result<(), Error> {
        let sold = self.sold().await?;
        tell_the_bank(sold);
        Ok(())
    }

    /// NESTED: undone alone when it fails.
    #[transactional(self.books, nested)]
    async fn letter(&self, seat: i64) -> Result<(), Error> {
        let sql = "INSERT INTO letter (seat) VALUES (?)";
        sqlx::query(sql).bind(seat).execute(&self.books).await?;
        print_it(seat)
    }

    /// All of it. On SQLite the note comes before the first write, and the scope is `deferred`.
    #[transactional(self.books, deferred)]
    async fn serve(&self, seat: i64) -> Result<(), Error> {
        self.note("somebody wants a seat").await?;
        self.sell(seat).await?;
        if let Err(error) = self.letter(seat).await {
            println!("the ticket is handed out at the door: {error}");
        }
        Ok(())
    }

    /// What joined has failed, and that is not mended by looking away.
    #[transactional(self.books)]
    async fn sell_or_not(&self, seat: i64) -> Result<(), Error> {
        if self.sell(seat).await.is_err() {
            println!("the seat is taken");
        }
        Ok(())
    }

    /// Rolls back, and says `Ok`: whoever marks it knows.
    #[transactional(self.books, tx)]
    async fn rehearse(&self, seat: i64) -> Result<i64, Error> {
        self.sell(seat).await?;
        tx.mark_rollback_only()?;
        self.sold().await
    }
}

fn tell_the_bank(_sold: i64) {}

/// The printer has run out of paper for seat 13.
fn print_it(seat: i64) -> Result<(), Error> {
    if seat == 13 {
        return Err(Error::from(sqlx::Error::WorkerCrashed));
    }
    Ok(())
}

#[tokio::test]
async fn each_of_them() {
    let (_folder, books) = office(Settings::default()).await;
    let office = BoxOffice {
        books: books.clone(),
    };
    office.serve(13).await.unwrap();
    assert_eq!(counts(&books).await, [1, 1, 0, 1]);
    office.serve(14).await.unwrap();
    assert_eq!(counts(&books).await, [2, 2, 1, 2]);
    let taken = office.serve(14).await.unwrap_err().to_string();
    assert!(taken.contains("UNIQUE"), "{taken}");
    assert_eq!(counts(&books).await, [2, 2, 1, 3]);
    assert!(matches!(office.book(5).await, Err(Error::NoTransaction)));
    office.close_the_day().await.unwrap();
    let within: Result<(), Error> = books
        .required()
        .read_only()
        .run(async |_| {
            assert_eq!(office.report().await?, [13, 14]);
            office.close_the_day().await
        })
        .await;
    assert!(matches!(within, Err(Error::InTransaction)), "{within:?}");
    assert_eq!(office.rehearse(15).await.unwrap(), 3);
    assert_eq!(counts(&books).await, [2, 2, 1, 3]);
}

#[tokio::test]
async fn who_is_told() {
    let (_folder, books) = office(Settings::default()).await;
    let office = BoxOffice { books };
    office.sell(1).await.unwrap();
    let told = office.sell_or_not(1).await.unwrap_err();
    assert!(matches!(told, Error::UnexpectedRollback { .. }));
    let line = told.to_string();
    let (before, after) = line.split_once(" at ").unwrap();
    assert_eq!(
        before,
        "the transaction was rolled back although its body succeeded: the scope `sell`"
    );
    assert!(after.contains("seven.rs:"), "{after}");
}
