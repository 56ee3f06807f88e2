//! `#[transactional]` on SQLite: what is sugar must change nothing but the transaction.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Display;
use std::future::Future;

use settled_transaction::{Error, Transactions, Tx, transactional};
use settled_transaction_tests::books::{books, rows};
use sqlx::SqlitePool;

type Books = Transactions<SqlitePool>;

#[derive(Debug)]
enum Failed {
    No,
    Small,
    Transaction(Error),
}

impl Failed {
    fn weight(&self) -> u32 {
        u32::from(!matches!(self, Self::Small))
    }

    fn is_small(&self) -> bool {
        self.weight() == 0
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Transaction(error.into())
    }
}

/// Whatever it is handed: a handle, or the manager.
async fn write(books: &Books, what: &str) -> Result<(), Failed> {
    sqlx::query("INSERT INTO entry VALUES (?)")
        .bind(what)
        .execute(books)
        .await?;
    Ok(())
}

#[derive(Clone)]
struct Shop {
    books: Books,
    name: String,
    sold: u32,
}

impl Shop {
    fn books(&self) -> Books {
        self.books.clone()
    }

    /// Sells; a documented method, with attributes before and after.
    #[must_use = "it may fail"]
    #[transactional(self.books)]
    #[allow(clippy::needless_return, reason = "returning is what is tested")]
    async fn sell(&self, what: &str, how: Option<Failed>) -> Result<String, Failed> {
        write(&self.books, what).await?;
        if what == "early" {
            return Ok("returned early".to_owned());
        }
        match how {
            Some(failed) => return Err(failed),
            None => Ok(format!("{what} from {}", self.name)),
        }
    }

    /// Calls itself: there is no proxy to pass by.
    #[transactional(self.books, name = "whole")]
    async fn sell_two(&self, first: String, second: Option<String>) -> Result<(), Failed> {
        write(&self.books, &first).await?;
        if let Some(second) = second {
            let part = self.part(second, Some(Failed::No)).await;
            assert!(part.is_err());
        }
        Ok(())
    }

    #[transactional(self.books, nested, tx)]
    async fn part(&self, what: String, fails: Option<Failed>) -> Result<bool, Failed> {
        assert_eq!(tx.name(), Some("part"));
        sqlx::query("INSERT INTO entry VALUES (?)")
            .bind(what)
            .execute(tx)
            .await?;
        fails.map_or(Ok(tx.is_nested()), Err)
    }

    #[transactional(self.books(), tx = handle)]
    async fn count(&mut self, by: u32) -> Result<&u32, Failed> {
        assert!(handle.is_new());
        self.sold += by;
        write(&self.books, "counted").await?;
        Ok(&self.sold)
    }

    #[transactional(
        self.books,
        commit_on = |error| error.weight() < 1,
        roll_back_on_value = Vec::is_empty,
    )]
    async fn ruled(&self, result: Result<Vec<u8>, Failed>) -> Result<Vec<u8>, Failed> {
        write(&self.books, "ruled").await?;
        result
    }

    #[transactional(self.books, roll_back_on = Failed::is_small, commit_on = |_| true)]
    async fn ordered(&self, error: Failed) -> Result<(), Failed> {
        write(&self.books, "ordered").await?;
        Err(error)
    }
}

trait Till {
    fn pay(&self, what: &str) -> impl Future<Output = Result<usize, Failed>> + Send;

    fn name(&self) -> &str;

    /// With a body that implementations may leave as it is.
    async fn take(&self, books: &Books) -> Result<(), Failed> {
        self.default_take(books).await
    }

    #[transactional(books, requires_new)]
    async fn default_take(&self, books: &Books) -> Result<(), Failed> {
        write(books, self.name()).await
    }
}

