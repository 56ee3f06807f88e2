//! A call that is dropped, wherever it stands, leaves all of it or nothing, and a clean pool.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use settled::local;

use crate::each;
use crate::places::{Failure, Place, books};

each!(dropped_at_every_poll_it_is_all_or_nothing);

/// Polls a future so many times and no more.
struct Polls<F> {
    future: Pin<Box<F>>,
    left: u32,
}

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let polled = self.future.as_mut().poll(context).map(Some);
        if polled.is_pending() && self.left == 0 {
            // The drop comes at once: what was sent is under way.
            return Poll::Ready(None);
        }
        polled
    }
}

async fn dropped_at_every_poll_it_is_all_or_nothing<P: Place>(place: P) {
    // One connection: whoever comes next gets the one in question, or a new one.
    let pool = place.pool(1).await;
    let books = books(&pool);
    let mut polls = 0;
    loop {
        polls += 1;
        assert!(polls < 500, "it never ends");
        let key = format!("order/{polls}/action");
        let call = local::once(&books, &key, async |tx| {
            P::write(tx, &key).await?;
            Ok::<_, Failure>(polls)
        });
        let ended = Polls {
            future: Box::pin(call),
            left: polls,
        }
        .await;
        // If the connection still stands in a transaction, this is not committed.
        let alone = format!("alone {polls}");
        P::write_alone(
            &pool,
            &format!("INSERT INTO business (what) VALUES ('{alone}')"),
        )
        .await;
        let rows = place.business().await;
        assert!(
            rows.contains(&alone),
            "after {polls} polls the pool gave a connection with an open transaction"
        );
        let done = rows.iter().filter(|row| **row == key).count();
        let recorded = place
            .select(&format!(
                "SELECT result FROM settled_record WHERE key = '{key}'"
            ))
            .await
            .len();
        assert_eq!(done, recorded, "after {polls} polls");
        let again = local::once(&books, &key, async |tx| {
            P::write(tx, &key).await?;
            Ok::<_, Failure>(polls)
        });
        assert_eq!(again.await.unwrap(), polls);
        let rows = place.business().await;
        assert_eq!(rows.iter().filter(|row| **row == key).count(), 1);
        if let Some(ended) = ended {
            assert_eq!(ended.unwrap(), polls);
            break;
        }
    }
    println!("dropped at {polls} polls");
    assert!(polls > 1);
}
