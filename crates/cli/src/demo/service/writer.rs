//! The one thread that writes a service's books.
//!
//! Whatever is waiting goes into one transaction, and nobody is told before it is committed. A
//! call that waited too long is not acted on: its caller may have given up and asked whether it
//! happened, and an effect after that answer would make the answer a lie.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::books::{Books, Call, Outcome};

/// No call takes effect later than this after it came. Well within every time limit that the demo
/// sets its coordinator.
const ACT_WITHIN: Duration = Duration::from_millis(400);

/// The most calls in one transaction.
const BATCH_MAX: usize = 128;

struct Waiting {
    call: Call,
    came: Instant,
    reply: oneshot::Sender<Outcome>,
}

/// The way to the books.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Waiting>,
}

/// The books could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the books cannot be written; see the service's log")]
pub(super) struct Closed;

impl Writer {
    /// Starts the thread. The receiver hears of it if the books cannot be written any more.
    pub(super) fn start(books: Books) -> (Self, oneshot::Receiver<rusqlite::Error>) {
        let (queue, waiting) = mpsc::channel();
        let (broken, hears) = oneshot::channel();
        std::thread::spawn(move || {
            if let Err(error) = write(books, &waiting) {
                // Nobody listens any more when the service is ending anyway.
                let _ = broken.send(error);
            }
        });
        (Self { queue }, hears)
    }

    /// Enters a call that came at `came`, and returns when it is committed.
    pub(super) async fn enter(&self, call: Call, came: Instant) -> Result<Outcome, Closed> {
        let (reply, outcome) = oneshot::channel();
        self.queue
            .send(Waiting { call, came, reply })
            .map_err(|_| Closed)?;
        outcome.await.map_err(|_| Closed)
    }
}

/// Writes until every [`Writer`] is gone.
fn write(mut books: Books, queue: &mpsc::Receiver<Waiting>) -> rusqlite::Result<()> {
    while let Ok(first) = queue.recv() {
        let rest = queue.try_iter().take(BATCH_MAX - 1);
        let batch: Vec<_> = std::iter::once(first).chain(rest).collect();
        let page = books.begin()?;
        let outcomes = batch
            .iter()
            .map(|waiting| {
                if waiting.came.elapsed() > ACT_WITHIN {
                    page.turn_away(&waiting.call)
                } else {
                    page.enter(&waiting.call)
                }
            })
            .collect::<rusqlite::Result<Vec<_>>>()?;
        page.commit()?;
        for (waiting, outcome) in batch.into_iter().zip(outcomes) {
            // The connection may be gone; the books stand.
            let _ = waiting.reply.send(outcome);
        }
    }
    Ok(())
}
