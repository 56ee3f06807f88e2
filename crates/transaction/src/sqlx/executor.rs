//! Handles as executors of `sqlx`: each statement takes its turn on the connection, within the time
//! limit, and leaves behind what it has shown of the transaction.

use async_stream::try_stream;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use sqlx::error::BoxDynError;
use sqlx::{Database, Either, Execute, Executor, Pool, SqlStr};

use super::dialect::Dialect;
use super::words::{Kind, first_word, kind};
use crate::driver::Driver;
use crate::error::Error;
use crate::manager::Transactions;
use crate::statement::{Saw, Statement};
use crate::tx::Tx;

/// A query whose text has been looked at.
struct Read<DB: Database> {
    sql: SqlStr,
    statement: Option<DB::Statement>,
    arguments: Option<Result<Option<DB::Arguments>, BoxDynError>>,
    persistent: bool,
    kind: Kind,
}

impl<DB: Database> Read<DB> {
    fn new<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let statement = query.statement().cloned();
        let arguments = query.take_arguments();
        let persistent = query.persistent();
        let sql = query.sql();
        // Without arguments to bind it is sent as a text, which may be several statements.
        let several = matches!(arguments, Ok(None));
        let kind = kind(sql.as_str(), several);
        Self {
            sql,
            statement,
            arguments: Some(arguments),
            persistent,
            kind,
        }
    }

    fn refused(&self) -> Option<Error> {
        (self.kind == Kind::Control).then(|| Error::TransactionControl {
            statement: first_word(self.sql.as_str()).to_ascii_uppercase(),
        })
    }
}

impl<DB: Database> Execute<'_, DB> for Read<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

impl<D: Driver> Tx<D> {
    /// The statement at work has run: to drop it now is to do without the rest of its answer.
    fn statement_has_run(&self) {
        self.0.unit.state().set_has_run(true);
    }

    /// More of its answer is being read.
    fn statement_goes_on(&self) {
        let unit = &self.0.unit;
        if !unit.shared.driver.outlives_statements() {
            unit.state().set_has_run(false);
        }
    }
}

/// Ends a statement with its result.
async fn finish<DB, T>(
    statement: Statement<'_, Pool<DB>>,
    kind: Kind,
    result: Result<sqlx::Result<T>, Error>,
) -> sqlx::Result<T>
where
    DB: Dialect,
{
    match result {
        Ok(Ok(value)) => {
            let saw = match kind {
                Kind::Reads | Kind::Writes => Saw::Nothing,
                Kind::Anything | Kind::Control => Saw::Unseen,
            };
            statement.finish(saw).await;
            Ok(value)
        }
        Ok(Err(error)) => {
            let single_writer = statement.is_impatient() && DB::is_for_the_writer(&error);
            statement.finish(DB::saw(&error)).await;
            Err(if single_writer {
                Error::SingleWriter.into()
            } else {
                error
            })
        }
        Err(error) => {
            statement.timed_out();
            Err(error.into())
        }
    }
}

type Connection<DB> = <DB as Database>::Connection;

/// Runs a query from its turn on the connection to its end.
async fn whole<DB: Dialect, T>(
    tx: &Tx<Pool<DB>>,
    query: Read<DB>,
    work: impl AsyncFnOnce(&mut Connection<DB>, Read<DB>) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let (mut statement, kind) = begin(tx, &query).await?;
    let limit = statement.limit();
    let connection = statement.connection()?;
    let result = limit.run(work(connection, query)).await;
    finish(statement, kind, result).await
}

