//! What to do about each answer of a journal: the group commit's rules, without the thread.
//!
//! Appends wait in one line. A step takes the first of them into one transaction and says what
//! became of each. When the journal is full, new sagas are turned away and everything else waits
//! where it stands: an event of a saga that was accepted is never dropped and never overtaken. When
//! a commit gave no clear answer, the journal is opened anew and asked which events it has (a failed
//! commit may well be there); only the missing ones are written again.
//!
//! There is no clock and no thread in here: a step that wants to wait says for how long. The
//! [`Writer`](crate::Writer) runs it on a thread, a simulator by hand.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use settled_protocol::Timestamp;

use crate::chain::chain_after;
use crate::change::Change;
use crate::entry::{Append, Appended, Misplaced, SagaNo};
use crate::store::{CommitError, Journal, Opened};

/// The most appends in one transaction. Larger ones take longer than they save.
pub const MAX_BATCH: usize = 128;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often to try to open the journal again before giving up.
const REOPEN_TRIES: u32 = 5;
/// How many commits in a row may end without a clear answer.
const MAX_DOUBTS: u32 = 1;

/// Why an append was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The journal cannot take a new saga now; nothing of it was written. Later it may.
    #[error("{0}")]
    NotNow(String),
    /// The append does not continue its saga's history.
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    /// The journal is of no more use to this process, and it is not known what became of this
    /// append. The process must end; whoever starts next reads what is durable.
    #[error("the journal has failed: {0}; restart, it goes on from what is on record")]
    Dead(String),
}

/// What became of an append.
pub type Fate = Result<Appended, Refused>;

/// What a step has done.
#[derive(Debug)]
pub struct Step<T> {
    /// The appends whose fate is known now, in order.
    pub answers: Vec<(T, Fate)>,
    /// How many appends the step's transaction wrote; 0 where it wrote none.
    pub committed: usize,
    /// When to take the next step.
    pub next: Next,
}

/// When to take the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When there is something to do.
    Idle,
    /// At once.
    Now,
    /// After this long.
    Pause(Duration),
}

#[derive(Debug)]
enum Mode {
    /// The last answer was clear.
    Well,
    /// No room, or no lock: only what must not be lost waits.
    Waiting { pause: Duration, why: CommitError },
    /// What became of `batch` is not known.
    InDoubt { tries: u32 },
    /// Nothing is written any more.
    Dead(String),
}

/// Group commit over a journal. `T` is whatever tells the caller's appends apart.
pub struct Committer<T> {
    journal: Box<dyn Journal>,
    queue: VecDeque<(T, Append)>,
    /// What the transaction that is under way, or in doubt, holds.
    batch: Vec<Append>,
    tickets: Vec<T>,
    max_batch: usize,
    limit: usize,
    mode: Mode,
    /// Commits in a row without a clear answer.
    doubts: u32,
}

impl<T> Committer<T> {
    /// Group commit over `journal`.
    #[must_use]
    pub fn new(journal: Box<dyn Journal>) -> Self {
        Self::with_max_batch(journal, MAX_BATCH)
    }

    /// The same with another limit than [`MAX_BATCH`].
    #[must_use]
    pub fn with_max_batch(journal: Box<dyn Journal>, max_batch: usize) -> Self {
        let max_batch = max_batch.max(1);
        Self {
            journal,
            queue: VecDeque::new(),
            batch: Vec::new(),
            tickets: Vec::new(),
            max_batch,
            limit: max_batch,
            mode: Mode::Well,
            doubts: 0,
        }
    }

