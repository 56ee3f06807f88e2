//! `sqlx`: its pools and transactions of SQLite, PostgreSQL, and MySQL or MariaDB.

use std::time::Duration;

use settled_protocol::Json;
use settled_transaction::Tx;
use sqlx::{Executor, Pool, Transaction};

use super::error::LocalError;
use super::outbox::{OutboxStore, Waiting};
use super::row::{OutboxRow, Position, check_key, recorded};
use super::sql;
use super::traits::{Boxed, LocalPool, LocalTransaction};

/// What an error means. `no_table` and `conflicts` are the database's own codes.
fn error(error: sqlx::Error, no_table: &str, conflicts: &[&str]) -> LocalError {
    if settled_transaction::Error::within(&error).is_some() {
        return settled_transaction::Error::from(error).into();
    }
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

/// One database's part: its statements, how it gives a position, what its codes say.
macro_rules! local {
    (
        $feature:literal, $DB:ty, $sql:ident, no table $no_table:expr,
        conflicts $conflicts:expr, position |$query:ident, $at:ident| $position:expr,
        aside |$p:ident, $why:ident| ($first:expr, $second:expr)
    ) => {
        #[cfg(feature = $feature)]
        const _: () = {
            use sql::$sql as text;

            fn explain(found: sqlx::Error) -> LocalError {
                error(found, $no_table, $conflicts)
            }

            async fn find<'e>(
                at: impl Executor<'e, Database = $DB>,
                key: &str,
            ) -> Result<Option<Json>, LocalError> {
                check_key(key)?;
                let result: Option<String> = sqlx::query_scalar(text::RECORDED)
                    .bind(key)
                    .fetch_optional(at)
                    .await
                    .map_err(explain)?;
                result.map(|text| recorded(key, &text)).transpose()
            }

            async fn write<'e>(
                at: impl Executor<'e, Database = $DB>,
                key: &str,
                result: &Json,
            ) -> Result<(), LocalError> {
                check_key(key)?;
                let done = sqlx::query(text::RECORD)
                    .bind(key)
                    .bind(result.as_str())
                    .execute(at)
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
            }

            async fn erase<'e>(
                at: impl Executor<'e, Database = $DB>,
                key: &str,
            ) -> Result<(), LocalError> {
                let done = sqlx::query(text::UNRECORD).bind(key).execute(at).await;
                done.map(drop).map_err(explain)
            }

            async fn put<'e>(
                $at: impl Executor<'e, Database = $DB>,
                row: &OutboxRow,
            ) -> Result<Position, LocalError> {
                let $query = sqlx::query(text::ENQUEUE)
                    .bind(row.id.as_str())
                    .bind(row.document.as_str());
                let position: Result<i64, sqlx::Error> = $position;
                position.map(Position).map_err(explain)
            }

            async fn put_held<'e>(
                $at: impl Executor<'e, Database = $DB>,
                row: &OutboxRow,
                time: Duration,
            ) -> Result<Position, LocalError> {
                let $query = sqlx::query(text::HOLD)
                    .bind(row.id.as_str())
                    .bind(row.document.as_str())
                    .bind(seconds(time));
                let position: Result<i64, sqlx::Error> = $position;
                position.map(Position).map_err(explain)
            }

            async fn change<'e>(
                at: impl Executor<'e, Database = $DB>,
                sql: &'static str,
                position: Position,
            ) -> Result<u64, LocalError> {
                let done = sqlx::query(sql).bind(position.0).execute(at).await;
                done.map(|done| done.rows_affected()).map_err(explain)
            }

            impl LocalTransaction for Transaction<'_, $DB> {
                fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>> {
                    Box::pin(find(&mut **self, key))
                }

                fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
                    Box::pin(write(&mut **self, key, result))
                }

                fn unrecord<'a>(&'a mut self, key: &'a str) -> Boxed<'a, ()> {
                    Box::pin(erase(&mut **self, key))
                }

                fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position> {
                    Box::pin(put(&mut **self, row))
                }
            }

            impl OutboxStore for Pool<$DB> {
                async fn waiting(
                    &self,
                    after: Position,
                    limit: u32,
                ) -> Result<Vec<Waiting>, LocalError> {
                    let rows: Vec<(i64, String, String, i64)> = sqlx::query_as(text::WAITING)
                        .bind(after.0)
                        .bind(i64::from(limit))
                        .fetch_all(self)
                        .await
                        .map_err(explain)?;
                    Ok(rows.into_iter().map(Waiting::new).collect())
                }

                async fn claim(&self, position: Position) -> Result<bool, LocalError> {
                    Ok(change(self, text::CLAIM, position).await? == 1)
                }

                async fn remove(&self, position: Position) -> Result<(), LocalError> {
                    change(self, text::REMOVE, position).await.map(drop)
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
                fn recorded<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, Option<Json>> {
                    Box::pin(find(tx, key))
                }

                fn record<'a>(tx: &'a Tx<Self>, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
                    Box::pin(write(tx, key, result))
                }

                fn unrecord<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, ()> {
                    Box::pin(erase(tx, key))
                }

                fn enqueue<'a>(tx: &'a Tx<Self>, row: &'a OutboxRow) -> Boxed<'a, Position> {
                    Box::pin(put(tx, row))
                }

                fn hold<'a>(
                    tx: &'a Tx<Self>,
                    row: &'a OutboxRow,
                    time: Duration,
                ) -> Boxed<'a, Position> {
                    Box::pin(put_held(tx, row, time))
                }

                fn take_back(tx: &Tx<Self>, position: Position) -> Boxed<'_, bool> {
                    Box::pin(async move { Ok(change(tx, text::TAKE_BACK, position).await? == 1) })
                }

                fn let_go(tx: &Tx<Self>, position: Position) -> Boxed<'_, ()> {
                    Box::pin(async move { change(tx, text::LET_GO, position).await.map(drop) })
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
                        let done = sqlx::query(text::PRUNE)
                            .bind(seconds(older_than))
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

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

local! {
    "sqlx-sqlite", sqlx::Sqlite, sqlite,
    no table SQLITE_ERROR,
    // Busy, and busy for its snapshot, its recovery or its time limit; locked within one cache.
    conflicts &["5", "261", "517", "773", "6", "262"],
    position |query, at| query.execute(at).await.map(|done| done.last_insert_rowid()),
    aside |position, why| (position.0, why)
}

local! {
    "sqlx-postgres", sqlx::Postgres, postgres,
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
    no table "42S02",
    // Deadlock; a lock that was waited for too long has no SQLSTATE of its own.
    conflicts &["40001"],
    position |query, at| {
        let done = query.execute(at).await;
        done.map(|done| i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX))
    },
    aside |position, why| (why, position.0)
}