macro_rules! executor {
    ($feature:literal, $DB:ty) => {
        #[cfg(feature = $feature)]
        impl<'c> Executor<'c> for &'c Tx<Pool<$DB>> {
            type Database = $DB;

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<<$DB as Database>::QueryResult>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let query = Read::new(query);
                Box::pin(whole(
                    self,
                    query,
                    async |at: &mut Connection<$DB>, query| at.execute(query).await,
                ))
            }

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                sqlx::Result<Either<<$DB as Database>::QueryResult, <$DB as Database>::Row>>,
            >
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let query = Read::new(query);
                Box::pin(try_stream! {
                    let (mut statement, kind) = begin(self, &query).await?;
                    let limit = statement.limit();
                    let ended = {
                        let connection = statement.connection()?;
                        let mut rows = (&mut **connection).fetch_many(query);
                        loop {
                            match limit.run(rows.next()).await {
                                Ok(Some(Ok(row))) => {
                                    self.statement_has_run();
                                    yield row;
                                    self.statement_goes_on();
                                }
                                Ok(Some(Err(error))) => break Ok(Err(error)),
                                Ok(None) => break Ok(Ok(())),
                                Err(error) => break Err(error),
                            }
                        }
                    };
                    finish(statement, kind, ended).await?;
                })
            }

            fn fetch_all<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<Vec<<$DB as Database>::Row>>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let query = Read::new(query);
                Box::pin(whole(
                    self,
                    query,
                    async |at: &mut Connection<$DB>, query| at.fetch_all(query).await,
                ))
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<Option<<$DB as Database>::Row>>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                let query = Read::new(query);
                Box::pin(async move {
                    let (mut statement, kind) = begin(self, &query).await?;
                    let limit = statement.limit();
                    let connection = statement.connection()?;
                    let result = limit.run((&mut **connection).fetch_optional(query)).await;
                    if let (Kind::Writes, Ok(Ok(_))) = (kind, &result) {
                        // The rest of its answer is not waited for, and may be an error.
                        statement.cut_short();
                        return result?;
                    }
                    finish(statement, kind, result).await
                })
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$DB as Database>::TypeInfo],
            ) -> BoxFuture<'e, sqlx::Result<<$DB as Database>::Statement>>
            where
                'c: 'e,
            {
                Box::pin(async move {
                    let mut statement = self.statement().await?;
                    let limit = statement.limit();
                    let connection = statement.connection()?;
                    let prepared = limit
                        .run((&mut **connection).prepare_with(sql, parameters))
                        .await;
                    finish(statement, Kind::Reads, prepared).await
                })
            }
        }

        /// On the transaction that is around here; outside of any, on a connection of the pool, where
        /// each statement stands alone.
        #[cfg(feature = $feature)]
        impl<'c> Executor<'c> for &'c Transactions<Pool<$DB>> {
            type Database = $DB;

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<<$DB as Database>::QueryResult>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                match self.current() {
                    Some(tx) => Box::pin(async move { (&tx).execute(query).await }),
                    None => self.pool().execute(query),
                }
            }

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<
                'e,
                sqlx::Result<Either<<$DB as Database>::QueryResult, <$DB as Database>::Row>>,
            >
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                match self.current() {
                    Some(tx) => Box::pin(try_stream! {
                        let mut rows = (&tx).fetch_many(query);
                        while let Some(row) = rows.next().await {
                            yield row?;
                        }
                    }),
                    None => self.pool().fetch_many(query),
                }
            }

            fn fetch_all<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<Vec<<$DB as Database>::Row>>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                match self.current() {
                    Some(tx) => Box::pin(async move { (&tx).fetch_all(query).await }),
                    None => self.pool().fetch_all(query),
                }
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, sqlx::Result<Option<<$DB as Database>::Row>>>
            where
                'c: 'e,
                E: 'q + Execute<'q, $DB>,
            {
                match self.current() {
                    Some(tx) => Box::pin(async move { (&tx).fetch_optional(query).await }),
                    None => self.pool().fetch_optional(query),
                }
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [<$DB as Database>::TypeInfo],
            ) -> BoxFuture<'e, sqlx::Result<<$DB as Database>::Statement>>
            where
                'c: 'e,
            {
                match self.current() {
                    Some(tx) => Box::pin(async move { (&tx).prepare_with(sql, parameters).await }),
                    None => self.pool().prepare_with(sql, parameters),
                }
            }
        }
    };
}

executor!("sqlx-mysql", sqlx::MySql);
executor!("sqlx-postgres", sqlx::Postgres);
executor!("sqlx-sqlite", sqlx::Sqlite);

/// Takes a turn on the connection, for a query that is none of the manager's own.
async fn begin<'t, DB>(
    tx: &'t Tx<Pool<DB>>,
    query: &Read<DB>,
) -> sqlx::Result<(Statement<'t, Pool<DB>>, Kind)>
where
    DB: Dialect,
{
    if let Some(refused) = query.refused() {
        return Err(refused.into());
    }
    let statement = tx.statement().await?;
    if query.kind != Kind::Reads {
        statement.writes();
    }
    Ok((statement, query.kind))
}
