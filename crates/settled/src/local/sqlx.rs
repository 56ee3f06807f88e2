//! `sqlx`: its pools and transactions of SQLite, PostgreSQL, and MySQL or MariaDB.
//!
//! A connection is closed when it is dropped, unless it was given back after its transaction had
//! ended. That costs a new connection for each call that is dropped midway, and is what keeps a
//! half-done transaction out of the pool: `sqlx` 0.9.0 gives a connection back whose `BEGIN` is under
//! way, and the next one to get it works inside of somebody else's transaction.

use std::time::Duration;

use settled_protocol::Json;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Pool, Transaction};

use super::error::LocalError;
use super::outbox::{OutboxStore, Waiting};
use super::row::{OutboxRow, Position, check_key, recorded};
use super::sql;
use super::traits::{Boxed, LocalPool, LocalTransaction};

/// A connection that is closed when dropped, unless it is given back.
#[derive(Debug)]
pub struct SqlxLease<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> SqlxLease<DB> {
    fn connection(&mut self) -> Result<&mut PoolConnection<DB>, LocalError> {
        let gone = || LocalError::database(sqlx::Error::PoolClosed);
        self.0.as_mut().ok_or_else(gone)
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl<DB: Database> Drop for SqlxLease<DB> {
    fn drop(&mut self) {
        if let Some(mut connection) = self.0.take() {
            connection.close_on_drop();
        }
    }
}

/// What an error means. `no_table` and `conflicts` are the database's own codes.
fn error(error: sqlx::Error, no_table: &str, conflicts: &[&str]) -> LocalError {
    let code = match &error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        _ => String::new(),
    };
    let is_missing = match no_table {
        // SQLite has one code for all that is wrong with a statement, another for one that is wrong
        // since the tables have changed, and says the rest in words.
        SQLITE_ERROR => {
            [SQLITE_ERROR, SQLITE_SCHEMA].contains(&code.as_str())
                && error.to_string().contains("no such table: settled_")
        }
        no_table => code == no_table,
    };
    if is_missing {
        LocalError::NoTables(error.into())
    } else if conflicts.contains(&code.as_str()) {
        LocalError::Conflict(error.into())
    } else {
        LocalError::Database(error.into())
    }
}

const SQLITE_ERROR: &str = "1";
const SQLITE_SCHEMA: &str = "17";

/// One database's part: how it begins, its statements, how it gives a position, what its codes say.
macro_rules! local {
    (
        $feature:literal, $DB:ty, $sql:ident, begin $begin:expr, no table $no_table:expr,
        conflicts $conflicts:expr, position |$query:ident, $at:ident| $position:expr,
        aside |$p:ident, $why:ident| ($first:expr, $second:expr)
    ) => {
        #[cfg(feature = $feature)]
        const _: () = {
            use sql::$sql as text;

            fn explain(found: sqlx::Error) -> LocalError {
                error(found, $no_table, $conflicts)
            }

            impl LocalTransaction for Transaction<'_, $DB> {
                fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>> {
                    Box::pin(async move {
                        check_key(key)?;
                        let result: Option<String> = sqlx::query_scalar(text::RECORDED)
                            .bind(key)
                            .fetch_optional(&mut **self)
                            .await
                            .map_err(explain)?;
                        result.map(|text| recorded(key, &text)).transpose()
                    })
                }

                fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
                    Box::pin(async move {
                        check_key(key)?;
                        let done = sqlx::query(text::RECORD)
                            .bind(key)
                            .bind(result.as_str())
                            .execute(&mut **self)
                            .await;
                        match done {
                            Ok(_) => Ok(()),
                            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                                Err(LocalError::AlreadyRecorded {
                                    key: key.to_owned(),
                                })
                            }
                            Err(error) => Err(explain(error)),
                        }
                    })
                }

                fn unrecord<'a>(&'a mut self, key: &'a str) -> Boxed<'a, ()> {
                    Box::pin(async move {
                        sqlx::query(text::UNRECORD)
                            .bind(key)
                            .execute(&mut **self)
                            .await
                            .map_err(explain)?;
                        Ok(())
                    })
                }

                fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position> {
                    Box::pin(async move {
                        let $query = sqlx::query(text::ENQUEUE)
                            .bind(row.id.as_str())
                            .bind(row.document.as_str());
                        let $at = &mut **self;
                        let position: Result<i64, sqlx::Error> = $position;
                        position.map(Position).map_err(explain)
                    })
                }
            }

