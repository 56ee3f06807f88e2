//! How much may be under way at once: calls per participant.
//!
//! A call takes its slot before its intent is recorded, so that what waits for a slot is not in
//! doubt after a crash.

use std::collections::{HashMap, HashSet, VecDeque};

use settled_journal::SagaNo;

/// A participant: the index of its entry in [`Slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Participant(usize);

/// The slots of every participant that was ever called.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: u32,
    by_authority: HashMap<Box<str>, usize>,
    entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    busy: u32,
    waiting: VecDeque<SagaNo>,
    /// The same sagas: each stands in line once.
    in_line: HashSet<SagaNo>,
}

impl Slots {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            by_authority: HashMap::new(),
            entries: Vec::new(),
        }
    }

    /// The participant behind `host:port`.
    pub(crate) fn participant(&mut self, authority: &str) -> Participant {
        if let Some(index) = self.by_authority.get(authority) {
            return Participant(*index);
        }
        let index = self.entries.len();
        self.entries.push(Entry::default());
        self.by_authority.insert(authority.into(), index);
        Participant(index)
    }

    /// Takes a slot, or puts the saga in line for one.
    pub(crate) fn take(&mut self, participant: Participant, saga: SagaNo) -> bool {
        let entry = &mut self.entries[participant.0];
        if entry.busy < self.limit {
            entry.busy += 1;
            return true;
        }
        if entry.in_line.insert(saga) {
            entry.waiting.push_back(saga);
        }
        false
    }

    /// Gives a slot back.
    pub(crate) fn release(&mut self, participant: Participant) {
        let entry = &mut self.entries[participant.0];
        entry.busy = entry.busy.saturating_sub(1);
    }

    /// The next saga in line, where a slot is free for it.
    pub(crate) fn next_in_line(&mut self, participant: Participant) -> Option<SagaNo> {
        let entry = &mut self.entries[participant.0];
        if entry.busy >= self.limit {
            return None;
        }
        let saga = entry.waiting.pop_front()?;
        entry.in_line.remove(&saga);
        Some(saga)
    }
}