    /// What was found when the journal was opened.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        self.journal.opened()
    }

    /// Puts an append at the end of the line.
    pub fn push(&mut self, ticket: T, append: Append) {
        self.queue.push_back((ticket, append));
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.batch.is_empty() && !matches!(self.mode, Mode::InDoubt { .. })
    }

    /// Whether the journal has failed for good.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.mode, Mode::Dead(_))
    }

    /// Writes the next batch, or goes on with what is in the way of that.
    pub fn step(&mut self) -> Step<T> {
        match &self.mode {
            Mode::Dead(why) => {
                let why = why.clone();
                Step {
                    answers: self.give_up(&why),
                    committed: 0,
                    next: Next::Idle,
                }
            }
            Mode::InDoubt { tries } => self.find_out(*tries),
            Mode::Waiting { .. } => {
                let mut answers = self.turn_away();
                if self.queue.is_empty() {
                    // Whoever comes next finds out whether there is room again.
                    self.mode = Mode::Well;
                    return Step {
                        answers,
                        committed: 0,
                        next: Next::Idle,
                    };
                }
                let mut step = self.write();
                answers.append(&mut step.answers);
                Step { answers, ..step }
            }
            Mode::Well => self.write(),
        }
    }

    /// While the journal takes nothing: turns new sagas away, so that nobody waits for room in
    /// vain. Otherwise it does nothing.
    pub fn turn_away(&mut self) -> Vec<(T, Fate)> {
        let Mode::Waiting { why, .. } = &self.mode else {
            return Vec::new();
        };
        let why = why.to_string();
        let mut gone = HashSet::new();
        let mut answers = Vec::new();
        for (ticket, append) in std::mem::take(&mut self.queue) {
            // What follows a saga that was turned away has nothing to follow.
            if append.new.is_some() || gone.contains(&append.saga) {
                gone.insert(append.saga);
                answers.push((ticket, Err(Refused::NotNow(why.clone()))));
            } else {
                self.queue.push_back((ticket, append));
            }
        }
        answers
    }

    /// Ends it: everything that still waits is answered as [`Refused::Dead`].
    pub fn abandon(&mut self, why: &str) -> Vec<(T, Fate)> {
        self.mode = Mode::Dead(why.to_owned());
        self.give_up(why)
    }

    /// Removes old sagas, see [`Journal::prune`]. Not while the journal is in trouble.
    ///
    /// # Errors
    /// As [`Journal::prune`].
    pub fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        self.aside(|journal| journal.prune(before, limit))
    }

    /// Changes what stands beside the events, see [`Journal::change`]. Not while the journal is in
    /// trouble.
    ///
    /// # Errors
    /// As [`Journal::change`].
    pub fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.aside(|journal| journal.change(change))
    }

    /// Does something beside the batches, in a transaction of its own.
    fn aside<R>(
        &mut self,
        work: impl FnOnce(&mut dyn Journal) -> Result<R, CommitError>,
    ) -> Result<R, CommitError> {
        match &self.mode {
            Mode::Well => {}
            Mode::Waiting { why, .. } => return Err(why.clone()),
            Mode::InDoubt { .. } => {
                return Err(CommitError::Unknown(
                    "an earlier commit is in doubt".to_owned(),
                ));
            }
            Mode::Dead(why) => return Err(CommitError::Unusable(why.clone())),
        }
        let done = work(self.journal.as_mut());
        match &done {
            Err(CommitError::Unknown(_)) => self.mode = Mode::InDoubt { tries: 0 },
            Err(CommitError::Unusable(why)) => self.mode = Mode::Dead(why.clone()),
            Ok(_) | Err(CommitError::Full(_) | CommitError::Busy(_)) => {}
        }
        done
    }

    fn write(&mut self) -> Step<T> {
        let take = self.queue.len().min(self.limit);
        if take == 0 {
            return Step {
                answers: Vec::new(),
                committed: 0,
                next: Next::Idle,
            };
        }
        for (ticket, append) in self.queue.drain(..take) {
            self.tickets.push(ticket);
            self.batch.push(append);
        }
        match self.journal.commit(&self.batch) {
            Ok(fates) if fates.len() == self.batch.len() => {
                self.mode = Mode::Well;
                self.doubts = 0;
                self.limit = self.max_batch;
                self.batch.clear();
                let fates = fates
                    .into_iter()
                    .map(|fate| fate.map_err(Refused::Misplaced));
                let answers = self.tickets.drain(..).zip(fates).collect();
                Step {
                    answers,
                    committed: take,
                    next: self.next(),
                }
            }
            Ok(_) => self.die("a commit did not answer for each of its appends"),
            Err(why @ (CommitError::Full(_) | CommitError::Busy(_))) => self.wait(why),
            Err(CommitError::Unknown(why)) => {
                self.doubts += 1;
                if self.doubts > MAX_DOUBTS {
                    return self.die(&why);
                }
                self.mode = Mode::InDoubt { tries: 0 };
                Step {
                    answers: Vec::new(),
                    committed: 0,
                    next: Next::Now,
                }
            }
            Err(CommitError::Unusable(why)) => self.die(&why),
        }
    }

    /// Nothing was written: what must not be lost goes back to the head of the line, and fewer of
    /// them are tried at once, as a smaller transaction may still fit.
    fn wait(&mut self, why: CommitError) -> Step<T> {
        let pause = match &self.mode {
            Mode::Waiting { pause, .. } => (*pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.limit = (self.batch.len() / 2).max(1);
        for pair in self.tickets.drain(..).zip(self.batch.drain(..)).rev() {
            self.queue.push_front(pair);
        }
        self.mode = Mode::Waiting { pause, why };
        let answers = self.turn_away();
        let next = if self.queue.is_empty() {
            self.mode = Mode::Well;
            self.limit = self.max_batch;
            Next::Idle
        } else {
            Next::Pause(pause)
        };
        Step {
            answers,
            committed: 0,
            next,
        }
    }

    /// Opens the journal anew and asks it what became of the batch in doubt.
    fn find_out(&mut self, tries: u32) -> Step<T> {
        let found = self.journal.reopen().and_then(|()| self.last_seqs());
        let last_seqs = match found {
            Ok(last_seqs) => last_seqs,
            Err(error) if tries + 1 >= REOPEN_TRIES => {
                return self.die(&format!(
                    "it cannot be opened again after an error: {error}"
                ));
            }
            Err(_) => {
                self.mode = Mode::InDoubt { tries: tries + 1 };
                let pause = (FIRST_PAUSE * 2_u32.pow(tries.min(8))).min(LONGEST_PAUSE);
                return Step {
                    answers: Vec::new(),
                    committed: 0,
                    next: Next::Pause(pause),
                };
            }
        };
        let standing: Vec<Standing> = self
            .batch
            .iter()
            .zip(&last_seqs)
            .map(|(append, last)| stands(append, *last))
            .collect();
        if let Some((append, last)) = self
            .batch
            .iter()
            .zip(&last_seqs)
            .find(|(append, last)| stands(append, **last) == Standing::Lost)
        {
            let no = append.saga.0;
            return self.die(&format!(
                "saga number {no} has {last} events on record, which is not what was written"
            ));
        }
        // A batch is one transaction: what can be told of any of it holds for those parts that
        // leave no event behind. To write such a one again would undo what came after it.
        let durable = standing.contains(&Standing::Stored);
        let mut answers = Vec::new();
        let mut again = Vec::new();
        let batch = self
            .tickets
            .drain(..)
            .zip(self.batch.drain(..))
            .zip(standing);
        for ((ticket, append), standing) in batch {
            match standing {
                Standing::Stored => {
                    let chain = chain_after(&append);
                    answers.push((ticket, Ok(Appended::Stored { chain })));
                }
                Standing::Traceless if durable => {
                    let chain = append.chain;
                    answers.push((ticket, Ok(Appended::Stored { chain })));
                }
                _ => again.push((ticket, append)),
            }
        }
        for pair in again.into_iter().rev() {
            self.queue.push_front(pair);
        }
        self.mode = Mode::Well;
        let committed = answers.len();
        Step {
            answers,
            committed,
            next: self.next(),
        }
    }

    fn last_seqs(&mut self) -> Result<Vec<u32>, CommitError> {
        let Self { journal, batch, .. } = self;
        batch
            .iter()
            .map(|append| {
                journal
                    .last_seq(append.saga)
                    .map_err(|error| CommitError::Unknown(error.to_string()))
            })
            .collect()
    }

    fn die(&mut self, why: &str) -> Step<T> {
        Step {
            answers: self.abandon(why),
            committed: 0,
            next: Next::Idle,
        }
    }

    fn give_up(&mut self, why: &str) -> Vec<(T, Fate)> {
        self.batch.clear();
        self.tickets
            .drain(..)
            .chain(self.queue.drain(..).map(|(ticket, _)| ticket))
            .map(|ticket| (ticket, Err(Refused::Dead(why.to_owned()))))
            .collect()
    }

    fn next(&self) -> Next {
        if self.queue.is_empty() {
            Next::Idle
        } else {
            Next::Now
        }
    }
}

/// What the journal has of an append whose commit gave no clear answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// All of it.
    Stored,
    /// Nothing of it.
    Missing,
    /// It carries no event to tell by.
    Traceless,
    /// A part of it, or not even what came before it.
    Lost,
}

fn stands(append: &Append, last_seq: u32) -> Standing {
    match (append.records.first(), append.records.last()) {
        (Some(_), Some(last)) if last_seq >= last.seq => Standing::Stored,
        (Some(first), Some(_)) if append.new.is_some() || last_seq + 1 >= first.seq => {
            if last_seq >= first.seq {
                Standing::Lost
            } else {
                Standing::Missing
            }
        }
        (Some(_), Some(_)) => Standing::Lost,
        _ => Standing::Traceless,
    }
}

/// Names an append that carries nothing but its saga's number.
impl<T> std::fmt::Debug for Committer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer")
            .field("queue", &self.queue.len())
            .field(
                "batch",
                &self
                    .batch
                    .iter()
                    .map(|append| append.saga)
                    .collect::<Vec<SagaNo>>(),
            )
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
