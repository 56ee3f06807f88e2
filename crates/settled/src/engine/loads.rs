//! Which sagas are being read from the journal, and which answers came too late to be true.
//!
//! A saga may be asked for twice at once, by number and by id. If the first answer brings it into
//! memory, and it moves on and is forgotten again before the second answer comes, then that second
//! answer is history: acting on it would repeat what was done.

use std::collections::HashMap;

use settled_journal::SagaNo;

use super::message::{Command, LoadKey};

/// Past this many, those that no load can be late for are cleared away.
const MANY: usize = 1_024;

pub(super) struct Loads<R> {
    pending: HashMap<LoadKey, Load<R>>,
    issued: u64,
    /// The last load that was issued before a saga was forgotten.
    forgotten: HashMap<SagaNo, u64>,
}

/// One load that is under way.
pub(super) struct Load<R> {
    number: u64,
    /// What is to be said to the saga once it is here.
    pub(super) commands: Vec<(Command, R)>,
}

impl<R> Default for Loads<R> {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            issued: 0,
            forgotten: HashMap::new(),
        }
    }
}

impl<R> Loads<R> {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Adds commands to a load; true where it has to be issued first.
    pub(super) fn add(&mut self, key: &LoadKey, mut commands: Vec<(Command, R)>) -> bool {
        if let Some(load) = self.pending.get_mut(key) {
            load.commands.append(&mut commands);
            return false;
        }
        self.issued += 1;
        let load = Load {
            number: self.issued,
            commands,
        };
        self.pending.insert(key.clone(), load);
        true
    }

    /// The load that is answered.
    pub(super) fn end(&mut self, key: &LoadKey) -> Option<Load<R>> {
        self.pending.remove(key)
    }

    /// Whether the saga was in memory after the load was issued, so that its answer may be old.
    pub(super) fn is_late(&self, load: &Load<R>, saga: SagaNo) -> bool {
        self.forgotten
            .get(&saga)
            .is_some_and(|issued| *issued >= load.number)
    }

    /// A saga was forgotten.
    pub(super) fn forgot(&mut self, saga: SagaNo) {
        if self.pending.is_empty() {
            self.forgotten.clear();
            return;
        }
        self.forgotten.insert(saga, self.issued);
        if self.forgotten.len() > MANY {
            let oldest = self
                .pending
                .values()
                .map(|load| load.number)
                .min()
                .unwrap_or(u64::MAX);
            self.forgotten.retain(|_, issued| *issued >= oldest);
        }
    }
}
