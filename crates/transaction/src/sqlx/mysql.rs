//! MySQL and MariaDB by `sqlx`.
//!
//! Two things end a transaction without a word: a deadlock, whose victim is rolled back whole, and
//! statements that change tables, which commit. Afterwards each statement would take effect by itself.
//! So every transaction has a savepoint for nothing else, which is gone when the transaction is:
//! releasing it tells. It is always the last one, for with a savepoint go those after it; so whatever
//! moves the others makes it anew, in the same round trip.
//!
//! A statement that is dropped takes its connection along: `sqlx` does not know how much of the answer
//! is still to come, and would take it for the next one's.

use sqlx::{AssertSqlSafe, Executor, MySql};

use super::connection::SqlxConnection;
use super::dialect::Dialect;
use super::error::{code, explain, plain};
use crate::driver::{Begin, Boxed, DriverError, Standing, Traits};
use crate::outcome::Outcome;
use crate::statement::Saw;

type Connection = SqlxConnection<MySql>;

/// A deadlock's victim is rolled back whole.
const DEADLOCK: u16 = 1213;
/// There is no such savepoint.
const NO_SAVEPOINT: u16 = 1305;

fn number(error: &sqlx::Error) -> u16 {
    match error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map_or(0, sqlx::mysql::MySqlDatabaseError::number),
        _ => 0,
    }
}

/// As one text, in one round trip.
async fn send(connection: &mut Connection, sql: String) -> sqlx::Result<()> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    (&mut **connection).execute(sql).await.map(drop)
}

fn begin_sql(how: &Begin) -> String {
    let mut sql = String::new();
    if let Some(isolation) = how.isolation {
        // For the next transaction only, which is begun at once.
        sql += "SET TRANSACTION ISOLATION LEVEL ";
        sql += isolation.as_sql();
        sql += "; ";
    }
    sql += "START TRANSACTION";
    if how.read_only {
        sql += " READ ONLY";
    }
    sql += "; SAVEPOINT settled_0";
    sql
}

/// Does something with a savepoint, after which the one that tells is the last again.
async fn savepoint(
    connection: &mut Connection,
    what: &str,
    number: u32,
) -> Result<(), DriverError> {
    let sql = format!("{what} settled_{number}; SAVEPOINT settled_0");
    send(connection, sql).await.map_err(plain)
}

async fn standing(connection: &mut Connection) -> Result<Standing, DriverError> {
    let sql = "RELEASE SAVEPOINT settled_0; SAVEPOINT settled_0".to_owned();
    match send(connection, sql).await {
        Ok(()) => Ok(Standing::Open),
        Err(error) if number(&error) == NO_SAVEPOINT => Ok(Standing::Gone {
            why: "a statement that changes tables has committed it, a deadlock has rolled it back, or \
                  the program has ended it"
                .to_owned(),
            outcome: Outcome::Unknown,
        }),
        Err(error) => Err(plain(error)),
    }
}

async fn set_back(connection: &mut Connection) -> Result<(), DriverError> {
    if connection.set_autocommit {
        let sql = "SET autocommit = 1".to_owned();
        send(connection, sql).await.map_err(plain)?;
        connection.set_autocommit = false;
    }
    Ok(())
}

impl Dialect for MySql {
    const TRAITS: Traits = Traits {
        name: "MySQL",
        single_writer: false,
        savepoints: true,
        only_isolation: None,
    };
    const OUTLIVES_STATEMENTS: bool = false;

    fn saw(error: &sqlx::Error) -> Saw {
        let said = error.to_string();
        match number(error) {
            DEADLOCK => Saw::Ended(said),
            _ => Saw::Failed(said),
        }
    }

    fn begin<'c>(connection: &'c mut SqlxConnection<Self>, how: &'c Begin) -> Boxed<'c, ()> {
        Box::pin(async { connection.begin_with(begin_sql(how)).await.map_err(plain) })
    }

    fn commit(connection: &mut SqlxConnection<Self>, doubtful: bool) -> Boxed<'_, Standing> {
        Box::pin(async move {
            if doubtful && let gone @ Standing::Gone { .. } = standing(connection).await? {
                return Ok(gone);
            }
            connection.commit().await.map_err(|error| {
                let refused = code(&error) == "40001";
                explain(error, refused)
            })?;
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
        Box::pin(savepoint(connection, "SAVEPOINT", number))
    }

    fn roll_back_to(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(savepoint(connection, "ROLLBACK TO SAVEPOINT", number))
    }

    fn release(connection: &mut SqlxConnection<Self>, number: u32) -> Boxed<'_, ()> {
        Box::pin(savepoint(connection, "RELEASE SAVEPOINT", number))
    }

    fn standing(connection: &mut SqlxConnection<Self>) -> Boxed<'_, Standing> {
        Box::pin(standing(connection))
    }

    fn before_raw(connection: &mut SqlxConnection<Self>) -> Boxed<'_, ()> {
        Box::pin(async {
            if !connection.set_autocommit {
                // So that what follows a deadlock within is not committed statement by statement.
                connection.set_autocommit = true;
                let sql = "SET autocommit = 0".to_owned();
                send(connection, sql).await.map_err(plain)?;
            }
            Ok(())
        })
    }
}
