//! Operations within a business transaction: recorded before they are made, and settled whatever
//! becomes of the transaction around them.
//!
//! ```text
//!   start record   REQUIRES_NEW: committed by itself, before the platform is called; held in the outbox
//!   the call       with the operation's number
//!   the result     REQUIRED: committed together with the business write, and the start record with it
//!                  taken back
//! ```
//!
//! Whatever happens in between, the start record is still there: the program ended, the business write
//! was rolled back, nobody knows whether the call arrived. When it has been held for long enough the
//! outbox hands it to the coordinator, which asks the platform first (see
//! [`Operation`](crate::Operation)) and then records the result, calls again, or puts it before a
//! person.
//!
//! It never calls the platform before the start record is committed, and the result is recorded once: by
//! the business transaction, or by the coordinator, and never by both. Whoever takes the start record
//! back, or claims it, is the one.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use settled_protocol::Json;
use settled_transaction::{Outcome, Transactions};

use super::error::LocalError;
use super::once::{read, write};
use super::outbox::OutboxHandle;
use super::row::{OutboxRow, Position};
use super::traits::LocalPool;
use crate::function::CallError;

/// How an operation within a business transaction is made.
#[derive(Clone, Debug)]
pub struct OperationOptions {
    /// How long the platform may take to answer; then nobody knows. Default: 10 seconds.
    pub limit: Duration,
    /// How long the business transaction may take after that to commit, before the coordinator takes
    /// the operation over. Counted in whole seconds. Default: a minute.
    pub grace: Duration,
}

impl Default for OperationOptions {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(10),
            grace: Duration::from_mins(1),
        }
    }
}

/// Why an operation gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// It could not be recorded, so the platform was not called: or its result could not be recorded,
    /// and it is settled by itself.
    #[error("the operation {number}: {source}")]
    Local {
        /// Its number.
        number: String,
        /// Why.
        source: LocalError,
    },
    /// It certainly did not take effect, and will not.
    #[error("the operation {number}: {error}")]
    Call {
        /// Its number.
        number: String,
        /// What the platform said.
        error: CallError,
    },
    /// Nobody knows whether it took effect. The coordinator asks, and settles it.
    #[error(
        "the operation {number}: whether it took effect is not known ({why}); it is asked about and \
         settled by itself, so do not make it again under another number"
    )]
    Unknown {
        /// Its number.
        number: String,
        /// What happened.
        why: String,
    },
    /// One with this number was begun before, and has no result yet.
    #[error(
        "the operation {number} was begun before and is being settled by itself: ask for it later, \
         and do not make it again under another number"
    )]
    UnderWay {
        /// Its number.
        number: String,
    },
    /// It took longer than it may, and the coordinator has taken it over. The transaction must be rolled
    /// back: the coordinator records the result.
    #[error(
        "the operation {number} took longer than its limit and grace, and was taken over: this \
         transaction is rolled back, and its result recorded by the coordinator"
    )]
    TakenOver {
        /// Its number.
        number: String,
    },
    /// There is no such operation, or its number or input is not one.
    #[error("{0}")]
    Invalid(String),
}

/// The transaction around it is rolled back with it, unless the program handles it outside of one.
impl From<OperationError> for settled_transaction::Error {
    fn from(error: OperationError) -> Self {
        Self::Driver {
            source: error.into(),
            retryable: false,
        }
    }
}

/// One operation that is to be made.
pub(crate) struct Attempt<'a, P: LocalPool> {
    pub(crate) books: &'a Transactions<P>,
    pub(crate) outbox: &'a OutboxHandle,
    pub(crate) options: &'a OperationOptions,
    /// What the coordinator is given when it is to settle it.
    pub(crate) row: OutboxRow,
    /// The key of the call, the same for the coordinator's.
    pub(crate) key: String,
}

/// What the start record said.
enum Begun {
    Now(Position),
    /// It was made and recorded before.
    Before(Json),
}

