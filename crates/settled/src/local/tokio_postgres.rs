//! `tokio-postgres`: its transactions, and pools of `deadpool-postgres`.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use settled_protocol::Json;
use settled_transaction::Tx;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Transaction};

use super::error::LocalError;
use super::outbox::{OutboxStore, Waiting};
use super::row::{OutboxRow, Position, check_key, recorded};
use super::sql::postgres as text;
use super::traits::{Boxed, LocalPool, LocalTransaction};

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

async fn find(client: &Client, key: &str) -> Result<Option<Json>, LocalError> {
    check_key(key)?;
    let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT)];
    let row = client
        .query_typed_opt(text::RECORDED, parameters)
        .await
        .map_err(explain)?;
    let text: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(explain)?;
    text.map(|text| recorded(key, &text)).transpose()
}

async fn write(client: &Client, key: &str, result: &Json) -> Result<(), LocalError> {
    check_key(key)?;
    let result = result.as_str();
    let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT), (&result, Type::TEXT)];
    match client.execute_typed(text::RECORD, parameters).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            Err(LocalError::AlreadyRecorded {
                key: key.to_owned(),
            })
        }
        Err(error) => Err(explain(error)),
    }
}

async fn erase(client: &Client, key: &str) -> Result<(), LocalError> {
    let parameters: &[Parameter<'_>] = &[(&key, Type::TEXT)];
    let done = client.execute_typed(text::UNRECORD, parameters).await;
    done.map(drop).map_err(explain)
}

async fn put(
    client: &Client,
    row: &OutboxRow,
    time: Option<Duration>,
) -> Result<Position, LocalError> {
    let (id, document) = (row.id.as_str(), row.document.as_str());
    let both: [Parameter<'_>; 2] = [(&id, Type::TEXT), (&document, Type::TEXT)];
    let row = match time.map(seconds) {
        None => client.query_typed_one(text::ENQUEUE, &both).await,
        Some(seconds) => {
            let [id, document] = both;
            let parameters: &[Parameter<'_>] = &[id, document, (&seconds, Type::INT8)];
            client.query_typed_one(text::HOLD, parameters).await
        }
    };
    let row = row.map_err(explain)?;
    row.try_get(0).map(Position).map_err(explain)
}

async fn change(client: &Client, sql: &str, position: Position) -> Result<u64, LocalError> {
    let parameters: &[Parameter<'_>] = &[(&position.0, Type::INT8)];
    client.execute_typed(sql, parameters).await.map_err(explain)
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

impl LocalTransaction for Transaction<'_> {
    fn recorded<'a>(&'a mut self, key: &'a str) -> Boxed<'a, Option<Json>> {
        Box::pin(find(self.client(), key))
    }

    fn record<'a>(&'a mut self, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
        Box::pin(write(self.client(), key, result))
    }

    fn unrecord<'a>(&'a mut self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(erase(self.client(), key))
    }

    fn enqueue<'a>(&'a mut self, row: &'a OutboxRow) -> Boxed<'a, Position> {
        Box::pin(put(self.client(), row, None))
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
                row.try_get(3)?,
            )))
        };
        rows.into_iter()
            .map(waiting)
            .collect::<Result<_, _>>()
            .map_err(explain)
    }

    async fn claim(&self, position: Position) -> Result<bool, LocalError> {
        Ok(change(&*client(self).await?, text::CLAIM, position).await? == 1)
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
    fn recorded<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, Option<Json>> {
        Box::pin(tx.with(async |at: &mut Object| find(at, key).await))
    }

    fn record<'a>(tx: &'a Tx<Self>, key: &'a str, result: &'a Json) -> Boxed<'a, ()> {
        Box::pin(tx.with(async |at: &mut Object| write(at, key, result).await))
    }

    fn unrecord<'a>(tx: &'a Tx<Self>, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(tx.with(async |at: &mut Object| erase(at, key).await))
    }

    fn enqueue<'a>(tx: &'a Tx<Self>, row: &'a OutboxRow) -> Boxed<'a, Position> {
        Box::pin(tx.with(async |at: &mut Object| put(at, row, None).await))
    }

    fn hold<'a>(tx: &'a Tx<Self>, row: &'a OutboxRow, time: Duration) -> Boxed<'a, Position> {
        Box::pin(tx.with(async move |at: &mut Object| put(at, row, Some(time)).await))
    }

    fn take_back(tx: &Tx<Self>, position: Position) -> Boxed<'_, bool> {
        Box::pin(tx.with(async move |at: &mut Object| {
            Ok(change(at, text::TAKE_BACK, position).await? == 1)
        }))
    }

    fn let_go(tx: &Tx<Self>, position: Position) -> Boxed<'_, ()> {
        Box::pin(
            tx.with(async move |at: &mut Object| {
                change(at, text::LET_GO, position).await.map(drop)
            }),
        )
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
            let seconds = seconds(older_than);
            let limit = i64::from(limit);
            let parameters: &[Parameter<'_>] = &[(&seconds, Type::INT8), (&limit, Type::INT8)];
            execute(self, text::PRUNE, parameters).await
        })
    }
}
