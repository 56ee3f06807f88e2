//! What a driver must be able to do. The rules are not here: a driver sends what it is told to, and
//! says truly what came back.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::definition::Isolation;
use crate::error::{Error, Source};
use crate::outcome::Outcome;

/// What a driver is at work on. A box, and not `impl Future`: that a future which holds one may move
/// between threads could not be proven otherwise (rust-lang/rust#100013).
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, DriverError>> + Send + 'a>>;

/// What the driver says, and what it means for the transaction.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct DriverError {
    /// What is certain.
    pub certainty: Certainty,
    /// Whether to run the whole transaction again may help.
    pub retryable: bool,
    /// The driver's own error.
    pub source: Source,
}

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        Self::Driver {
            source: error.source,
            retryable: error.retryable,
        }
    }
}

/// What an error says of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The database itself answered that it refuses: a refused commit is a rollback.
    Refused,
    /// Nothing is certain: the answer was lost, or says nothing.
    Nothing,
}

/// How a transaction is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The isolation; none for the database's own.
    pub isolation: Option<Isolation>,
    /// Whether the database is to refuse writing.
    pub read_only: bool,
    /// Whether the lock is to wait for the first write, where the database has one lock for all.
    pub deferred: bool,
    /// How long statements may take, where the database can be told.
    pub timeout: Option<Duration>,
}

/// How a transaction stands at the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is open, and can be committed.
    Open,
    /// It is open, and can only be rolled back, all of it or to a savepoint.
    Aborted,
    /// There is none: it was ended behind the manager's back.
    Gone {
        /// What is known of that.
        why: String,
        /// What became of it.
        outcome: Outcome,
    },
}

/// What a database is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Its name in errors.
    pub name: &'static str,
    /// Whether there is one writer at a time, for whom others wait.
    pub single_writer: bool,
    /// Whether it has savepoints.
    pub savepoints: bool,
    /// The only isolation, where there is but one.
    pub only_isolation: Option<Isolation>,
}

/// A pool of connections to one database.
///
/// No future here need be cancel-safe: the manager closes a connection on which one was dropped.
pub trait Driver: Clone + Send + Sync + 'static {
    /// One connection, taken out of the pool.
    type Connection: Send + 'static;

    /// What the database is like.
    fn traits(&self) -> Traits;

    /// How many connections there can be.
    fn size(&self) -> u32;

    /// How long the pool itself waits for a connection, where it has a limit.
    fn patience(&self) -> Option<Duration>;

    /// Takes a connection, waiting for one as the pool does.
    ///
    /// # Errors
    /// Where there is none to be had.
    fn acquire(&self) -> Boxed<'_, Self::Connection>;

    /// Takes a connection if that needs no waiting for somebody else to give one back. To open a new
    /// one is allowed.
    ///
    /// # Errors
    /// Where one could not be opened.
    fn try_acquire(&self) -> Boxed<'_, Option<Self::Connection>>;

    /// Gives a connection back to the pool. It has no transaction open. The future, where there is one,
    /// is what is left to do before somebody else can take it; it is run in the background.
    fn give_back(
        &self,
        connection: Self::Connection,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

    /// Closes a connection; the database rolls back what is open on it. It must not need a runtime,
    /// nor wait.
    fn discard(&self, connection: Self::Connection);

    /// Begins a transaction.
    ///
    /// # Errors
    /// Where none was begun.
    fn begin<'c>(&'c self, connection: &'c mut Self::Connection, how: &'c Begin) -> Boxed<'c, ()>;

    /// Commits, and undoes what [`Driver::begin`] had set for the connection. `doubtful`: something
    /// may have ended or aborted the transaction, so that it must first be found out how it stands.
    ///
    /// # Errors
    /// An error that is not [`Certainty::Refused`] says nothing about whether it was committed.
    fn commit<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        doubtful: bool,
    ) -> Boxed<'c, Standing>;

    /// Rolls back, and undoes what [`Driver::begin`] had set for the connection.
    ///
    /// # Errors
    /// The connection is then closed.
    fn roll_back<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()>;

    /// Makes a savepoint.
    ///
    /// # Errors
    /// Where it was not made; the transaction is as it was.
    fn savepoint<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()>;

    /// Undoes what was done since a savepoint, which stays.
    ///
    /// # Errors
    /// The transaction is then given up.
    fn roll_back_to<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        number: u32,
    ) -> Boxed<'c, ()>;

    /// Forgets a savepoint.
    ///
    /// # Errors
    /// Where the database refuses; one that is not there is none.
    fn release<'c>(&'c self, connection: &'c mut Self::Connection, number: u32) -> Boxed<'c, ()>;

    /// Finds out how the transaction stands, after a statement that failed or something that was not
    /// seen. Where the database itself refuses every statement of an aborted transaction, this need
    /// not ask.
    ///
    /// # Errors
    /// The transaction is then given up.
    fn standing<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, Standing>;

    /// Whether a connection can be worked on after a statement of the program was dropped on it before
    /// its end. If not, the transaction goes with the statement: nobody knows whose answer comes next.
    fn outlives_statements(&self) -> bool {
        false
    }

    /// Prepares a connection on which the program will work by itself, unseen by the manager.
    ///
    /// # Errors
    /// What the driver says.
    fn before_raw<'c>(&'c self, connection: &'c mut Self::Connection) -> Boxed<'c, ()> {
        let _ = connection;
        Box::pin(async { Ok(()) })
    }

    /// On a connection without a transaction: sets whether to give up at once instead of waiting for
    /// the one writer, where there is one.
    ///
    /// # Errors
    /// What the driver says.
    fn set_impatient<'c>(
        &'c self,
        connection: &'c mut Self::Connection,
        impatient: bool,
    ) -> Boxed<'c, ()> {
        let _ = (connection, impatient);
        Box::pin(async { Ok(()) })
    }
}
