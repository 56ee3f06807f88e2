//! The work and its record: both or neither, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use settled::local::{self, LocalError, LocalTransaction, OnceError, OutboxRow};
use settled::protocol::Json;
use tokio::sync::Barrier;

use crate::each;
use crate::places::{Failure, Place, TokioPostgres, begin, books};

const KEY: &str = "order-1001/stock/action";

each!(
    what_was_done_is_done_once,
    neither_the_work_nor_its_record_outlives_a_rollback,
    a_failure_of_the_work_leaves_nothing,
    of_two_that_race_one_commits_and_both_get_its_result,
    the_second_record_of_a_key_is_told_apart,
    an_error_that_the_work_hides_does_not_commit,
);

/// What a step gives.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deducted {
    items: Vec<String>,
    left: Option<i64>,
}

fn deducted() -> Deducted {
    Deducted {
        items: vec!["A\"\\日本\u{0}".to_owned()],
        left: None,
    }
}

async fn what_was_done_is_done_once<P: Place>(place: P) {
    let pool = place.pool(2).await;
    let books = books(&pool);
    // As in a service: the future must be one that a runtime can move between threads.
    let task = tokio::spawn({
        let (books, what) = (books.clone(), "first".to_owned());
        async move {
            local::once(&books, KEY, async |tx| {
                P::write(tx, &what).await?;
                Ok::<_, Failure>(deducted())
            })
            .await
        }
    });
    assert_eq!(task.await.unwrap().unwrap(), deducted());
    let again = local::once(&books, KEY, async |_| -> Result<Deducted, Failure> {
        panic!("it was done already")
    });
    assert_eq!(again.await.unwrap(), deducted());
    assert_eq!(place.business().await, ["first"]);
    // Another key is another call, to the letter.
    for other in ["order-1001/stock/Action", "order-1001/stock/compensation"] {
        let done = local::once(&books, other, async |tx| {
            P::write(tx, other).await?;
            Ok::<_, Failure>(7)
        });
        assert_eq!(done.await.unwrap(), 7);
    }
    let rows = place.business().await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    // A type that does not fit is told, not guessed.
    let wrong = local::once(&books, KEY, async |_| Ok::<u32, Failure>(1)).await;
    assert!(
        matches!(wrong, Err(OnceError::Local(LocalError::Result { .. }))),
        "{wrong:?}"
    );
}

async fn neither_the_work_nor_its_record_outlives_a_rollback<P: Place>(place: P) {
    let pool = place.pool(1).await;
    let row = OutboxRow {
        id: "order-1".to_owned(),
        document: Json::parse("{}").unwrap(),
    };
    for round in 0..3 {
        let begun = begin(&pool).await;
        let mut tx = begun.tx().clone();
        P::write(&tx, "x").await.unwrap();
        tx.record(KEY, &Json::null()).await.unwrap();
        tx.enqueue(&row).await.unwrap();
        match round {
            0 => {
                begun.roll_back().await.unwrap();
            }
            // As when the process ends here.
            1 => drop(begun),
            _ => {
                begun.commit().await.unwrap();
            }
        }
        let there = usize::from(round == 2);
        assert_eq!(place.business().await.len(), there);
        for table in [
            "SELECT result FROM settled_record",
            "SELECT id FROM settled_outbox",
        ] {
            assert_eq!(place.select(table).await.len(), there, "{round}: {table}");
        }
    }
}

async fn a_failure_of_the_work_leaves_nothing<P: Place>(place: P) {
    let pool = place.pool(1).await;
    let books = books(&pool);
    for _ in 0..3 {
        let done = local::once(&books, KEY, async |tx| {
            P::write(tx, "x").await?;
            Err::<u32, Failure>("no stock".into())
        });
        let error = done.await.unwrap_err();
        assert!(matches!(error, OnceError::Work(_)), "{error}");
        assert_eq!(error.to_string(), "no stock");
        assert_eq!(place.business().await.len(), 0);
    }
    assert_eq!(
        place
            .select("SELECT result FROM settled_record")
            .await
            .len(),
        0
    );
}

async fn of_two_that_race_one_commits_and_both_get_its_result<P: Place>(place: P) {
    let pool = place.pool(2).await;
    let books = books(&pool);
    // SQLite lets one write at a time: there the second waits to begin.
    let meet = place.proxy().is_some().then(|| Arc::new(Barrier::new(2)));
    let ran = AtomicU32::new(0);
    let attempt = async |name: &str| {
        local::once(&books, KEY, async |tx| {
            ran.fetch_add(1, Ordering::Relaxed);
            P::write(tx, name).await?;
            if let Some(meet) = &meet {
                meet.wait().await;
            }
            Ok::<_, Failure>(name.to_owned())
        })
        .await
        .unwrap()
    };
    let (one, two) = tokio::join!(attempt("one"), attempt("two"));
    assert_eq!(one, two);
    assert_eq!(place.business().await, [one]);
    let expected = if meet.is_some() { 2 } else { 1 };
    assert_eq!(ran.load(Ordering::Relaxed), expected);
}

async fn the_second_record_of_a_key_is_told_apart<P: Place>(place: P) {
    let pool = place.pool(2).await;
    let begun = begin(&pool).await;
    let mut tx = begun.tx().clone();
    tx.record(KEY, &Json::parse("1").unwrap()).await.unwrap();
    let second = tokio::spawn({
        let pool = pool.clone();
        async move {
            let begun = begin(&pool).await;
            let mut tx = begun.tx().clone();
            P::write(&tx, "second").await.unwrap();
            tx.record(KEY, &Json::parse("2").unwrap()).await
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!second.is_finished(), "it waits for the end of the first");
    begun.commit().await.unwrap();
    let error = second.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LocalError::AlreadyRecorded { .. }),
        "{error}"
    );
    assert_eq!(
        place.select("SELECT result FROM settled_record").await,
        ["1"]
    );
    assert_eq!(place.business().await.len(), 0);
}

/// PostgreSQL gives a transaction up after an error, and then says of its COMMIT that all is well.
async fn an_error_that_the_work_hides_does_not_commit<P: Place>(place: P) {
    let pool = place.pool(1).await;
    let books = books(&pool);
    let done = local::once(&books, KEY, async |tx| {
        P::write(tx, "x").await?;
        // Longer than the column, and not looked at.
        let _ = P::write(tx, &"too long ".repeat(50)).await;
        Ok::<_, Failure>(1)
    })
    .await;
    let records = place.select("SELECT result FROM settled_record").await;
    match done {
        Ok(_) => assert_eq!(records.len(), 1),
        Err(error) => {
            assert!(matches!(error, OnceError::Local(_)), "{error}");
            assert_eq!(records.len(), 0);
        }
    }
    assert_eq!(place.business().await.is_empty(), records.is_empty());
}

#[test]
fn a_transaction_of_deadpool_is_one_of_tokio_postgres() {
    crate::places::run(
        "once.a_transaction_of_deadpool",
        async |place: TokioPostgres| {
            let mut client = place.pool(1).await.get().await.unwrap();
            let client: &mut ::tokio_postgres::Client = &mut client;
            let mut tx = client.transaction().await.unwrap();
            assert_eq!(tx.recorded(KEY).await.unwrap(), None);
            tx.record(KEY, &Json::null()).await.unwrap();
            assert_eq!(tx.recorded(KEY).await.unwrap(), Some(Json::null()));
        },
    );
}
