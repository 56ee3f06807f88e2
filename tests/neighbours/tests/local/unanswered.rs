//! A COMMIT whose answer is lost is found out, never guessed.

use std::time::Duration;

use settled::local::{self, OnceError};
use settled_test_servers::Cut;

use crate::each_wire;
use crate::places::{Failure, Place, SqlxSqlite, books};

const KEY: &str = "order-1001/stock/action";

each_wire!(a_commit_that_got_no_answer_is_found_out);

async fn a_commit_that_got_no_answer_is_found_out<P: Place>(place: P) {
    let proxy = place.proxy().unwrap();
    let pool = place.pool(3).await;
    let books = books(&pool);
    let cuts = [
        Cut::Before,
        Cut::After,
        Cut::Late(Duration::from_millis(400)),
    ];
    for (round, cut) in cuts.into_iter().enumerate() {
        let key = format!("{KEY}/{round}");
        proxy.cut(cut);
        let done = local::once(&books, &key, async |tx| {
            P::write(tx, &key).await?;
            Ok::<_, Failure>(round)
        })
        .await;
        assert!(proxy.has_cut(), "{cut:?}");
        let rows = || place.select("SELECT what FROM business");
        let there = rows().await.contains(&key);
        match (cut, done) {
            (Cut::Before, Err(OnceError::Local(error))) => {
                println!("{cut:?}: {error}");
                assert!(!there);
            }
            (Cut::After | Cut::Late(_), Ok(result)) => {
                assert_eq!(result, round);
                assert!(there);
            }
            (cut, done) => panic!("{cut:?}: {done:?}, and the row is there: {there}"),
        }
        let again = local::once(&books, &key, async |tx| {
            P::write(tx, &key).await?;
            Ok::<_, Failure>(round)
        });
        assert_eq!(again.await.unwrap(), round);
        let count = rows().await.into_iter().filter(|row| *row == key).count();
        assert_eq!(count, 1, "{cut:?}");
    }
    assert_eq!(
        place
            .select("SELECT result FROM settled_record")
            .await
            .len(),
        3
    );
}

/// A file has no wire that could be cut, but its commit can fail.
#[test]
fn a_commit_that_sqlite_refuses_is_found_out() {
    crate::places::run("unanswered.sqlite", async |place: SqlxSqlite| {
        let pool = place.pool(2).await;
        let books = books(&pool);
        let tables = "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);";
        SqlxSqlite::write_alone(&pool, tables).await;
        for (parent, fits) in [(1, false), (2, true)] {
            let done = local::once(&books, KEY, async |tx| {
                for sql in [
                    "INSERT INTO parent VALUES (2)",
                    "INSERT INTO child VALUES (?1)",
                ] {
                    let query = sqlx::query(sql);
                    let query = if sql.contains('?') {
                        query.bind(parent)
                    } else {
                        query
                    };
                    query.execute(tx).await?;
                }
                Ok::<_, Failure>(parent)
            })
            .await;
            let records = place.select("SELECT result FROM settled_record").await;
            assert_eq!(records.len(), usize::from(fits), "{done:?}");
            match done {
                Ok(result) => assert_eq!((result, fits), (2, true)),
                Err(error) => assert!(matches!(error, OnceError::Local(_)) && !fits, "{error}"),
            }
        }
    });
}
