//! A connection of a `sqlx` pool, with what must be set back before it is given back.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection, Database, Pool, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a connection may be on its way back to its pool.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// A connection of a `sqlx` pool. It is the driver's own connection to who looks through it:
/// `&mut **connection`.
#[derive(Debug)]
pub struct SqlxConnection<DB: Database> {
    connection: PoolConnection<DB>,
    /// Where the pool does what it does when a connection is closed.
    runtime: Handle,
    /// SQLite: that the transaction has set `query_only`.
    pub(super) set_query_only: bool,
    /// SQLite: how long it waited for the one writer before it was made impatient.
    pub(super) busy_timeout: Option<i64>,
    /// SQLite: that a handler watches the time.
    pub(super) watched: bool,
    /// MySQL: that `autocommit` is off.
    pub(super) set_autocommit: bool,
}

impl<DB: Database> SqlxConnection<DB> {
    pub(super) fn new(connection: PoolConnection<DB>) -> Self {
        Self {
            connection,
            runtime: Handle::current(),
            set_query_only: false,
            busy_timeout: None,
            watched: false,
            set_autocommit: false,
        }
    }

    /// Closes it, wherever this is called: the pool may want to open another one for it, and takes a
    /// runtime for granted.
    pub(super) fn close(self) {
        let _inside = self.runtime.enter();
        drop(self.connection.detach());
    }

    /// Gives it back, or closes it where something is still set that is not the next one's.
    pub(super) fn give_back(mut self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let is_set = self.set_query_only
            || self.set_autocommit
            || self.watched
            || self.busy_timeout.is_some();
        if is_set || self.connection.is_in_transaction() {
            self.close();
            return None;
        }
        Some(Box::pin(self.connection.return_to_pool()))
    }

    pub(super) async fn begin_with(&mut self, sql: String) -> sqlx::Result<()> {
        let sql = AssertSqlSafe(sql).into_sql_str();
        DB::TransactionManager::begin(&mut self.connection, Some(sql)).await
    }

    /// Commits, and before that whatever the program has begun on it and left open.
    pub(super) async fn commit(&mut self) -> sqlx::Result<()> {
        while self.connection.is_in_transaction() {
            DB::TransactionManager::commit(&mut self.connection).await?;
        }
        Ok(())
    }

    pub(super) async fn roll_back(&mut self) -> sqlx::Result<()> {
        while self.connection.is_in_transaction() {
            DB::TransactionManager::rollback(&mut self.connection).await?;
        }
        Ok(())
    }
}

impl<DB: Database> Deref for SqlxConnection<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Database> DerefMut for SqlxConnection<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

/// Takes a connection if one is free, or can be opened.
pub(super) async fn try_acquire<DB: Database>(
    pool: &Pool<DB>,
) -> sqlx::Result<Option<SqlxConnection<DB>>> {
    if let Some(connection) = pool.try_acquire() {
        return Ok(Some(SqlxConnection::new(connection)));
    }
    if pool.size() >= pool.options().get_max_connections() {
        // One that the program used by itself, and has let go of, is not free before the pool has
        // tested it: that is not to be told from one that is in use, but for the time it takes.
        return match timeout(ON_ITS_WAY, pool.acquire()).await {
            Ok(connection) => connection.map(SqlxConnection::new).map(Some),
            Err(_) => Ok(None),
        };
    }
    // Another may be faster; then the one that was there for this is back in a moment, or the pool's
    // own patience ends it.
    pool.acquire().await.map(SqlxConnection::new).map(Some)
}
