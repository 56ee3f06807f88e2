//! What a driver must be able to do. The rules are not here but in `once` and `outbox`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use settled_protocol::Json;

use super::error::LocalError;
use super::outbox::OutboxStore;
use super::row::{OutboxRow, Position};

/// What a driver is at work on.
///
/// A box, and not `impl Future`: that a future which holds one may move between threads could not be
/// proven otherwise where a transaction's lifetime is any (rust-lang/rust#100013), and handlers of
/// web servers must be such futures.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, LocalError>> + Send + 'a>>;

/// The service's open transaction. Nothing here begins or ends it.
///
/// After an error the transaction is to be rolled back: on PostgreSQL it can do nothing else any more.
///
/// None of these is cancel-safe in itself: where one is dropped midway, drop the transaction too.
pub trait LocalTransaction: Send {
    /// The result that is recorded under a key, none where there is none.
    ///
    /// # Errors
    /// [`LocalError::NoTables`], or what the driver says.
    fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>>;

    /// Records a result under a key: it is there when the transaction commits, and not otherwise.
    /// Where another transaction has done so and is still open, this waits for its end.
    ///
    /// As the last statement before a commit it also makes sure that there is something to commit: a
    /// transaction that PostgreSQL has given up takes no statement any more, but says of its commit
    /// that all is well.
    ///
    /// # Errors
    /// [`LocalError::AlreadyRecorded`] where there is one: roll back.
    fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()>;

    /// Takes a record back that this transaction has made.
    ///
    /// # Errors
    /// What the driver says.
    fn unrecord<'a>(&'a mut self, key: &'a str) -> Boxed<'a, ()>;

    /// Puts a saga into the outbox, to be submitted when the transaction commits, and not otherwise.
    /// [`OutboxHandle::enqueue`](super::OutboxHandle::enqueue) does the same and wakes the outbox.
    ///
    /// # Errors
    /// [`LocalError::NoTables`], or what the driver says.
    fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position>;
}

/// The service's pool of connections.
pub trait LocalPool: OutboxStore {
    /// A connection taken from the pool. When dropped it is closed, unless it was given back: nobody
    /// else may get a connection with a half-done transaction.
    type Lease: Send;
    /// A transaction on it. When dropped it is rolled back.
    type Transaction<'c>: LocalTransaction;

    /// Takes a connection.
    ///
    /// # Errors
    /// Where there is none to be had.
    fn lease(&self) -> Boxed<'_, Self::Lease>;

    /// Gives a connection back that has no transaction open.
    fn give_back(&self, lease: Self::Lease);

    /// Begins a transaction that will write (on SQLite `BEGIN IMMEDIATE`: one that reads first and
    /// writes then may find that it cannot).
    ///
    /// # Errors
    /// What the driver says.
    fn begin<'c>(&self, lease: &'c mut Self::Lease) -> Boxed<'c, Self::Transaction<'c>>;

    /// Commits it. An error says nothing about whether it was committed.
    ///
    /// # Errors
    /// What the driver says.
    fn commit<'c>(transaction: Self::Transaction<'c>) -> Boxed<'c, ()>
    where
        Self: 'c;

    /// Rolls it back.
    ///
    /// # Errors
    /// What the driver says; the connection is then of no more use.
    fn roll_back<'c>(transaction: Self::Transaction<'c>) -> Boxed<'c, ()>
    where
        Self: 'c;

    /// The version of the tables, none where they are missing.
    ///
    /// # Errors
    /// What the driver says.
    fn tables(&self) -> Boxed<'_, Option<i64>>;

    /// Makes the tables; those that are there are left alone.
    ///
    /// # Errors
    /// What the driver says.
    fn make_tables(&self) -> Boxed<'_, ()>;

    /// Removes up to `limit` records that are older than `older_than` by the database's own clock.
    /// Returns how many.
    ///
    /// # Errors
    /// What the driver says.
    fn prune(&self, older_than: Duration, limit: u32) -> Boxed<'_, u64>;
}
