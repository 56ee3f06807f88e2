//! The one thread that writes: it takes everything that waits into one transaction, so that
//! throughput follows the bytes and not the number of fsyncs.
//!
//! It only carries things back and forth; what to do about a journal's answers is the
//! [`Committer`]'s business.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use settled_protocol::Timestamp;

use crate::change::Change;
use crate::committer::{Committer, Fate, Next, Step};
use crate::entry::Append;
use crate::failpoint::failpoint;
use crate::stats::CommitStats;
use crate::store::{CommitError, Journal};

/// Receives the fates of appends, in the order in which they became known. It is called on the
/// writing thread: it should only pass them on.
pub type Deliver<T> = Box<dyn Fn(Vec<(T, Fate)>) + Send>;

/// Receives what became of a request to prune.
pub type PruneReply = Box<dyn FnOnce(Result<usize, CommitError>) + Send>;

/// Receives what became of a [`Change`].
pub type ChangeReply = Box<dyn FnOnce(Result<bool, CommitError>) + Send>;

/// A thread that owns a journal and writes what it is given. `T` is whatever tells the caller's
/// appends apart.
#[derive(Debug)]
pub struct Writer<T> {
    shared: Arc<Shared<T>>,
    stats: Arc<CommitStats>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<T> {
    inbox: Mutex<Inbox<T>>,
    changed: Condvar,
}

struct Inbox<T> {
    appends: Vec<(T, Append)>,
    prunes: Vec<(Timestamp, usize, PruneReply)>,
    changes: Vec<(Change, ChangeReply)>,
    closing: bool,
}

impl<T> std::fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("appends", &self.appends.len())
            .field("prunes", &self.prunes.len())
            .field("changes", &self.changes.len())
            .field("closing", &self.closing)
            .finish()
    }
}

impl<T> Shared<T> {
    fn inbox(&self) -> MutexGuard<'_, Inbox<T>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Writer<T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn spawn(journal: Box<dyn Journal>, deliver: Deliver<T>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            inbox: Mutex::new(Inbox {
                appends: Vec::new(),
                prunes: Vec::new(),
                changes: Vec::new(),
                closing: false,
            }),
            changed: Condvar::new(),
        });
        let stats = Arc::new(CommitStats::default());
        let mut run = Run {
            committer: Committer::new(journal),
            shared: Arc::clone(&shared),
            stats: Arc::clone(&stats),
            deliver,
            prunes: Vec::new(),
            changes: Vec::new(),
            pause_until: None,
        };
        let thread = std::thread::Builder::new()
            .name("settled-journal".to_owned())
            .spawn(move || run.run())?;
        Ok(Self {
            shared,
            stats,
            thread: Some(thread),
        })
    }

    /// Hands appends over, in order, without waiting. Each is answered once.
    pub fn submit(&self, appends: Vec<(T, Append)>) {
        if appends.is_empty() {
            return;
        }
        let mut inbox = self.shared.inbox();
        if inbox.appends.is_empty() {
            inbox.appends = appends;
        } else {
            inbox.appends.extend(appends);
        }
        drop(inbox);
        self.shared.changed.notify_one();
    }

    /// Asks for old sagas to be removed, see [`Journal::prune`], when nothing else waits.
    pub fn prune(&self, before: Timestamp, limit: usize, reply: PruneReply) {
        self.shared.inbox().prunes.push((before, limit, reply));
        self.shared.changed.notify_one();
    }

    /// Asks for a change beside the events, see [`Journal::change`], before the next batch. Where
    /// the writer has ended the reply is dropped.
    pub fn change(&self, change: Change, reply: ChangeReply) {
        self.shared.inbox().changes.push((change, reply));
        self.shared.changed.notify_one();
    }

    /// What is counted.
    #[must_use]
    pub fn stats(&self) -> &Arc<CommitStats> {
        &self.stats
    }

    /// Writes everything that was handed over, then ends the thread and closes the journal. Where
    /// the journal is full it does not wait for room.
    pub fn close(mut self) {
        self.end();
    }
}

impl<T> Writer<T> {
    fn end(&mut self) {
        self.shared.inbox().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic was answered for already, see `Run::guarded`.
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.end();
    }
}

struct Run<T> {
    committer: Committer<T>,
    shared: Arc<Shared<T>>,
    stats: Arc<CommitStats>,
    deliver: Deliver<T>,
    prunes: Vec<(Timestamp, usize, PruneReply)>,
    changes: Vec<(Change, ChangeReply)>,
    pause_until: Option<Instant>,
}

