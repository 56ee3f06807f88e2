//! Local transactions with seven propagation behaviours, over the pools people already have.
//!
//! A *scope* is where a transaction is asked for; how it relates to what is around it is its
//! [`Propagation`]. The scope's body is handed the transaction, a [`Tx`]; what is called from there finds
//! it by itself, with [`Transactions::current`], or is handed it.
//!
//! ```no_run
//! # #[cfg(feature = "sqlx-postgres")]
//! # async fn example(pool: sqlx::PgPool) -> Result<(), settled_transaction::Error> {
//! use settled_transaction::{Error, Transactions};
//!
//! let books = Transactions::new(pool);
//! books
//!     .required()
//!     .run(async |tx| {
//!         sqlx::query("INSERT INTO purchase (number) VALUES (1)").execute(tx).await?;
//!         // Undone alone, where it fails.
//!         let sent = tx
//!             .nested()
//!             .run(async |tx| {
//!                 sqlx::query("INSERT INTO letter (to_whom) VALUES ('A')").execute(tx).await?;
//!                 Ok::<_, Error>(())
//!             })
//!             .await;
//!         // Stays, whatever becomes of the purchase.
//!         books
//!             .requires_new()
//!             .run(async |tx| {
//!                 let sql = "INSERT INTO audit (letter_sent) VALUES ($1)";
//!                 sqlx::query(sql).bind(sent.is_ok()).execute(tx).await?;
//!                 Ok::<_, Error>(())
//!             })
//!             .await?;
//!         Ok(())
//!     })
//!     .await
//! # }
//! ```
//!
//! # The parts
//!
//! ```text
//!   Transactions -> Scope -> open -> Tx -> Statement -> the driver's connection
//!                             |                              |
//!                           rules (pure)                 the pool
//!                             |
//!                     leave / dropped -> hooks
//! ```
//!
//! # What it never does
//!
//! * It never believes a commit: where a statement failed, or something was done unseen, the database is
//!   asked how the transaction stands first.
//! * It never gives a connection back whose state is in doubt; it closes it.
//! * It never waits for a connection that may itself be waiting: a `REQUIRES_NEW` that finds none is
//!   refused at once.
//! * It never lets statements through after the database has ended the transaction by itself.
mod ambient;
mod connections;
mod counts;
mod definition;
pub mod driver;
mod dropped;
mod error;
mod events;
mod frame;
mod hooks;
mod leave;
mod manager;
mod mark;
mod open;
mod outcome;
#[cfg(any(feature = "sqlx-postgres", feature = "tokio-postgres"))]
mod postgres;
mod propagation;
mod results;
mod rules;
mod scope;
mod shared;
#[cfg(any(
    feature = "sqlx-mysql",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite",
    feature = "tokio-postgres"
))]
mod sqlstate;
#[cfg(any(
    feature = "sqlx-mysql",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
mod sqlx;
mod statement;
#[cfg(feature = "tokio-postgres")]
mod tokio_postgres;
mod tx;
mod unit;

pub use definition::{Definition, HookScopes, Isolation, Settings};
pub use error::{Error, Source};
pub use events::{Event, Observer};
pub use hooks::{Hook, HookFuture};
pub use manager::Transactions;
pub use mark::{Cause, Mark};
pub use outcome::{HookPhase, Outcome};
pub use propagation::Propagation;
#[doc(hidden)]
pub use results::Returned;
pub use results::{OnError, OnValue, Rules, Then, Verdict};
pub use scope::{Begun, Scope};
/// Runs an async function in a transaction: its body is that of a scope.
///
/// It is sugar for `manager.scope().….run(async |tx| …)`, and nothing else. A function that calls another
/// one of the same type enters that one's scope too: there is no proxy that it could pass by.
///
/// ```
/// # #[cfg(feature = "sqlx-sqlite")] mod example {
/// use settled_transaction::{Error, Transactions, transactional};
/// use sqlx::SqlitePool;
///
/// struct Shop {
///     books: Transactions<SqlitePool>,
/// }
///
/// impl Shop {
///     /// The body works with what is around it.
///     #[transactional(self.books, timeout = "2s")]
///     async fn sell(&self, what: &str) -> Result<(), Error> {
///         sqlx::query("INSERT INTO sale VALUES (?)").bind(what).execute(&self.books).await?;
///         self.note("sold").await
///     }
///
///     /// The body is handed the transaction.
///     #[transactional(self.books, requires_new, tx)]
///     async fn note(&self, what: &str) -> Result<(), Error> {
///         sqlx::query("INSERT INTO note VALUES (?)").bind(what).execute(tx).await?;
///         Ok(())
///     }
/// }
/// # }
/// ```
///
/// The first argument is what has a `scope()`: [`Transactions`], or a [`Tx`]. The function returns a
/// `Result` whose error is made `From<Error>`. After the first argument may stand:
///
/// | | |
/// | --- | --- |
/// | `required`, `supports`, `mandatory`, `requires_new`, `not_supported`, `never`, `nested` | the [`Propagation`]; without, `required` |
/// | `isolation = serializable` | `read_uncommitted`, `read_committed`, `repeatable_read`, `serializable` |
/// | `read_only` | see [`Scope::read_only`] |
/// | `timeout = "2s"` | a number with `ms`, `s` or `m` |
/// | `name = "…"` | without, the function's name |
/// | `deferred` | see [`Definition::deferred`] |
/// | `commit_on = …`, `roll_back_on = …` | a closure or function of the error, see [`Scope::commit_on`]; the order counts |
/// | `roll_back_on_value = …` | the same of the value |
/// | `tx`, `tx = …` | the body is handed the [`Tx`] by this name |
#[cfg(feature = "macros")]
pub use settled_transaction_macros::transactional;
#[cfg(any(
    feature = "sqlx-mysql",
    feature = "sqlx-postgres",
    feature = "sqlx-sqlite"
))]
pub use sqlx::SqlxConnection;
pub use statement::{Limit, Saw, Statement};
pub use tx::Tx;
