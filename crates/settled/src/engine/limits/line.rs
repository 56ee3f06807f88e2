//! Who waits for a participant, in which order. It knows nothing of why they wait.
//!
//! A place in line is the moment at which its turn is expected. Those whose turn comes soon stand
//! in line in memory. The others are parked: the journal has their place as the moment to wake
//! them, and here is no more of them than sixteen bytes, so that they can be called earlier. Of
//! those that are called or have just been woken, a place is kept for a short while: they are being
//! read from the journal.

use std::collections::{HashMap, HashSet, VecDeque};

use settled_journal::SagaNo;
use settled_protocol::{Span, Timestamp};

/// The most parked sagas that can be called early; those beyond are woken by the journal only.
const REMEMBERED: usize = 1 << 20;

/// How long a saga that was called or woken may take to arrive.
const ARRIVES_WITHIN: Span = Span::from_secs(1);

/// Between two places of parked sagas, so that not too many wake at once.
const APART: Span = Span::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Line {
    /// In memory, in order of their places.
    standing: VecDeque<(Timestamp, SagaNo)>,
    /// The same sagas: each stands in line once.
    stands: HashSet<SagaNo>,
    /// In the journal, in order of their places.
    parked: VecDeque<(Timestamp, SagaNo)>,
    /// The last place that was given to a parked saga, remembered here or not.
    last: Option<Timestamp>,
    /// Their places, and until when they may arrive.
    expected: HashMap<SagaNo, Timestamp>,
    arriving: VecDeque<(Timestamp, SagaNo)>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.parked.is_empty() && self.expected.is_empty()
    }

    pub(super) fn standing(&self) -> usize {
        self.standing.len()
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// How many are on their way here.
    pub(super) fn expected(&self) -> usize {
        self.expected.len()
    }

    pub(super) fn len(&self) -> usize {
        self.standing.len() + self.parked.len() + self.expected.len()
    }

    pub(super) fn stands(&self, saga: SagaNo) -> bool {
        self.stands.contains(&saga)
    }

    /// When somebody who was expected is no longer waited for.
    pub(super) fn given_up_at(&self) -> Option<Timestamp> {
        self.arriving.front().map(|(until, _)| *until)
    }

    /// Lets time pass: those whose time has come are being woken by the journal.
    pub(super) fn refresh(&mut self, now: Timestamp) {
        while let Some((place, saga)) = self.parked.front().copied().filter(|(at, _)| *at <= now) {
            self.parked.pop_front();
            if place + ARRIVES_WITHIN > now {
                self.expect(place, saga, now);
            }
        }
        while let Some((_, saga)) = (self.arriving.front().copied()).filter(|(at, _)| *at <= now) {
            self.arriving.pop_front();
            self.expected.remove(&saga);
        }
    }

    fn expect(&mut self, place: Timestamp, saga: SagaNo, now: Timestamp) {
        self.expected.insert(saga, place);
        self.arriving.push_back((now + ARRIVES_WITHIN, saga));
    }

    /// A saga is here; its place, where it had one.
    pub(super) fn arrives(&mut self, saga: SagaNo) -> Option<Timestamp> {
        self.expected.remove(&saga)
    }

    /// Whether nobody with an earlier place stands in line.
    pub(super) fn is_first(&self, place: Option<Timestamp>) -> bool {
        self.standing
            .front()
            .is_none_or(|(first, _)| place.is_some_and(|place| place <= *first))
    }

    /// How many stand in line before a place.
    pub(super) fn before(&self, place: Timestamp) -> usize {
        self.standing.partition_point(|(at, _)| *at <= place)
    }

    /// Stands in line.
    pub(super) fn stand(&mut self, place: Timestamp, saga: SagaNo) {
        if self.stands.insert(saga) {
            let index = self.before(place);
            self.standing.insert(index, (place, saga));
        }
    }

    /// A place for one who comes last: not before those that are here already.
    /// `apart` is how far apart those are that are parked.
    pub(super) fn last_place(&self, earliest: Timestamp, apart: Span) -> Timestamp {
        let standing = self.standing.back().map(|(place, _)| *place);
        let parked = self.last.filter(|_| !self.parked.is_empty());
        let parked = parked.map(|place| place + apart.max(APART));
        let before = standing.into_iter().chain(parked);
        before.fold(earliest, Timestamp::max)
    }

    /// Is parked.
    pub(super) fn park(&mut self, place: Timestamp, saga: SagaNo) {
        let last = self.last.filter(|_| !self.parked.is_empty());
        self.last = last.max(Some(place));
        if self.parked.len() < REMEMBERED {
            let index = self.parked.partition_point(|(at, _)| *at <= place);
            self.parked.insert(index, (place, saga));
        }
    }

    /// Calls the first that stands in line.
    pub(super) fn next(&mut self) -> Option<SagaNo> {
        let (_, saga) = self.standing.pop_front()?;
        self.stands.remove(&saga);
        Some(saga)
    }

    /// Calls the first that is parked.
    pub(super) fn recall(&mut self, now: Timestamp) -> Option<SagaNo> {
        let (place, saga) = self.parked.pop_front()?;
        self.expect(place.min(now), saga, now);
        Some(saga)
    }

    /// Has all that stand in line ask again, in order.
    pub(super) fn ask_all_again(&mut self, now: Timestamp) -> Vec<SagaNo> {
        self.stands.clear();
        let standing: Vec<_> = self.standing.drain(..).collect();
        for (place, saga) in &standing {
            self.expect(*place, *saga, now);
        }
        standing.into_iter().map(|(_, saga)| saga).collect()
    }
}
