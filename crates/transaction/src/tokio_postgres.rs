//! `tokio-postgres`, with pools of `deadpool-postgres`.
//!
//! The program works on the client itself, by [`Tx::with`](crate::Tx::with). What it does there is not
//! seen; each commit is sent together with a check, in one round trip.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType, Timeouts};
use tokio_postgres::error::Severity;

use crate::driver::{Begin, Boxed, Certainty, Driver, DriverError, Standing, Traits};
use crate::error::Error;
use crate::postgres;
use crate::sqlstate;

fn explain(error: tokio_postgres::Error) -> DriverError {
    let said = error.as_db_error();
    let code = said.map_or("", |said| said.code().code());
    let is_error = said.is_some_and(|said| said.parsed_severity() == Some(Severity::Error));
    DriverError {
        certainty: if postgres::refuses(code, is_error) {
            Certainty::Refused
        } else {
            Certainty::Nothing
        },
        retryable: sqlstate::is_retryable(code),
        source: error.into(),
    }
}

fn from_pool(error: PoolError) -> DriverError {
    DriverError {
        certainty: Certainty::Nothing,
        retryable: false,
        source: error.into(),
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        explain(error).into()
    }
}

fn send(connection: &Object, sql: String) -> Boxed<'_, ()> {
    Box::pin(async move { connection.batch_execute(&sql).await.map_err(explain) })
}

impl Driver for Pool {
    type Connection = Object;

    fn traits(&self) -> Traits {
        postgres::TRAITS
    }

    fn size(&self) -> u32 {
        u32::try_from(self.status().max_size).unwrap_or(u32::MAX)
    }

    fn patience(&self) -> Option<Duration> {
        self.timeouts().wait
    }

    fn outlives_statements(&self) -> bool {
        true
    }

    fn acquire(&self) -> Boxed<'_, Object> {
        Box::pin(async { self.get().await.map_err(from_pool) })
    }

    fn try_acquire(&self) -> Boxed<'_, Option<Object>> {
        Box::pin(async {
            let at_once = Timeouts {
                wait: Some(Duration::ZERO),
                ..self.timeouts()
            };
            match self.timeout_get(&at_once).await {
                Ok(connection) => Ok(Some(connection)),
                Err(PoolError::Timeout(TimeoutType::Wait)) => Ok(None),
                Err(error) => Err(from_pool(error)),
            }
        })
    }

    fn give_back(&self, connection: Object) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        drop(connection);
        None
    }

    fn discard(&self, connection: Object) {
        drop(Object::take(connection));
    }

    fn begin<'c>(&'c self, connection: &'c mut Object, how: &'c Begin) -> Boxed<'c, ()> {
        send(connection, postgres::begin(how))
    }

    fn commit<'c>(&'c self, connection: &'c mut Object, doubtful: bool) -> Boxed<'c, Standing> {
        Box::pin(async move {
            let sql = if doubtful {
                format!("{}; COMMIT", postgres::CHECK)
            } else {
                "COMMIT".to_owned()
            };
            let Err(error) = connection.batch_execute(&sql).await else {
                return Ok(Standing::Open);
            };
            let code = error.code().map_or("", |code| code.code());
            match postgres::checked(code) {
                Some(standing) => Ok(standing),
                None => Err(explain(error)),
            }
        })
    }

    fn roll_back<'c>(&'c self, connection: &'c mut Object) -> Boxed<'c, ()> {
        send(connection, "ROLLBACK".to_owned())
    }

    fn savepoint<'c>(&'c self, connection: &'c mut Object, number: u32) -> Boxed<'c, ()> {
        send(connection, format!("SAVEPOINT settled_{number}"))
    }

    fn roll_back_to<'c>(&'c self, connection: &'c mut Object, number: u32) -> Boxed<'c, ()> {
        send(
            connection,
            format!("ROLLBACK TO SAVEPOINT settled_{number}"),
        )
    }

    fn release<'c>(&'c self, connection: &'c mut Object, number: u32) -> Boxed<'c, ()> {
        send(connection, format!("RELEASE SAVEPOINT settled_{number}"))
    }

    fn standing<'c>(&'c self, _connection: &'c mut Object) -> Boxed<'c, Standing> {
        Box::pin(async { Ok(Standing::Open) })
    }
}