impl<P: LocalPool> Attempt<'_, P> {
    pub(crate) async fn make<T, F>(self, call: F) -> Result<T, OperationError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce(&str) -> Result<T, CallError>,
    {
        let position = match self.begin().await? {
            Begun::Now(position) => position,
            Begun::Before(recorded) => {
                return read(&self.key, &recorded).map_err(|source| self.local(source));
            }
        };
        let called = tokio::time::timeout(self.options.limit, call(&self.key)).await;
        match called {
            Ok(Ok(value)) => {
                let result = write(&self.key, &value).map_err(|source| self.local(source))?;
                self.record(position, &result).await?;
                Ok(value)
            }
            Ok(Err(error)) if error.is_certain() => {
                self.forget(position).await?;
                let number = self.number();
                Err(OperationError::Call { number, error })
            }
            Ok(Err(error)) => Err(self.hand_over(position, error.to_string()).await),
            Err(_) => {
                let limit = self.options.limit;
                let why = format!("no answer within {limit:?}");
                Err(self.hand_over(position, why).await)
            }
        }
    }

    fn number(&self) -> String {
        self.row.id.clone()
    }

    fn local(&self, source: LocalError) -> OperationError {
        OperationError::Local {
            number: self.number(),
            source,
        }
    }

    /// The key under which it is on record that it was begun: only one can record that.
    fn begun_key(&self) -> String {
        format!("{}/begun", self.key)
    }

    /// The start record, in a transaction of its own.
    async fn begin(&self) -> Result<Begun, OperationError> {
        let time = self.options.limit + self.options.grace;
        let scope = self.books.requires_new().name("start record");
        let begun = scope.run(async |tx| {
            if let Some(recorded) = P::recorded(tx, &self.key).await? {
                return Ok(Begun::Before(recorded));
            }
            P::record(tx, &self.begun_key(), &Json::null()).await?;
            P::hold(tx, &self.row, time).await.map(Begun::Now)
        });
        match begun.await {
            Ok(begun) => Ok(begun),
            Err(LocalError::AlreadyRecorded { .. }) => {
                // Its result may have been recorded while this waited.
                let recorded = super::once::look(self.books, &self.key).await;
                match recorded.map_err(|source| self.local(source))? {
                    Some(recorded) => Ok(Begun::Before(recorded)),
                    None => Err(OperationError::UnderWay {
                        number: self.number(),
                    }),
                }
            }
            Err(LocalError::Transaction(error)) if error.outcome() == Some(Outcome::Unknown) => {
                Err(OperationError::Unknown {
                    number: self.number(),
                    why: format!("its start record: {error}; the platform was not called"),
                })
            }
            Err(source) => Err(self.local(source)),
        }
    }

    /// The result, with the transaction around this, or in one of its own.
    async fn record(&self, position: Position, result: &Json) -> Result<(), OperationError> {
        let scope = self.books.required().name("operation's result");
        let recorded = scope.run(async |tx| {
            P::record(tx, &self.key, result).await?;
            self.take_back(tx, position).await
        });
        recorded.await.map_err(|ended| self.ended(ended))
    }

    /// Nothing took effect: it is as if it had not been begun.
    async fn forget(&self, position: Position) -> Result<(), OperationError> {
        let scope = self.books.requires_new().name("operation refused");
        let forgotten = scope.run(async |tx| {
            P::unrecord(tx, &self.begun_key()).await?;
            self.take_back(tx, position).await
        });
        forgotten.await.map_err(|ended| self.ended(ended))
    }

    async fn take_back(
        &self,
        tx: &settled_transaction::Tx<P>,
        position: Position,
    ) -> Result<(), Ended> {
        if P::take_back(tx, position).await? {
            return Ok(());
        }
        Err(Ended::TakenOver)
    }

    /// Lets the coordinator have it now. Where that fails it has it when it was held for long enough.
    async fn hand_over(&self, position: Position, why: String) -> OperationError {
        let scope = self.books.requires_new().name("operation unknown");
        let done = scope.run(async |tx| P::let_go(tx, position).await);
        match done.await {
            Ok(()) => drop(self.outbox.pending(position)),
            Err(error) => {
                tracing::warn!(
                    operation = self.row.id,
                    %error,
                    "an operation whose outcome is unknown is handed over later"
                );
            }
        }
        OperationError::Unknown {
            number: self.number(),
            why,
        }
    }

    fn ended(&self, ended: Ended) -> OperationError {
        match ended {
            Ended::TakenOver => OperationError::TakenOver {
                number: self.number(),
            },
            Ended::Local(source) => self.local(source),
        }
    }
}

/// Why an operation's end could not be recorded.
enum Ended {
    TakenOver,
    Local(LocalError),
}

impl From<LocalError> for Ended {
    fn from(error: LocalError) -> Self {
        Self::Local(error)
    }
}

impl From<settled_transaction::Error> for Ended {
    fn from(error: settled_transaction::Error) -> Self {
        Self::Local(error.into())
    }
}
