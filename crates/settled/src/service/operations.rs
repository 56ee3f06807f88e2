//! Operations that are made within a business transaction of the program's own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_transaction::Transactions;

use super::Settled;
use super::start::Start;
use crate::function::{CallError, RECOVERY};
use crate::local::operations::Attempt;
use crate::local::{LocalPool, OperationError, OperationOptions, Outbox, OutboxHandle};

/// Makes operations within business transactions: see [`Settled::operations`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operations<P: LocalPool> {
    settled: Settled,
    books: Transactions<P>,
    outbox: OutboxHandle,
    options: OperationOptions,
}

/// An operation that is to be made.
#[must_use = "nothing is made before `perform` is awaited"]
#[derive(Clone, Debug)]
pub struct Perform<P: LocalPool> {
    operations: Operations<P>,
    start: Start,
}

impl Settled {
    /// Makes registered operations within transactions of `books`, where the program itself calls the
    /// platform and records the result with its own business write. What it leaves unsettled goes
    /// through `outbox` (see [`Settled::outbox`]) to the coordinator, which asks first.
    ///
    /// ```no_run
    /// # #[derive(Clone)] struct Platform;
    /// # impl Platform {
    /// #   async fn shelve(&self, key: &str) -> Result<String, settled::CallError> { Ok(key.to_owned()) }
    /// # }
    /// # #[cfg(feature = "sqlx-postgres")]
    /// # async fn example(
    /// #     settled: settled::Settled,
    /// #     pool: sqlx::PgPool,
    /// #     platform: Platform,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use settled::local::{OperationOptions, OutboxOptions};
    /// use settled::transaction::{Error, Transactions};
    ///
    /// let books = Transactions::new(pool.clone());
    /// let outbox = settled.outbox(pool, OutboxOptions::default());
    /// let operations = settled.operations(&books, &outbox, OperationOptions::default());
    ///
    /// books
    ///     .required()
    ///     .run(async |tx| {
    ///         let listing: String = operations
    ///             .start("shelve", "lamp")
    ///             .number("shelve-4711")
    ///             .perform(async |key| platform.shelve(key).await)
    ///             .await?;
    ///         sqlx::query("UPDATE goods SET listing = $1").bind(listing).execute(tx).await?;
    ///         Ok::<_, Error>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn operations<P: LocalPool>(
        &self,
        books: &Transactions<P>,
        outbox: &Outbox,
        options: OperationOptions,
    ) -> Operations<P> {
        Operations {
            settled: self.clone(),
            books: books.clone(),
            outbox: outbox.handle(),
            options,
        }
    }
}

impl<P: LocalPool> Operations<P> {
    /// An operation that was registered under this name, with the input that the coordinator gives it
    /// where it must settle it.
    pub fn start<I: Serialize + ?Sized>(&self, operation: &str, input: &I) -> Perform<P> {
        let recovery = format!("{operation}{RECOVERY}");
        Perform {
            operations: self.clone(),
            start: self.settled.start(&recovery, input),
        }
    }
}

impl<P: LocalPool> Perform<P> {
    /// The operation's number, 1 to 128 characters of `A-Za-z0-9._:-`: the same whenever the same thing
    /// is meant. Without one each is another operation.
    pub fn number(mut self, number: impl Into<String>) -> Self {
        self.start = self.start.id(number);
        self
    }

    /// Records that it is begun, calls the platform with the operation's key, and records the result
    /// with the transaction of `books` that is around this (REQUIRED), or in one of its own. One that
    /// was made before under this number is not made again: its result is given.
    ///
    /// The start record is a transaction of its own (`REQUIRES_NEW`), which needs a second connection
    /// where there is one around it, and on SQLite must come before that one's first write.
    ///
    /// Dropped at any point, it is settled by the coordinator.
    ///
    /// # Errors
    /// [`OperationError`] says what is certain. Where it is returned from the transaction's body, the
    /// business write is rolled back; what was begun is settled all the same.
    pub async fn perform<T, F>(mut self, call: F) -> Result<T, OperationError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&str) -> Result<T, CallError>,
    {
        let number = self.start.own_id();
        let invalid = |error: super::start::StartError| OperationError::Invalid(error.to_string());
        let row = self.start.row().map_err(invalid)?;
        let attempt = Attempt {
            books: &self.operations.books,
            outbox: &self.operations.outbox,
            options: &self.operations.options,
            row,
            key: format!("{number}/call/action"),
        };
        attempt.make(call).await
    }
}
