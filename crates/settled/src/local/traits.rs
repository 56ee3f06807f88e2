//! What a driver must be able to do. The rules are not here but in `once`, `operations` and `outbox`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use settled_protocol::Json;
use settled_transaction::Tx;
use settled_transaction::driver::Driver;

use super::error::LocalError;
use super::outbox::OutboxStore;
use super::row::{OutboxRow, Position};

/// What a driver is at work on.
///
/// A box, and not `impl Future`: that a future which holds one may move between threads could not be
/// proven otherwise where a transaction's lifetime is any (rust-lang/rust#100013), and handlers of
/// web servers must be such futures.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, LocalError>> + Send + 'a>>;

/// The service's open transaction: a driver's own, or a [`Tx`]. Nothing here begins or ends it.
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
pub trait LocalPool: Driver + OutboxStore {
    /// As [`LocalTransaction::recorded`].
    ///
    /// # Errors
    /// As there.
    fn recorded<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, Option<Json>>;

    /// As [`LocalTransaction::record`].
    ///
    /// # Errors
    /// As there.
    fn record<'a>(tx: &'a Tx<Self>, key: &'a str, result: &'a Json) -> Boxed<'a, ()>;

    /// As [`LocalTransaction::unrecord`].
    ///
    /// # Errors
    /// As there.
    fn unrecord<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, ()>;

    /// As [`LocalTransaction::enqueue`].
    ///
    /// # Errors
    /// As there.
    fn enqueue<'a>(tx: &'a Tx<Self>, row: &'a OutboxRow) -> Boxed<'a, Position>;

    /// Puts a saga into the outbox that is submitted when so much time has passed, and no sooner.
    ///
    /// # Errors
    /// As [`LocalTransaction::enqueue`].
    fn hold<'a>(tx: &'a Tx<Self>, row: &'a OutboxRow, time: Duration) -> Boxed<'a, Position>;

    /// Removes a row that is held. False where it is held no more: it is, or will be, submitted.
    ///
    /// # Errors
    /// What the driver says.
    fn take_back(tx: &Tx<Self>, position: Position) -> Boxed<'_, bool>;

    /// Holds a row no longer.
    ///
    /// # Errors
    /// What the driver says.
    fn let_go(tx: &Tx<Self>, position: Position) -> Boxed<'_, ()>;

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

impl<P: LocalPool> LocalTransaction for Tx<P> {
    fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>> {
        P::recorded(self, key)
    }

    fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
        P::record(self, key, result)
    }

    fn unrecord<'a>(&'a mut self, key: &'a str) -> Boxed<'a, ()> {
        P::unrecord(self, key)
    }

    fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position> {
        P::enqueue(self, row)
    }
}
