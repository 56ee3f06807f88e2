//! PostgreSQL by `sqlx`.
//!
//! An aborted transaction refuses every statement by itself, so that nobody need look after each
//! failure. Its COMMIT, however, is answered as if all were well: before a commit that is in doubt, a
//! savepoint is made, which an aborted transaction refuses, and no transaction too.

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::{AssertSqlSafe, Executor, Postgres};

use super::connection::SqlxConnection;
use super::dialect::Dialect;
use super::error::{code, explain, plain};
use crate::driver::{Begin, Boxed, DriverError, Standing, Traits};
use crate::outcome::Outcome;
use crate::postgres;
use crate::statement::Saw;

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

impl Dialect for Postgres {
    const TRAITS: Traits = postgres::TRAITS;
    const OUTLIVES_STATEMENTS: bool = true;

    fn saw(error: &sqlx::Error) -> Saw {
        Saw::Failed(error.to_string())
    }

    fn begin<'c>(connection: &'c mut SqlxConnection<Self>, how: &'c Begin) -> Boxed<'c, ()> {
        Box::pin(async {
            connection
                .begin_with(postgres::begin(how))
                .await
                .map_err(plain)
        })
    }

    fn commit(connection: &mut SqlxConnection<Self>, doubtful: bool) -> Boxed<'_, Standing> {
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

    fn roll_back(connection: &mut SqlxConnection<Self>) -> Boxed<'_, ()> {
        Box::pin(async { connection.roll_back().await.map_err(plain) })
    }

    fn savepoint(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send(connection, format!("SAVEPOINT settled_{number}")))
    }

    fn roll_back_to(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send(
            connection,
            format!("ROLLBACK TO SAVEPOINT settled_{number}"),
        ))
    }

    fn release(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send(
            connection,
            format!("RELEASE SAVEPOINT settled_{number}"),
        ))
    }

    fn standing(_connection: &mut SqlxConnection<Self>) -> Boxed<'_, Standing> {
        Box::pin(async { Ok(Standing::Open) })
    }
}
