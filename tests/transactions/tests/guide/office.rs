//! The box office that the guide tells of: its tables, and what is in them.

use settled_transaction::{Settings, Transactions};
use settled_transaction_tests::books::pool;
use sqlx::SqlitePool;
use tempfile::TempDir;

/// A box office's file, with a manager of these settings.
pub(crate) async fn office(settings: Settings) -> (TempDir, Transactions<SqlitePool>) {
    let (folder, pool) = pool().await;
    sqlx::raw_sql(
        "CREATE TABLE ticket (seat INTEGER PRIMARY KEY);
         CREATE TABLE ledger (amount INTEGER NOT NULL);
         CREATE TABLE letter (seat INTEGER NOT NULL);
         CREATE TABLE audit (what TEXT NOT NULL);",
    )
    .execute(&pool)
    .await
    .unwrap();
    (folder, Transactions::with_settings(pool, settings))
}

/// How many tickets, bookings, letters and notes there are, seen from outside.
pub(crate) async fn counts(books: &Transactions<SqlitePool>) -> [i64; 4] {
    let mut counts = [0; 4];
    // One for all, for it takes a moment until it is back in the pool.
    let mut connection = books.pool().acquire().await.unwrap();
    for (place, sql) in counts.iter_mut().zip([
        "SELECT COUNT(*) FROM ticket",
        "SELECT COUNT(*) FROM ledger",
        "SELECT COUNT(*) FROM letter",
        "SELECT COUNT(*) FROM audit",
    ]) {
        let count = sqlx::query_scalar(sql).fetch_one(&mut *connection);
        *place = count.await.unwrap();
    }
    counts
}
