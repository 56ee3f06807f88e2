//! SQLite by `sqlx`.
//!
//! A transaction that writes begins with the write lock: to read first and take the lock later may find
//! it taken, or what was read changed, and fail at once. Some errors roll the whole transaction back
//! (a full disk, an interruption, `ON CONFLICT ROLLBACK`), after which statements would take effect one
//! by one; so after each error it is asked whether the transaction is still there.

use std::time::Instant;

use sqlx::{AssertSqlSafe, Executor, Sqlite};

use super::connection::SqlxConnection;
use super::dialect::Dialect;
use super::error::{code, explain, is_busy, plain};
use crate::definition::Isolation;
use crate::driver::{Begin, Boxed, DriverError, Standing, Traits};
use crate::outcome::Outcome;
use crate::statement::Saw;

type Connection = SqlxConnection<Sqlite>;

/// How often the clock is looked at, in the steps of SQLite's machine: every few microseconds.
const STEPS: i32 = 1000;

async fn send(connection: &mut Connection, sql: &'static str) -> Result<(), DriverError> {
    (&mut **connection).execute(sql).await.map_err(plain)?;
    Ok(())
}

async fn send_owned(connection: &mut Connection, sql: String) -> Result<(), DriverError> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    (&mut **connection).execute(sql).await.map_err(plain)?;
    Ok(())
}

async fn begin(connection: &mut Connection, how: &Begin) -> Result<(), DriverError> {
    if how.read_only {
        let is_set: bool = sqlx::query_scalar("PRAGMA query_only")
            .fetch_one(&mut **connection)
            .await
            .map_err(plain)?;
        if !is_set {
            connection.set_query_only = true;
            send(connection, "PRAGMA query_only = ON").await?;
        }
    }
    let sql = if how.read_only || how.deferred {
        "BEGIN"
    } else {
        "BEGIN IMMEDIATE"
    };
    connection.begin_with(sql.to_owned()).await.map_err(plain)?;
    if let Some(timeout) = how.timeout
        && let Some(deadline) = Instant::now().checked_add(timeout)
    {
        connection.watched = true;
        let mut handle = connection.lock_handle().await.map_err(plain)?;
        handle.set_progress_handler(STEPS, move || Instant::now() < deadline);
    }
    Ok(())
}

/// Undoes what was set at the beginning.
async fn set_back(connection: &mut Connection) -> Result<(), DriverError> {
    if connection.watched {
        let mut handle = connection.lock_handle().await.map_err(plain)?;
        handle.remove_progress_handler();
        drop(handle);
        connection.watched = false;
    }
    if connection.set_query_only {
        send(connection, "PRAGMA query_only = OFF").await?;
        connection.set_query_only = false;
    }
    Ok(())
}

async fn standing(connection: &mut Connection) -> Result<Standing, DriverError> {
    // Within a transaction this is refused, and nothing is changed.
    match send(connection, "BEGIN").await {
        Err(error) if error.to_string().contains("within a transaction") => Ok(Standing::Open),
        Err(error) => Err(error),
        Ok(()) => {
            send(connection, "ROLLBACK").await?;
            Ok(Standing::Gone {
                why: "SQLite has rolled it back, as it does after some errors".to_owned(),
                outcome: Outcome::RolledBack,
            })
        }
    }
}

impl Dialect for Sqlite {
    const TRAITS: Traits = Traits {
        name: "SQLite",
        single_writer: true,
        savepoints: true,
        only_isolation: Some(Isolation::Serializable),
    };
    const OUTLIVES_STATEMENTS: bool = true;

    fn saw(error: &sqlx::Error) -> Saw {
        Saw::Failed(error.to_string())
    }

    fn is_for_the_writer(error: &sqlx::Error) -> bool {
        is_busy(&code(error))
    }

    fn begin<'c>(connection: &'c mut SqlxConnection<Self>, how: &'c Begin) -> Boxed<'c, ()> {
        Box::pin(begin(connection, how))
    }

    fn commit(connection: &mut SqlxConnection<Self>, doubtful: bool) -> Boxed<'_, Standing> {
        Box::pin(async move {
            if doubtful && let gone @ Standing::Gone { .. } = standing(connection).await? {
                return Ok(gone);
            }
            if let Err(error) = connection.commit().await {
                let said = error.to_string();
                if said.contains("no transaction is active") {
                    return Ok(Standing::Gone {
                        why: "it was committed or rolled back within its scope".to_owned(),
                        outcome: Outcome::Unknown,
                    });
                }
                // Busy, and a constraint that was deferred: the transaction is still open, and is
                // rolled back with its connection. Of anything else nobody can tell.
                let refused = ["5", "261", "19", "787"].contains(&code(&error).as_str());
                return Err(explain(error, refused));
            }
            // It is committed. A connection that cannot be set back is closed instead of given back.
            let _closed = set_back(connection).await;
            Ok(Standing::Open)
        })
    }

    fn roll_back(connection: &mut SqlxConnection<Self>) -> Boxed<'_, ()> {
        Box::pin(async {
            connection.roll_back().await.map_err(plain)?;
            set_back(connection).await
        })
    }

    fn savepoint(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send_owned(
            connection,
            format!("SAVEPOINT settled_{number}"),
        ))
    }

    fn roll_back_to(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send_owned(
            connection,
            format!("ROLLBACK TO settled_{number}"),
        ))
    }

    fn release(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(send_owned(connection, format!("RELEASE settled_{number}")))
    }

    fn standing(connection: &mut SqlxConnection<Self>) -> Boxed<'_, Standing> {
        Box::pin(standing(connection))
    }

    fn set_impatient(connection: &mut SqlxConnection<Self>, impatient: bool) -> Boxed<'_, ()> {
        Box::pin(async move {
            if impatient {
                let waits: i64 = sqlx::query_scalar("PRAGMA busy_timeout")
                    .fetch_one(&mut **connection)
                    .await
                    .map_err(plain)?;
                connection.busy_timeout = Some(waits);
                send(connection, "PRAGMA busy_timeout = 0").await
            } else if let Some(waits) = connection.busy_timeout.take() {
                send_owned(connection, format!("PRAGMA busy_timeout = {waits}")).await
            } else {
                Ok(())
            }
        })
    }
}
