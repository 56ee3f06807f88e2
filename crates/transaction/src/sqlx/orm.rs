//! `sea-orm`: a handle, and the manager itself, as what its entities run on.
//!
//! Each statement is made one of `sqlx` and goes the way of all others, so that it is seen. The manager's
//! own `begin` is not `sea-orm`'s: what it calls a transaction is a connection out of its own pool.

use std::sync::Arc;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, IntoArguments, Pool};

use super::error::is_retryable;
use super::words::{Kind, kind};
use crate::error::Error;
use crate::manager::Transactions;
use crate::tx::Tx;

/// This crate's errors, carried where only an error of `sea-orm` can be.
impl From<Error> for DbErr {
    fn from(error: Error) -> Self {
        exec(error.into())
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => match Arc::try_unwrap(error) {
                Ok(error) => error.into(),
                Err(shared) => Self::Driver {
                    retryable: is_retryable(&shared),
                    source: Box::new(shared),
                },
            },
            error => Self::Driver {
                retryable: false,
                source: Box::new(error),
            },
        }
    }
}

impl Error {
    /// This crate's error that an error of `sea-orm` carries.
    pub fn within_orm(error: &DbErr) -> Option<&Self> {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::within(error),
            _ => None,
        }
    }
}

fn exec(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn query(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// The same as a statement of `sqlx`.
fn read<DB: Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

macro_rules! connection {
    ($feature:literal, $DB:ty, $backend:ident, $Handle:ident) => {
        #[cfg(feature = $feature)]
        #[async_trait]
        impl ConnectionTrait for $Handle<Pool<$DB>> {
            fn get_database_backend(&self) -> DbBackend {
                DbBackend::$backend
            }

            async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                let done = read::<$DB>(statement).execute(self).await;
                done.map(ExecResult::from).map_err(exec)
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                sql.execute(self).await.map(ExecResult::from).map_err(exec)
            }

            async fn query_one_raw(
                &self,
                statement: Statement,
            ) -> Result<Option<QueryResult>, DbErr> {
                if kind(&statement.sql, false) == Kind::Reads {
                    let row = read::<$DB>(statement).fetch_optional(self).await;
                    return Ok(row.map_err(query)?.map(QueryResult::from));
                }
                // Of one that writes all of the answer is waited for: its end may be an error.
                let rows = read::<$DB>(statement).fetch_all(self).await;
                Ok(rows
                    .map_err(query)?
                    .into_iter()
                    .next()
                    .map(QueryResult::from))
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                let rows = read::<$DB>(statement).fetch_all(self).await;
                Ok(rows
                    .map_err(query)?
                    .into_iter()
                    .map(QueryResult::from)
                    .collect())
            }
        }
    };
}

connection!("sqlx-mysql", sqlx::MySql, MySql, Tx);
connection!("sqlx-mysql", sqlx::MySql, MySql, Transactions);
connection!("sqlx-postgres", sqlx::Postgres, Postgres, Tx);
connection!("sqlx-postgres", sqlx::Postgres, Postgres, Transactions);
connection!("sqlx-sqlite", sqlx::Sqlite, Sqlite, Tx);
connection!("sqlx-sqlite", sqlx::Sqlite, Sqlite, Transactions);
