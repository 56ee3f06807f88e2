//! A small SQLite file with one table, `entry`, for tests that need no more.
#![allow(clippy::unwrap_used, reason = "a test's")]
#![allow(clippy::missing_panics_doc, reason = "a test's")]

use settled_transaction::Transactions;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

/// A pool on a new file.
pub async fn pool() -> (TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("books.db"))
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::query("CREATE TABLE entry (what TEXT NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    (folder, pool)
}

/// Its manager.
pub async fn books() -> (TempDir, Transactions<SqlitePool>) {
    let (folder, pool) = pool().await;
    (folder, Transactions::new(pool))
}

/// What is stored, seen from outside of any transaction.
pub async fn rows(books: &Transactions<SqlitePool>) -> Vec<String> {
    sqlx::query_scalar("SELECT what FROM entry ORDER BY 1")
        .fetch_all(books.pool())
        .await
        .unwrap()
}
