//! Those who see what becomes of a transaction: a hook that writes down what it is told, futures that
//! are polled so many times and no more, and a look at a pool that is to be clean.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use settled_transaction::driver::Driver;
use settled_transaction::{Hook, HookFuture, Outcome, Transactions};

use crate::places::Place;

/// Polls a future so many times and no more.
pub(crate) struct Polls<F> {
    future: Pin<Box<F>>,
    left: u32,
}

/// The future, dropped after so many polls; then there is no output.
pub(crate) fn polls<F: Future>(left: u32, future: F) -> Polls<F> {
    Polls {
        future: Box::pin(future),
        left,
    }
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

/// What a hook was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    BeforeCommit,
    BeforeCompletion,
    AfterCommit,
    AfterCompletion(Outcome),
    Suspended,
    Resumed,
}

/// A hook that writes down what it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Said>>>);

impl Witness {
    fn hears(&self, said: Said) -> HookFuture<'_> {
        self.0.lock().unwrap().push(said);
        // So that a future can be dropped while the hook is at work.
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    pub(crate) fn said(&self) -> Vec<Said> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, said: Said) -> usize {
        self.said().into_iter().filter(|one| *one == said).count()
    }

    /// How it ended, once it is told.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.said().into_iter().find_map(|said| match said {
            Said::AfterCompletion(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// Waits for the end, and checks that what was told of it can be true.
    pub(crate) async fn end(&self) -> Outcome {
        until("a hook is told of the end", async || {
            self.outcome().is_some()
        })
        .await;
        let said = self.said();
        let outcome = self.outcome().unwrap();
        let ends = |one: &&Said| matches!(one, Said::AfterCompletion(_));
        assert_eq!(said.iter().filter(ends).count(), 1, "{said:?}");
        for once in [
            Said::BeforeCommit,
            Said::BeforeCompletion,
            Said::AfterCommit,
        ] {
            assert!(self.count(once) <= 1, "{said:?}");
        }
        if self.count(Said::AfterCommit) == 1 {
            assert_eq!(outcome, Outcome::Committed, "{said:?}");
        }
        let (suspended, resumed) = (self.count(Said::Suspended), self.count(Said::Resumed));
        assert_eq!(suspended, resumed, "{said:?}");
        outcome
    }
}

impl Hook for Witness {
    fn suspend(&self) {
        drop(self.hears(Said::Suspended));
    }

    fn resume(&self) {
        drop(self.hears(Said::Resumed));
    }

    fn before_commit(&self, _read_only: bool) -> HookFuture<'_> {
        self.hears(Said::BeforeCommit)
    }

    fn before_completion(&self) -> HookFuture<'_> {
        self.hears(Said::BeforeCompletion)
    }

    fn after_commit(&self) -> HookFuture<'_> {
        self.hears(Said::AfterCommit)
    }

    fn after_completion(&self, outcome: Outcome) -> HookFuture<'_> {
        self.hears(Said::AfterCompletion(outcome))
    }
}

/// Waits for something that is about to be so.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(waited.is_ok(), "not so within a while: {what}");
}

/// That no connection of a pool is in a transaction, no lock is held, and what its next users write is
/// there to stay.
pub(crate) async fn assert_clean<P: Place>(place: &P, books: &Transactions<P::Pool>, when: &str) {
    assert_eq!(books.suspended_connections(), 0, "{when}");
    until(&format!("{when}: no transaction is open"), async || {
        place.open().await == 0
    })
    .await;
    let pool = books.pool();
    let mut all = Vec::new();
    let within = Duration::from_secs(10);
    for _ in 0..pool.size() {
        let connection = tokio::time::timeout(within, pool.acquire()).await;
        all.push(connection.expect(when).expect(when));
    }
    let before = held(place).await;
    for connection in &mut all {
        let update = P::on(connection, "UPDATE stock SET held = held + 1");
        let updated = tokio::time::timeout(within, update).await;
        updated.expect(when).expect(when);
    }
    let after = held(place).await;
    assert_eq!(
        after - before,
        u64::from(pool.size()),
        "{when}: what the pool's next users write is not committed"
    );
    for connection in all {
        if let Some(way_back) = pool.give_back(connection) {
            way_back.await;
        }
    }
}

async fn held<P: Place>(place: &P) -> u64 {
    let held = place.select("SELECT CAST(held AS CHAR(9)) FROM stock WHERE id = 1");
    held.await[0].trim().parse().unwrap()
}
