//! A service's own database: a step's result recorded in the service's own transaction, and sagas
//! started with it.
//!
//! A step that writes to the service's database has the trouble of every call: the coordinator may end
//! between the commit and the journal's knowing of it, and the step runs again. Here its result is
//! written into the same transaction as what it did, under the step's idempotency key. Then either
//! both are there or neither is, and whoever comes again with the same key finds the result and does
//! nothing. That is [`once()`].
//!
//! The other way round, a saga is to be started with a business write: if and only if that commits.
//! [`LocalTransaction::enqueue`] writes the submission into the same transaction, and an [`Outbox`]
//! hands it to the coordinator, at once after the commit and as often as it takes.
//!
//! ```no_run
//! # #[cfg(feature = "sqlx-sqlite")]
//! # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
//! use settled::local;
//! use settled::transaction::Transactions;
//!
//! local::create_tables(&pool).await?;
//! let books = Transactions::new(pool);
//! let left: i64 = local::once(&books, "order-1001/stock/action", async |tx| {
//!     sqlx::query_scalar("UPDATE stock SET left = left - 1 WHERE sku = 'A' RETURNING left")
//!         .fetch_one(tx)
//!         .await
//! })
//! .await?;
//! # Ok(()) }
//! ```
//!
//! # Which databases
//!
//! One feature a driver, none of them by default: `sqlx-sqlite`, `sqlx-postgres`, `sqlx-mysql` (MySQL
//! and MariaDB), `tokio-postgres` (with pools of `deadpool-postgres`), and `rusqlite`, which blocks and
//! so has functions of the same names in a module of its own. With another driver, implement
//! [`LocalTransaction`] (and [`LocalPool`]) over the statements in [`sql`].
//!
//! # The tables
//!
//! `settled_record`, `settled_outbox`, and `settled_local` with their version: see [`sql`]. On
//! PostgreSQL they are where the connection's `search_path` puts them; for a schema of their own, put
//! that first in the pool's `search_path`. They get along with a journal that is kept within the same
//! SQLite database.
//!
//! # What it never does
//!
//! * It never takes an error at COMMIT for an answer. The commit may have happened; [`once()`] goes and
//!   looks, in a way that waits for the end of the transaction in question.
//! * It begins and ends no transaction by itself: that is the `settled-transaction` crate's, with
//!   everything that it checks.
//! * It writes nothing into the journal: that has one writer (R6), which takes the result from here.

pub(crate) mod operations;
pub mod sql;

mod error;
mod once;
mod outbox;
mod row;
mod traits;

#[cfg(feature = "rusqlite")]
pub mod rusqlite;
#[cfg(any(
    feature = "sqlx-mysql",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod sqlx;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;

pub use error::{LocalError, OnceError};
pub use once::{create_tables, once, prune};
pub use operations::{OperationError, OperationOptions};
pub use outbox::{
    Outbox, OutboxHandle, OutboxOptions, OutboxStore, Pending, Submit, SubmitError, Waiting,
};
pub use row::{OutboxRow, Position};
pub use traits::{Boxed, LocalPool, LocalTransaction};
