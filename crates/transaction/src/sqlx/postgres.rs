//! PostgreSQL by `sqlx`.
//!
//! An aborted transaction refuses every statement by itself, so that nobody need look after each
//! failure. Its COMMIT, however, is answered as if all were well: before a commit that is in doubt, a
//! savepoint is made, which an aborted transaction refuses, and no transaction too.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

use super::connection::{SqlxConnection, try_acquire};
use super::error::{code, explain, plain};
use super::executor::Statements;
use crate::driver::{Begin, Boxed, Driver, DriverError, Standing, Traits};
use crate::error::Outcome;
use crate::postgres;
use crate::statement::Saw;

impl Statements for Postgres {
    fn saw(error: &sqlx::Error) -> Saw {
        Saw::Failed(error.to_string())
    }

    fn is_for_the_writer(_error: &sqlx::Error) -> bool {
        false
    }
}

fn explain_commit(error: sqlx::Error) -> DriverError {
    let severity = match &error {
        sqlx::Error::Database(said) => said
            .try_downcast_ref::<PgDatabaseError>()
            .map(PgDatabaseError::severity),
        _ => None,
    };
    let is_error = severity == Some(PgSeverity::Error);
    let refused = postgres::refuses(&code(&error), is_error);
    explain(error, refused)
}

async fn send(connection: &mut SqlxConnection<Postgres>, sql: String) -> Result<(), DriverError> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    (&mut **connection).execute(sql).await.map_err(plain)?;
    Ok(())
}

impl Driver for PgPool {
    type Connection = SqlxConnection<Postgres>;

    fn traits(&self) -> Traits {
        postgres::TRAITS
    }

    fn size(&self) -> u32 {
        self.options().get_max_connections()
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.options().get_acquire_timeout())
    }

    fn outlives_statements(&self) -> bool {
        true
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
        Box::pin(async {
            connection
                .begin_with(postgres::begin(how))
                .await
                .map_err(plain)
        })
    }

    fn commit<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        _how: &'c Begin,
        doubtful: bool,
    ) -> Boxed<'c, Standing> {
        Box::pin(async move {
            if doubtful && let Err(error) = (&mut **connection).execute(postgres::CHECK).await {
                return Ok(
                    postgres::checked(&code(&error)).unwrap_or_else(|| Standing::Gone {
                        why: error.to_string(),
                        // No commit was sent.
                        outcome: Outcome::RolledBack,
                    }),
                );
            }
            connection.commit().await.map_err(explain_commit)?;
            Ok(Standing::Open)
        })
    }

    fn roll_back<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        _how: &'c Begin,
    ) -> Boxed<'c, ()> {
        Box::pin(async { connection.roll_back().await.map_err(plain) })
    }

    fn savepoint<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        Box::pin(send(connection, format!("SAVEPOINT settled_{number}")))
    }

    fn roll_back_to<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        number: u32,
    ) -> Boxed<'c, ()> {
        Box::pin(send(
            connection,
            format!("ROLLBACK TO SAVEPOINT settled_{number}"),
        ))
    }

    fn release<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()> {
        Box::pin(send(
            connection,
            format!("RELEASE SAVEPOINT settled_{number}"),
        ))
    }

    fn standing<'c>(&'c self, _connection: &'c mut Self::Connection) -> Boxed<'c, Standing> {
        Box::pin(async { Ok(Standing::Open) })
    }
}
