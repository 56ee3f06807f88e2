//! The whole of it in one service: its SQLite database holds the business tables, the journal, the
//! records and the outbox; a saga starts with a business write and records its result with another.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use settled::local::{self, OutboxOptions};
use settled::protocol::Span;
use settled::transaction::Transactions;
use settled::{Call, CallError, OnUnknown, Operation, OperationPolicy, Retry, Settled};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

/// Puts goods on a platform's shelf.
struct Shelve;

impl Operation<SqlitePool> for Shelve {
    type Input = String;
    type Output = u32;
    const CAN_BE_ASKED: bool = false;

    async fn call(&self, call: Call<SqlitePool>, _: String) -> Result<u32, CallError> {
        Ok(call.key().len() as u32)
    }

    async fn record(
        &self,
        call: Call<SqlitePool>,
        goods: String,
        place: u32,
    ) -> Result<(), CallError> {
        let attempt = call.attempt();
        let books = Transactions::new(call.state().clone());
        let recorded = local::once(&books, call.key(), async |tx| {
            sqlx::query("UPDATE goods SET place = ?1, times = times + 1 WHERE name = ?2")
                .bind(place)
                .bind(&goods)
                .execute(tx)
                .await?;
            match attempt {
                1 => Err(sqlx::Error::Protocol("the business says no".to_owned())),
                _ => Ok(()),
            }
        });
        recorded.await.map_err(CallError::not_sent)?;
        // The answer is lost after the commit: the next attempt finds the record.
        if attempt == 2 {
            return Err(CallError::unknown("lost"));
        }
        Ok(())
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            on_unknown: Some(OnUnknown::Retry),
            record_retry: Retry {
                first_delay: Span::from_millis(5),
                ..Retry::default()
            },
            ..OperationPolicy::default()
        }
    }
}

async fn pool(path: &std::path::Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE IF NOT EXISTS goods (name TEXT, place INTEGER, times INTEGER)")
        .execute(&pool)
        .await
        .unwrap();
    local::create_tables(&pool).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_starts_with_a_business_write_and_records_its_result_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let pool = pool(&path).await;
    let settled = Settled::with_state(pool.clone())
        .journal_within(&path)
        .operation("shelve", Shelve)
        .start()
        .unwrap();
    // The sweep is far away: what is started is started because the outbox was woken.
    let options = OutboxOptions {
        sweep: Duration::from_hours(1),
        ..OutboxOptions::default()
    };
    let outbox = settled.outbox(pool.clone(), options);

    for (name, commits) in [("pear", false), ("apple", true)] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO goods VALUES (?1, 0, 0)")
            .bind(name)
            .execute(&mut *tx)
            .await
            .unwrap();
        let start = settled.start("shelve", name).id(format!("shelve-{name}"));
        let row = start
            .deadline(Duration::from_micros(90_000_001))
            .row()
            .unwrap();
        let pending = outbox.handle().enqueue(&mut tx, &row).await.unwrap();
        if commits {
            tx.commit().await.unwrap();
            pending.committed();
        } else {
            tx.rollback().await.unwrap();
            pending.rolled_back();
        }
    }
    let began = Instant::now();
    while settled
        .coordinator()
        .saga("shelve-apple")
        .await
        .unwrap()
        .is_none()
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the outbox was not read"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = settled.start("shelve", "apple").id("shelve-apple");
    let start = start.deadline(Duration::from_micros(90_000_001));
    let place: u32 = start.result().await.unwrap();
    let goods: Vec<(String, u32, u32)> = sqlx::query_as("SELECT name, place, times FROM goods")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(goods, [("apple".to_owned(), place, 1)]);
    assert!(
        settled
            .coordinator()
            .saga("shelve-pear")
            .await
            .unwrap()
            .is_none()
    );
    let bad = settled.start("no-such", "x").row().unwrap_err().to_string();
    assert!(bad.contains("no-such"), "{bad}");
    outbox.stop().await;
    settled.shutdown(Duration::from_secs(1)).await;
}
