//! How much is told at a time: one by one while it is little, together when it is a storm.
//!
//! A platform that is down opens incidents by the hundred. Nobody reads a hundred messages, and who
//! gets them turns them off. Deciding here reads no clock.

use std::collections::{BTreeMap, VecDeque};

use settled_journal::Telling;
use settled_protocol::{Span, Timestamp};

/// The most that is told one by one in [`WHILE`].
pub(super) const MOST_SINGLES: usize = 20;

/// For so long what was told counts, and after a storm was told of no more is told of its kind.
const WHILE: Span = Span::from_secs(60);

/// How to tell what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// One by one.
    Singly,
    /// In one alert.
    Together,
    /// Not before then.
    Later(Timestamp),
}

/// What was told of late.
#[derive(Debug, Default)]
pub(super) struct Lately {
    singles: VecDeque<Timestamp>,
    storms: BTreeMap<Telling, Timestamp>,
}

impl Lately {
    /// How to tell of so many incidents.
    pub(super) fn pace(&mut self, now: Timestamp, telling: Telling, waiting: usize) -> Pace {
        while self.singles.front().is_some_and(|at| *at + WHILE <= now) {
            self.singles.pop_front();
        }
        match self.storms.get(&telling).map(|at| *at + WHILE) {
            Some(until) if now < until => Pace::Later(until),
            _ if self.singles.len() + waiting > MOST_SINGLES => Pace::Together,
            _ => Pace::Singly,
        }
    }

    pub(super) fn told_singly(&mut self, now: Timestamp) {
        self.singles.push_back(now);
    }

    pub(super) fn told_together(&mut self, now: Timestamp, telling: Telling) {
        self.storms.insert(telling, now);
    }
}
