//! What happens when: a queue in virtual time, with ties broken by the seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use settled::engine::{CallId, LoadKey};
use settled::participant::Answer;
use settled_journal::{Due, DueCursor, ReadError, SagaNo, StoredSaga};
use settled_protocol::Timestamp;

use super::participant::Call;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// The engine wants to be looked at.
    Tick,
    /// The journal's writer commits what waits.
    Commit { life: u32 },
    /// The coordinator starts.
    Start,
    /// A client submits this order.
    Submit(usize),
    /// Somebody cancels this order.
    Cancel(usize),
    /// People look at the open incidents.
    People,
    /// A participant executes a call; where `answer` is set, its result is the answer.
    Act {
        life: u32,
        call: CallId,
        what: Box<Call>,
        answer: bool,
    },
    /// The coordinator gets an answer.
    Answer {
        life: u32,
        call: CallId,
        answer: Answer,
    },
    /// A function goes on.
    Poll { life: u32, saga: SagaNo },
    /// What a function waits for outside of its steps is there.
    Ring { life: u32, slot: u64, saga: SagaNo },
    /// A participant calls back.
    Callback { what: Box<Call>, tries: u32 },
    /// Something is read from the store.
    Read { life: u32, question: Question },
    /// The coordinator gets what was read.
    Found { life: u32, found: Found },
}

/// What the coordinator wants to read.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Load(LoadKey),
    Due {
        after: Option<DueCursor>,
        until: Timestamp,
        limit: usize,
    },
}

/// What was read.
#[derive(Debug)]
pub(super) enum Found {
    Saga {
        key: LoadKey,
        result: Result<Option<Box<StoredSaga>>, ReadError>,
    },
    Due(Result<Due, ReadError>),
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    tie: u32,
    number: u64,
    what: Happening,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Timestamp, what: Happening, rng: &mut Rng) {
        self.count += 1;
        let entry = Entry {
            at,
            tie: rng.u32(..),
            number: self.count,
            what,
        };
        self.heap.push(Reverse(entry));
    }

    pub(super) fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl Entry {
    fn place(&self) -> (Timestamp, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}
