//! `sqlx`: its pools of SQLite, PostgreSQL, and MySQL or MariaDB.
//!
//! A handle, and the manager itself, are what `sqlx` calls an executor:
//!
//! ```no_run
//! # #[cfg(feature = "sqlx-sqlite")]
//! # async fn example(pool: sqlx::SqlitePool) -> Result<(), settled_transaction::Error> {
//! use settled_transaction::Transactions;
//!
//! let books = Transactions::new(pool);
//! books
//!     .required()
//!     .run(async |tx| {
//!         sqlx::query("INSERT INTO entry (amount) VALUES (1)").execute(tx).await?;
//!         // The same, without being handed anything.
//!         sqlx::query("INSERT INTO entry (amount) VALUES (2)").execute(&books).await?;
//!         Ok(())
//!     })
//!     .await
//! # }
//! ```
//!
//! Every statement that goes this way is seen: one that fails, or that may end the transaction, has the
//! database asked how it stands before a commit is believed. [`Tx::with`](crate::Tx::with) gives the
//! connection itself; what happens there is not seen, so that the database is always asked.

mod connection;
mod dialect;
mod error;
mod executor;
#[cfg(feature = "sqlx-mysql")]
mod mysql;
#[cfg(feature = "sea-orm")]
mod orm;
#[cfg(feature = "sqlx-postgres")]
mod postgres;
#[cfg(feature = "sqlx-sqlite")]
mod sqlite;
mod words;

pub use connection::SqlxConnection;
