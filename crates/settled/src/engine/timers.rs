//! When to look at what again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use settled_journal::SagaNo;
use settled_protocol::Timestamp;

use super::limits::Participant;

/// What to look at. A timer that is no longer needed is left to ring: looking twice is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The core wants to be asked about this saga.
    Saga(SagaNo),
    /// Somebody's time to wait for this saga is over.
    Waiter(SagaNo),
    /// A participant may have room for those that wait for it.
    Participant(Participant),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, Timer)>>,
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}
