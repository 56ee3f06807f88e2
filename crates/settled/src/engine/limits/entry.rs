//! One participant: what limits it, who waits for it, and when the next turn comes. It is asked with
//! the present moment and calls nobody.

use settled_journal::SagaNo;
use settled_protocol::{Span, Timestamp};

use super::breaker::{Breaker, Position};
use super::bucket::Bucket;
use super::line::Line;
use super::settings::{LONGEST, Limits};
use super::tally::Tally;
use super::view::{BreakerView, ParticipantView};
use super::{Participant, Room, Slot};

/// Between the moments at which sagas wake that wait for a participant which does not answer: a
/// hundred in a second find out that it still does not.
const APART_WHILE_DOWN: i64 = 10_000;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) limits: Limits,
    pub(super) busy: u32,
    pub(super) bucket: Option<Bucket>,
    pub(super) breaker: Breaker,
    pub(super) held_until: Option<Timestamp>,
    pub(super) line: Line,
    /// Whose turn it is.
    pub(super) called: Option<SagaNo>,
    pub(super) tally: Tally,
    /// When a call last ended, or all slots were last taken.
    pub(super) moved_at: Timestamp,
    pub(super) alarm_at: Option<Timestamp>,
}

impl Entry {
    pub(super) fn new(name: &str, limits: Limits) -> Self {
        Self {
            name: name.into(),
            busy: 0,
            bucket: limits.max_per_second.map(Bucket::new),
            limits,
            breaker: Breaker::new(),
            held_until: None,
            line: Line::default(),
            called: None,
            tally: Tally::default(),
            moved_at: Timestamp(i64::MIN),
            alarm_at: None,
        }
    }

    /// How many calls may begin now.
    pub(super) fn room(&self, now: Timestamp) -> u32 {
        if self.held_until.is_some_and(|until| until > now) {
            return 0;
        }
        let slots = self.limits.max_concurrent.saturating_sub(self.busy);
        let tokens = (self.bucket.as_ref()).map_or(u32::MAX, |bucket| bucket.tokens(now));
        slots.min(tokens).min(self.breaker.room(now))
    }

    pub(super) fn take(&mut self, participant: Participant, now: Timestamp) -> Slot {
        self.busy += 1;
        if self.busy >= self.limits.max_concurrent {
            self.moved_at = now;
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        let probe = self.breaker.begins(now);
        Slot { participant, probe }
    }

    /// Finds a saga its place: in line where its turn comes soon, in the journal otherwise.
    pub(super) fn wait(
        &mut self,
        saga: SagaNo,
        place: Option<Timestamp>,
        now: Timestamp,
        park_after: Span,
        most_standing: usize,
    ) -> Room {
        // While nobody knows when the participant is back, whoever comes goes to the end: that
        // keeps those apart that find out.
        let place = place.filter(|_| !self.breaker.is_down());
        let before = place.map_or(self.line.len(), |place| self.line.before(place));
        let gap = i64::try_from(before)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.gap(now));
        let turn = self.opens_at(now) + Span(gap);
        let soon = turn <= now + park_after;
        if soon && self.line.standing() < most_standing {
            let place = place.unwrap_or_else(|| self.line.last_place(turn, Span::ZERO));
            self.line.stand(place, saga);
            return Room::InLine;
        }
        let earliest = turn.max(now + park_after + Span(1));
        let apart = if self.breaker.is_down() {
            APART_WHILE_DOWN
        } else {
            0
        };
        let at = match place {
            Some(_) => earliest,
            None => self.line.last_place(earliest, Span(apart)),
        };
        let at = at.min(now + LONGEST);
        self.line.park(at, saga);
        Room::At(at)
    }

    /// When the next call may begin, as far as that can be known.
    fn opens_at(&self, now: Timestamp) -> Timestamp {
        let mut at = self.changes_by_time_at(now);
        if let Position::Probing { since } = self.breaker.position() {
            at = at.max(now + Span(self.tally.present().max((now - since).0)));
        }
        if self.busy >= self.limits.max_concurrent {
            at = at.max(now + Span(self.gap(now)));
        }
        at
    }

    /// The latest of the moments that the limits name.
    fn changes_by_time_at(&self, now: Timestamp) -> Timestamp {
        let bucket = self.bucket.as_ref().map(|bucket| bucket.next_at(now));
        let breaker = match self.breaker.position() {
            Position::Open { until } => Some(until),
            Position::Closed | Position::Probing { .. } => None,
        };
        let moments = [bucket, breaker, self.held_until];
        moments.into_iter().flatten().fold(now, Timestamp::max)
    }

    /// When there may be room for those that wait although no call has ended.
    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.line.is_empty() {
            return None;
        }
        let at = self.changes_by_time_at(now);
        if at > now {
            return Some(at);
        }
        self.line.given_up_at().filter(|at| *at > now)
    }

    /// Microseconds between two turns: what the rate says, and what the calls under way let expect.
    /// Where none of them ends, each is taken to last as long as nothing has happened.
    fn gap(&self, now: Timestamp) -> i64 {
        let rate = self.bucket.as_ref().map_or(0, Bucket::interval);
        let calls = if self.busy >= self.limits.max_concurrent {
            let still = (now - self.moved_at).0.max(self.tally.present());
            still / i64::from(self.limits.max_concurrent)
        } else {
            self.tally.present() / i64::from(self.limits.max_concurrent)
        };
        let down = if self.breaker.is_down() {
            APART_WHILE_DOWN
        } else {
            0
        };
        rate.max(calls).max(down)
    }

    pub(super) fn view(&self, now: Timestamp) -> ParticipantView {
        ParticipantView {
            name: self.name.to_string(),
            limits: self.limits.clone(),
            under_way: self.busy,
            waiting: self.line.standing(),
            parked: self.line.parked() + self.line.expected(),
            calls: self.tally.calls,
            errors: self.tally.errors,
            latency_mean: self.tally.mean(),
            latency_p99: self.tally.p99(),
            room: self.room(now),
            breaker: match (&self.limits.breaker, self.breaker.position()) {
                (None, _) => BreakerView::Off,
                (Some(_), Position::Closed) => BreakerView::Closed,
                (Some(_), Position::Open { until }) => BreakerView::Open { until },
                (Some(_), Position::Probing { .. }) => BreakerView::Probing,
            },
            failures: self.breaker.failures(),
            held_until: self.held_until.filter(|until| *until > now),
        }
    }
}
