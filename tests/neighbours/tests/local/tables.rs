//! The tables: made once by however many, told when they are missing or newer, and pruned.

use std::time::Duration;

use settled::local::{self, LocalError, LocalPool, LocalTransaction, OnceError};
use settled::protocol::Json;

use crate::each;
use crate::places::{Failure, Place, SqlxPostgres, begin, books};

each!(
    they_are_made_once_by_however_many,
    they_are_missed_with_the_remedy,
    newer_ones_are_refused,
    old_records_are_removed_in_pieces,
);

async fn drop_tables<P: Place>(pool: &P::Pool) {
    for table in ["settled_record", "settled_outbox", "settled_local"] {
        P::write_alone(pool, &format!("DROP TABLE {table}")).await;
    }
}

async fn they_are_made_once_by_however_many<P: Place>(place: P) {
    let pool = place.pool(4).await;
    for _ in 0..5 {
        drop_tables::<P>(&pool).await;
        let makers: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { local::create_tables(&pool).await })
            })
            .collect();
        for maker in makers {
            maker.await.unwrap().unwrap();
        }
        assert_eq!(pool.tables().await.unwrap(), Some(local::sql::VERSION));
    }
}

async fn they_are_missed_with_the_remedy<P: Place>(place: P) {
    let pool = place.pool(1).await;
    let books = books(&pool);
    drop_tables::<P>(&pool).await;
    let done = local::once(&books, "a/b/action", async |_| Ok::<u32, Failure>(1)).await;
    let error = done.unwrap_err();
    assert!(
        matches!(error, OnceError::Local(LocalError::NoTables(_))),
        "{error:?}"
    );
    assert!(error.to_string().contains("create_tables"), "{error}");
    let begun = begin(&pool).await;
    let mut tx = begun.tx().clone();
    let error = tx.record("a/b/action", &Json::null()).await.unwrap_err();
    assert!(matches!(error, LocalError::NoTables(_)), "{error:?}");
}

async fn newer_ones_are_refused<P: Place>(place: P) {
    let pool = place.pool(1).await;
    P::write_alone(&pool, "UPDATE settled_local SET version = 2").await;
    let error = local::create_tables(&pool).await.unwrap_err();
    assert!(
        matches!(error, LocalError::Newer { found: 2, known: 1 }),
        "{error}"
    );
}

async fn old_records_are_removed_in_pieces<P: Place>(place: P) {
    let pool = place.pool(1).await;
    let books = books(&pool);
    let begun = begin(&pool).await;
    let mut tx = begun.tx().clone();
    for no in 0..1_100 {
        tx.record(&format!("{no}"), &Json::null()).await.unwrap();
    }
    begun.commit().await.unwrap();
    assert_eq!(
        local::prune(&pool, Duration::from_hours(1)).await.unwrap(),
        0
    );
    // Times are the database's; so that 1,095 of them are old:
    let sqlite = "UPDATE settled_record SET recorded_at = '2020-01-01T00:00:00.000Z'";
    let others = "UPDATE settled_record SET recorded_at = '2020-01-01 00:00:00'";
    let old = if place.proxy().is_none() {
        sqlite
    } else {
        others
    };
    P::write_alone(&pool, old).await;
    for no in 0..5 {
        let key = format!("new/{no}");
        local::once(&books, &key, async |_| Ok::<u32, Failure>(no))
            .await
            .unwrap();
    }
    assert_eq!(
        local::prune(&pool, Duration::from_hours(1)).await.unwrap(),
        1_100
    );
    assert_eq!(
        place
            .select("SELECT result FROM settled_record")
            .await
            .len(),
        5
    );
}

#[test]
fn they_may_have_a_schema_of_their_own() {
    crate::places::run(
        "tables.a_schema_of_their_own",
        async |place: SqlxPostgres| {
            let public = place.pool(1).await;
            drop_tables::<SqlxPostgres>(&public).await;
            SqlxPostgres::write_alone(&public, "CREATE SCHEMA own").await;
            let pool = place.pool_in_schema("own,public").await;
            let books = books(&pool);
            local::create_tables(&pool).await.unwrap();
            local::once(&books, "a/b/action", async |tx| {
                SqlxPostgres::write(tx, "x").await?;
                Ok::<u32, Failure>(1)
            })
            .await
            .unwrap();
            let count = |schema: &str| format!("SELECT result FROM {schema}.settled_record");
            assert_eq!(place.select(&count("own")).await.len(), 1);
        },
    );
}