            impl OutboxStore for Pool<$DB> {
                async fn waiting(
                    &self,
                    after: Position,
                    limit: u32,
                ) -> Result<Vec<Waiting>, LocalError> {
                    let rows: Vec<(i64, String, String)> = sqlx::query_as(text::WAITING)
                        .bind(after.0)
                        .bind(i64::from(limit))
                        .fetch_all(self)
                        .await
                        .map_err(explain)?;
                    Ok(rows.into_iter().map(Waiting::new).collect())
                }

                async fn remove(&self, position: Position) -> Result<(), LocalError> {
                    sqlx::query(text::REMOVE)
                        .bind(position.0)
                        .execute(self)
                        .await
                        .map_err(explain)?;
                    Ok(())
                }

                async fn set_aside(&self, $p: Position, $why: &str) -> Result<(), LocalError> {
                    sqlx::query(text::SET_ASIDE)
                        .bind($first)
                        .bind($second)
                        .execute(self)
                        .await
                        .map_err(explain)?;
                    Ok(())
                }
            }

            impl LocalPool for Pool<$DB> {
                type Lease = SqlxLease<$DB>;
                type Transaction<'c> = Transaction<'c, $DB>;

                fn lease(&self) -> Boxed<'_, Self::Lease> {
                    Box::pin(async move {
                        let connection = self.acquire().await.map_err(explain)?;
                        Ok(SqlxLease(Some(connection)))
                    })
                }

                fn give_back(&self, lease: Self::Lease) {
                    lease.give_back();
                }

                fn begin<'c>(
                    &self,
                    lease: &'c mut Self::Lease,
                ) -> Boxed<'c, Self::Transaction<'c>> {
                    Box::pin(async move {
                        let connection = lease.connection()?;
                        connection.begin_with($begin).await.map_err(explain)
                    })
                }

                fn commit<'c>(transaction: Self::Transaction<'c>) -> Boxed<'c, ()>
                where
                    Self: 'c,
                {
                    Box::pin(async move { transaction.commit().await.map_err(explain) })
                }

                fn roll_back<'c>(transaction: Self::Transaction<'c>) -> Boxed<'c, ()>
                where
                    Self: 'c,
                {
                    Box::pin(async move { transaction.rollback().await.map_err(explain) })
                }

                fn tables(&self) -> Boxed<'_, Option<i64>> {
                    Box::pin(async move {
                        let found = sqlx::query_scalar(text::TABLES).fetch_optional(self).await;
                        match found.map_err(explain) {
                            Err(LocalError::NoTables(_)) => Ok(None),
                            found => found,
                        }
                    })
                }

                fn make_tables(&self) -> Boxed<'_, ()> {
                    Box::pin(async move {
                        sqlx::raw_sql(text::CREATE)
                            .execute(self)
                            .await
                            .map_err(explain)?;
                        Ok(())
                    })
                }

                fn prune(&self, older_than: Duration, limit: u32) -> Boxed<'_, u64> {
                    Box::pin(async move {
                        let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
                        let done = sqlx::query(text::PRUNE)
                            .bind(seconds)
                            .bind(i64::from(limit))
                            .execute(self)
                            .await
                            .map_err(explain)?;
                        Ok(done.rows_affected())
                    })
                }
            }
        };
    };
}

local! {
    "sqlx-sqlite", sqlx::Sqlite, sqlite,
    begin "BEGIN IMMEDIATE",
    no table SQLITE_ERROR,
    // Busy, and busy for its snapshot, its recovery or its time limit; locked within one cache.
    conflicts &["5", "261", "517", "773", "6", "262"],
    position |query, at| query.execute(at).await.map(|done| done.last_insert_rowid()),
    aside |position, why| (position.0, why)
}

local! {
    "sqlx-postgres", sqlx::Postgres, postgres,
    begin "BEGIN",
    no table "42P01",
    // Serialization failure, deadlock, lock not available.
    conflicts &["40001", "40P01", "55P03"],
    position |query, at| {
        use sqlx::Row;
        query.fetch_one(at).await.and_then(|row| row.try_get(0))
    },
    aside |position, why| (position.0, why)
}

local! {
    "sqlx-mysql", sqlx::MySql, mysql,
    begin "START TRANSACTION",
    no table "42S02",
    // Deadlock; a lock that was waited for too long has no SQLSTATE of its own.
    conflicts &["40001"],
    position |query, at| {
        let done = query.execute(at).await;
        done.map(|done| i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX))
    },
    aside |position, why| (why, position.0)
}