impl<T> Run<T> {
    fn run(&mut self) {
        loop {
            let closing = self.take_inbox();
            self.make_changes();
            if self.pause_until.is_some_and(|until| Instant::now() < until) {
                if closing {
                    let why = "it was shut down before there was room";
                    let answers = self.committer.abandon(why);
                    self.hand_out(answers);
                } else {
                    let answers = self.committer.turn_away();
                    self.hand_out(answers);
                    continue;
                }
            }
            self.pause_until = None;
            if !self.committer.is_idle() {
                self.step();
            } else if !self.prunes.is_empty() {
                let (before, limit, reply) = self.prunes.remove(0);
                failpoint("before-prune");
                let pruned = self.guarded(|committer| committer.prune(before, limit));
                let pruned = pruned.unwrap_or_else(|why| Err(CommitError::Unusable(why)));
                if let Ok(sagas) = pruned {
                    failpoint("after-prune");
                    self.stats.pruned(sagas);
                }
                reply(pruned);
            } else if closing {
                failpoint("writer-closed");
                return;
            }
        }
    }

    /// Takes what has come in, and waits for something where there is nothing to do. Returns
    /// whether the writer is being closed.
    fn take_inbox(&mut self) -> bool {
        let mut inbox = self.shared.inbox();
        let idle = self.committer.is_idle() && self.prunes.is_empty();
        while inbox.appends.is_empty()
            && inbox.prunes.is_empty()
            && inbox.changes.is_empty()
            && !inbox.closing
        {
            let rest = self
                .pause_until
                .map(|until| until.saturating_duration_since(Instant::now()));
            inbox = match rest {
                Some(Duration::ZERO) => break,
                Some(rest) => {
                    let waited = self.shared.changed.wait_timeout(inbox, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None if idle => self
                    .shared
                    .changed
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
                None => break,
            };
        }
        for (ticket, append) in inbox.appends.drain(..) {
            self.committer.push(ticket, append);
        }
        self.prunes.append(&mut inbox.prunes);
        self.changes.append(&mut inbox.changes);
        inbox.closing
    }

    /// Few and small, so that they need not wait until there is no batch; and answered also while
    /// there is no room, as whoever asks can wait better than this thread.
    fn make_changes(&mut self) {
        let (mut entries, mut heard) = (Vec::new(), Vec::new());
        for (change, reply) in std::mem::take(&mut self.changes) {
            if let Change::Audit(mut more) = change {
                // There may be one for every call, so they share a transaction.
                entries.append(&mut more);
                heard.push(reply);
            } else {
                reply(self.make(&change));
            }
        }
        if !heard.is_empty() {
            let made = self.make(&Change::Audit(entries));
            for reply in heard {
                reply(made.clone());
            }
        }
    }

    fn make(&mut self, change: &Change) -> Result<bool, CommitError> {
        let made = self.guarded(|committer| committer.change(change));
        made.unwrap_or_else(|why| Err(CommitError::Unusable(why)))
    }

    fn step(&mut self) {
        let began = Instant::now();
        failpoint("before-commit");
        let step = match self.guarded(Committer::step) {
            Ok(step) => step,
            Err(why) => Step {
                answers: self.committer.abandon(&why),
                committed: 0,
                next: Next::Idle,
            },
        };
        if step.committed > 0 {
            failpoint("after-commit");
            self.stats.committed(step.committed, began.elapsed());
        } else {
            self.stats.failed();
        }
        if let Next::Pause(pause) = step.next {
            self.pause_until = Some(Instant::now() + pause);
        }
        self.hand_out(step.answers);
    }

    fn hand_out(&self, answers: Vec<(T, Fate)>) {
        if !answers.is_empty() {
            self.stats
                .refused(answers.iter().filter(|(_, fate)| fate.is_err()).count());
            (self.deliver)(answers);
        }
    }

    /// Runs something that must not take the thread down with it: those who wait would wait for
    /// ever.
    fn guarded<R>(&mut self, work: impl FnOnce(&mut Committer<T>) -> R) -> Result<R, String> {
        catch_unwind(AssertUnwindSafe(|| work(&mut self.committer)))
            .map_err(|_| "its writer broke off, which is a bug".to_owned())
    }
}
