//! The pools of `sqlx` as drivers: what they have in common. What each database does its own way is its
//! `Dialect`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::{Database, Pool};

use super::connection::{SqlxConnection, try_acquire};
use super::error::plain;
use crate::driver::{Begin, Boxed, Driver, Standing, Traits};
use crate::statement::Saw;

/// What one database does its own way: each as in [`Driver`].
pub(super) trait Dialect: Database {
    const TRAITS: Traits;
    const OUTLIVES_STATEMENTS: bool;

    /// What an error of a statement shows of the transaction.
    fn saw(error: &sqlx::Error) -> Saw;

    /// Whether it is for the one writer's sake that a statement was refused.
    fn is_for_the_writer(error: &sqlx::Error) -> bool {
        let _ = error;
        false
    }

    fn begin<'c>(connection: &'c mut SqlxConnection<Self>, how: &'c Begin) -> Boxed<'c, ()>;

    fn commit(connection: &mut SqlxConnection<Self>, doubtful: bool) -> Boxed<'_, Standing>;

    fn roll_back(connection: &mut SqlxConnection<Self>) -> Boxed<'_, ()>;

    fn savepoint(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()>;

    fn roll_back_to(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()>;

    fn release(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()>;

    fn standing(connection: &mut SqlxConnection<Self>) -> Boxed<'_, Standing>;

    fn before_raw(connection: &mut SqlxConnection<Self>) -> Boxed<'_, ()> {
        let _ = connection;
        Box::pin(async { Ok(()) })
    }

    fn set_impatient(connection: &mut SqlxConnection<Self>, impatient: bool) -> Boxed<'_, ()> {
        let _ = (connection, impatient);
        Box::pin(async { Ok(()) })
    }
}

impl<DB: Dialect> Driver for Pool<DB> {
    type Connection = SqlxConnection<DB>;

    fn traits(&self) -> Traits {
        DB::TRAITS
    }

    fn size(&self) -> u32 {
        self.options().get_max_connections()
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.options().get_acquire_timeout())
    }

    fn outlives_statements(&self) -> bool {
        DB::OUTLIVES_STATEMENTS
    }

    fn acquire(&self) -> Boxed<'_, Self::Connection> {
        Box::pin(async { Ok(SqlxConnection::new(self.acquire().await.map_err(plain)?)) })
    }

    fn try_acquire(&self) -> Boxed<'_, Option<Self::Connection>> {
        Box::pin(async { try_acquire(self).await.map_err(plain) })
    }

    fn give_back(
        &self,
        connection: Self::Connection,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        connection.give_back()
    }

    fn discard(&self, connection: Self::Connection) {
        connection.close();
    }

    fn begin<'c>(&'c self, connection: &'c mut Self::Connection, how: &'c Begin) -> Boxed<'c, ()> {
        DB::begin(connection, how)
    }

    fn commit<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        doubtful: bool,
    ) -> Boxed<'c, Standing> {
        DB::commit(connection, doubtful)
    }

    fn roll_back<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()> {
        DB::roll_back(connection)
    }

    fn savepoint<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        DB::savepoint(connection, number)
    }

    fn roll_back_to<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        number: u32,
    ) -> Boxed<'c, ()> {
        DB::roll_back_to(connection, number)
    }

    fn release<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        DB::release(connection, number)
    }

    fn standing<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, Standing> {
        DB::standing(connection)
    }

    fn before_raw<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()> {
        DB::before_raw(connection)
    }

    fn set_impatient<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        impatient: bool,
    ) -> Boxed<'c, ()> {
        DB::set_impatient(connection, impatient)
    }
}