impl Till for Shop {
    #[transactional(self.books)]
    async fn pay(&self, what: &str) -> Result<usize, Failed> {
        write(&self.books, what).await?;
        Ok(what.len())
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[transactional(books, mandatory)]
async fn free<'a, T>(
    books: &Books,
    what: impl AsRef<str> + Send + 'a,
    (mut number, _): (T, &'a str),
) -> Result<T, Failed>
where
    T: Display + Send + From<u8>,
{
    write(books, what.as_ref()).await?;
    write(books, &number.to_string()).await?;
    number = T::from(7);
    Ok(number)
}

/// What is handed on is a handle; the one within goes by the same name.
#[transactional(tx, nested, tx)]
async fn by_handle(tx: &Tx<SqlitePool>, what: &str) -> Result<impl Display + use<>, Failed> {
    sqlx::query("INSERT INTO entry VALUES (?)")
        .bind(what)
        .execute(tx)
        .await?;
    Ok(tx.is_nested())
}

#[transactional(books, read_only, isolation = serializable, timeout = "200ms", deferred, tx)]
async fn look(books: &Books) -> Result<(), Failed> {
    assert!(tx.is_read_only());
    assert!(tx.remaining().unwrap().as_millis() > 100);
    assert!(tx.isolation().is_some());
    write(books, "never").await
}

async fn shop() -> (tempfile::TempDir, Shop) {
    let (folder, books) = books().await;
    let name = "the shop".to_owned();
    (
        folder,
        Shop {
            books,
            name,
            sold: 0,
        },
    )
}

#[tokio::test]
async fn it_commits_and_rolls_back_as_the_body_says() {
    let (_folder, shop) = shop().await;
    assert_eq!(shop.sell("tea", None).await.unwrap(), "tea from the shop");
    assert_eq!(
        shop.sell("early", Some(Failed::No)).await.unwrap(),
        "returned early"
    );
    assert!(matches!(
        shop.sell("bag", Some(Failed::No)).await,
        Err(Failed::No)
    ));
    assert_eq!(rows(&shop.books).await, ["early", "tea"]);
}

#[tokio::test]
async fn a_method_that_calls_its_own_type_enters_that_scope_too() {
    let (_folder, shop) = shop().await;
    shop.sell_two("tea".into(), Some("bag".into()))
        .await
        .unwrap();
    assert_eq!(rows(&shop.books).await, ["tea"]);
    // Without anything around, NESTED begins.
    assert!(!shop.part("cup".into(), None).await.unwrap());
    assert_eq!(rows(&shop.books).await, ["cup", "tea"]);
}

#[tokio::test]
async fn what_is_borrowed_to_write_is_returned() {
    let (_folder, mut shop) = shop().await;
    assert_eq!(shop.count(2).await.unwrap(), &2);
    assert_eq!(shop.count(3).await.unwrap(), &5);
    assert_eq!(rows(&shop.books).await.len(), 2);
}

#[tokio::test]
async fn rules_say_what_commits() {
    let (_folder, shop) = shop().await;
    let stored = async || rows(&shop.books).await.len();
    shop.ruled(Ok(vec![1])).await.unwrap();
    assert_eq!(stored().await, 1);
    assert!(shop.ruled(Ok(Vec::new())).await.is_ok());
    assert!(matches!(shop.ruled(Err(Failed::No)).await, Err(Failed::No)));
    assert_eq!(stored().await, 1);
    assert!(matches!(
        shop.ruled(Err(Failed::Small)).await,
        Err(Failed::Small)
    ));
    assert_eq!(stored().await, 2);
    // The first that says something counts.
    assert!(shop.ordered(Failed::Small).await.is_err());
    assert_eq!(stored().await, 2);
    assert!(shop.ordered(Failed::No).await.is_err());
    assert_eq!(stored().await, 3);
}

#[tokio::test]
async fn traits_and_free_functions() {
    let (_folder, shop) = shop().await;
    assert_eq!(shop.pay("paid").await.unwrap(), 4);
    shop.take(&shop.books).await.unwrap();
    let alone = free(&shop.books, "free", (1_u8, "")).await;
    assert!(matches!(
        alone,
        Err(Failed::Transaction(Error::NoTransaction))
    ));
    let seven: u8 = shop
        .books
        .required()
        .run(async |_| free(&shop.books, String::from("free"), (1, "")).await)
        .await
        .unwrap();
    assert_eq!(seven, 7);
    let is_nested: Result<_, Failed> = shop
        .books
        .required()
        .run(async |tx| Ok(by_handle(tx, "handle").await?.to_string()))
        .await;
    assert_eq!(is_nested.unwrap(), "true");
    assert_eq!(
        rows(&shop.books).await,
        ["1", "free", "handle", "paid", "the shop"]
    );
}

#[tokio::test]
async fn every_option_reaches_the_scope() {
    let (_folder, shop) = shop().await;
    assert!(matches!(
        look(&shop.books).await,
        Err(Failed::Transaction(Error::Driver { .. }))
    ));
    assert!(rows(&shop.books).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_future_may_move_between_threads() {
    let (_folder, shop) = shop().await;
    let own = shop.clone();
    let done = tokio::spawn(async move {
        own.sell("tea", None).await?;
        own.sell_two("bag".into(), Some("cup".into())).await?;
        own.pay("paid").await?;
        own.ruled(Ok(vec![1])).await?;
        own.books
            .required()
            .run(async |tx| {
                by_handle(tx, "handle").await?;
                free(&own.books, "free", (1_u16, "")).await
            })
            .await
    });
    assert_eq!(done.await.unwrap().unwrap(), 7);
    assert_eq!(rows(&shop.books).await.len(), 7);
}

#[tokio::test]
async fn a_mark_names_the_line_of_the_function() {
    let (_folder, shop) = shop().await;
    let done: Result<(), Failed> = shop
        .books
        .required()
        .run(async |_| {
            assert!(failing(&shop.books).await.is_err());
            Ok(())
        })
        .await;
    let Err(Failed::Transaction(Error::UnexpectedRollback { mark })) = done else {
        panic!("{done:?}");
    };
    assert_eq!(mark.scope(), Some("failing"));
    assert_eq!(mark.file(), file!());
    assert_eq!(mark.line(), FAILING);
}

const FAILING: u32 = line!() + 3;

#[transactional(books, supports)]
async fn failing(books: &Books) -> Result<(), Failed> {
    write(books, "a").await?;
    Err(Failed::No)
}
