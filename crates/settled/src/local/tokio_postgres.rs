//! `tokio-postgres`: its transactions, and pools of `deadpool-postgres`.
//!
//! A connection is closed when it is dropped, unless it was given back after its transaction had
//! ended.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use settled_protocol::Json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Transaction};

use super::error::LocalError;
use super::outbox::{OutboxStore, Waiting};
use super::row::{OutboxRow, Position, check_key, recorded};
use super::sql::postgres as text;
use super::traits::{Boxed, LocalPool, LocalTransaction};

/// A connection that is closed when dropped, unless it is given back.
#[derive(Debug)]
pub struct PostgresLease(Option<Object>);

impl PostgresLease {
    fn client(&mut self) -> Result<&mut Client, LocalError> {
        let client = self.0.as_mut().map(|object| &mut ***object);
        client.ok_or_else(|| LocalError::database("this connection was given back"))
    }
}

impl Drop for PostgresLease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

fn explain(error: Error) -> LocalError {
    match error.code() {
        Some(&SqlState::UNDEFINED_TABLE) => LocalError::NoTables(error.into()),
        Some(
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::LOCK_NOT_AVAILABLE,
        ) => LocalError::Conflict(error.into()),
        // The driver's own text says no more than "db error".
        _ => match error.as_db_error() {
            Some(said) => LocalError::Database(said.to_string().into()),
            None => LocalError::Database(error.into()),
        },
    }
}

/// A parameter with its type, so that a statement takes one round trip and is not prepared.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl LocalTransaction for Transaction<'_> {
    fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>> {
        Box::pin(async move {
            check_key(key)?;
            let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT)];
            let row = self
                .query_typed_opt(text::RECORDED, parameters)
                .await
                .map_err(explain)?;
            let text: Option<String> =
                row.map(|row| row.try_get(0)).transpose().map_err(explain)?;
            text.map(|text| recorded(key, &text)).transpose()
        })
    }

    fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
        Box::pin(async move {
            check_key(key)?;
            let result = result.as_str();
            let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT), (&result, Type::TEXT)];
            match self.execute_typed(text::RECORD, parameters).await {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
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
            let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT)];
            self.execute_typed(text::UNRECORD, parameters)
                .await
                .map_err(explain)?;
            Ok(())
        })
    }

    fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position> {
        Box::pin(async move {
            let (id, document) = (row.id.as_str(), row.document.as_str());
            let parameters: &[Parameter<'_>] = &[(&id, Type::TEXT), (&document, Type::TEXT)];
            let row = self
                .query_typed_one(text::ENQUEUE, parameters)
                .await
                .map_err(explain)?;
            row.try_get(0).map(Position).map_err(explain)
        })
    }
}

async fn client(pool: &Pool) -> Result<Object, LocalError> {
    pool.get().await.map_err(LocalError::database)
}

async fn execute(pool: &Pool, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, LocalError> {
    let client = client(pool).await?;
    client.execute_typed(sql, parameters).await.map_err(explain)
}

impl OutboxStore for Pool {
    async fn waiting(&self, after: Position, limit: u32) -> Result<Vec<Waiting>, LocalError> {
        let (after, limit) = (after.0, i64::from(limit));
        let parameters: &[Parameter<'_>] = &[(&after, Type::INT8), (&limit, Type::INT8)];
        let rows = client(self)
            .await?
            .query_typed(text::WAITING, parameters)
            .await
            .map_err(explain)?;
        let waiting = |row: Row| -> Result<Waiting, Error> {
            Ok(Waiting::new((
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
            )))
        };
        rows.into_iter()
            .map(waiting)
            .collect::<Result<_, _>>()
            .map_err(explain)
    }

    async fn remove(&self, position: Position) -> Result<(), LocalError> {
        execute(self, text::REMOVE, &[(&position.0, Type::INT8)]).await?;
        Ok(())
    }

    async fn set_aside(&self, position: Position, why: &str) -> Result<(), LocalError> {
        let parameters: &[Parameter<'_>] = &[(&position.0, Type::INT8), (&why, Type::TEXT)];
        execute(self, text::SET_ASIDE, parameters).await?;
        Ok(())
    }
}

impl LocalPool for Pool {
    type Lease = PostgresLease;
    type Transaction<'c> = Transaction<'c>;

    fn lease(&self) -> Boxed<'_, Self::Lease> {
        Box::pin(async move { Ok(PostgresLease(Some(client(self).await?))) })
    }

    fn give_back(&self, mut lease: Self::Lease) {
        drop(lease.0.take());
    }

    fn begin<'c>(&self, lease: &'c mut Self::Lease) -> Boxed<'c, Self::Transaction<'c>> {
        Box::pin(async move { lease.client()?.transaction().await.map_err(explain) })
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
            let client = client(self).await?;
            match client.query_typed_opt(text::TABLES, &[]).await {
                Ok(row) => row.map(|row| row.try_get(0)).transpose().map_err(explain),
                Err(error) => match explain(error) {
                    LocalError::NoTables(_) => Ok(None),
                    error => Err(error),
                },
            }
        })
    }

    fn make_tables(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            let client = client(self).await?;
            client.batch_execute(text::CREATE).await.map_err(explain)
        })
    }

    fn prune(&self, older_than: Duration, limit: u32) -> Boxed<'_, u64> {
        Box::pin(async move {
            let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
            let limit = i64::from(limit);
            let parameters: &[Parameter<'_>] = &[(&seconds, Type::INT8), (&limit, Type::INT8)];
            execute(self, text::PRUNE, parameters).await
        })
    }
}
