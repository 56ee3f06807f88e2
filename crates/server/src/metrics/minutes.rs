//! The last hour, minute by minute, for whoever looks on: how many sagas came and how they ended, and
//! how long they took.
//!
//! It reads no clock and never grows: each event counts in the minute it belongs to, at constant cost
//! and without an allocation. What happened before the start is told once, from the journal. Nothing
//! is decided by these numbers.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use settled::journal::Ended;
use settled::protocol::{SagaState, Span, Timestamp};

/// How many minutes are shown, the one that has just begun included.
pub(crate) const SHOWN: i64 = 60;

/// A few more are kept, so that whoever reads at the turn of a minute finds all of them.
const KEPT: i64 = 64;

const MINUTE: i64 = 60_000_000;

/// Each doubling of a duration is cut into so many buckets, as a power of two: a value is known to a
/// sixteenth, and its bucket's middle to half of that.
const FINE: u32 = 4;
const PARTS: usize = 1 << FINE;

/// Doublings from a microsecond to twelve days; what takes longer counts as that.
const DOUBLINGS: usize = 40;
const BUCKETS: usize = (DOUBLINGS - FINE as usize + 1) * PARTS;

/// One minute of the last hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minute {
    /// When it began.
    pub(crate) at: Timestamp,
    /// How many sagas were taken; none for a minute in which this process was not there all the time.
    pub(crate) accepted: Option<u64>,
    pub(crate) completed: u64,
    pub(crate) compensated: u64,
    /// How many incidents came up.
    pub(crate) incidents: u64,
    /// What so many of a hundred sagas that were settled did not take longer than, within 4 %.
    pub(crate) p50: Option<Span>,
    pub(crate) p95: Option<Span>,
    pub(crate) p99: Option<Span>,
    /// Whether all that is known to have been settled is counted.
    pub(crate) whole: bool,
}

/// What was counted in a minute.
#[derive(Clone)]
struct Counted {
    minute: i64,
    accepted: u32,
    completed: u32,
    compensated: u32,
    incidents: u32,
    durations: [u32; BUCKETS],
}

impl Counted {
    const fn of(minute: i64) -> Self {
        Self {
            minute,
            accepted: 0,
            completed: 0,
            compensated: 0,
            incidents: 0,
            durations: [0; BUCKETS],
        }
    }

    fn settled(&mut self, state: SagaState, elapsed: Span) {
        match state {
            SagaState::Completed => self.completed += 1,
            SagaState::Compensated => self.compensated += 1,
            _ => return,
        }
        if let Some(count) = self.durations.get_mut(bucket(elapsed)) {
            *count += 1;
        }
    }

    /// What `share` of the durations are not longer than.
    fn percentile(&self, share: f64) -> Option<Span> {
        let all: u64 = self.durations.iter().map(|count| u64::from(*count)).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let mut passed = 0;
        self.durations
            .iter()
            .position(|count| {
                passed += u64::from(*count);
                passed >= wanted
            })
            .map(middle)
    }
}

/// The last hour.
pub(super) struct Minutes {
    /// A minute has its place by its number; each has a lock of its own, so that a reader holds up
    /// nobody for longer than it takes to copy one.
    places: Box<[Mutex<Counted>]>,
    /// Since when things are told as they happen.
    began: AtomicI64,
    /// Since when all that was settled is counted.
    whole_since: AtomicI64,
}

impl Default for Minutes {
    fn default() -> Self {
        Self {
            places: (0..KEPT)
                .map(|_| Mutex::new(Counted::of(i64::MIN)))
                .collect(),
            began: AtomicI64::new(i64::MAX),
            whole_since: AtomicI64::new(i64::MAX),
        }
    }
}

impl Minutes {
    fn place(&self, minute: i64) -> Option<MutexGuard<'_, Counted>> {
        let place = self.places.get(minute.rem_euclid(KEPT) as usize)?;
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, at: Timestamp, change: impl FnOnce(&mut Counted)) {
        let minute = at.0.div_euclid(MINUTE);
        let Some(mut place) = self.place(minute) else {
            return;
        };
        if place.minute < minute {
            *place = Counted::of(minute);
        }
        // What is an hour old is not shown any more.
        if place.minute == minute {
            change(&mut place);
        }
    }

    fn is_told(&self, at: Timestamp) -> bool {
        at.0 >= self.began.load(Ordering::Relaxed)
    }

    /// From this moment on everything is told as it happens; what was before is the journal's to say.
    /// False where it has begun already.
    pub(super) fn begin(&self, now: Timestamp) -> bool {
        let began =
            self.began
                .compare_exchange(i64::MAX, now.0, Ordering::Relaxed, Ordering::Relaxed);
        if began.is_ok() {
            self.whole_since.store(now.0, Ordering::Relaxed);
        }
        began.is_ok()
    }

    /// Since when things are told as they happen.
    pub(super) fn began(&self) -> Timestamp {
        Timestamp(self.began.load(Ordering::Relaxed))
    }

    pub(super) fn accepted(&self, at: Timestamp) {
        if self.is_told(at) {
            self.count(at, |minute| minute.accepted += 1);
        }
    }

    pub(super) fn settled(&self, at: Timestamp, state: SagaState, elapsed: Span) {
        if self.is_told(at) {
            self.count(at, |minute| minute.settled(state, elapsed));
        }
    }

    pub(super) fn incident(&self, at: Timestamp) {
        if self.is_told(at) {
            self.count(at, |minute| minute.incidents += 1);
        }
    }

    /// What the journal says of the time before [`Minutes::begin`], once. All of it is there since
    /// `whole_since`.
    pub(super) fn recall(&self, ended: &[Ended], incidents: &[Timestamp], whole_since: Timestamp) {
        for ended in ended.iter().filter(|ended| !self.is_told(ended.settled_at)) {
            let elapsed = ended.settled_at - ended.created_at;
            self.count(ended.settled_at, |minute| {
                minute.settled(ended.state, elapsed);
            });
        }
        for at in incidents.iter().filter(|at| !self.is_told(**at)) {
            self.count(*at, |minute| minute.incidents += 1);
        }
        self.whole_since.fetch_min(whole_since.0, Ordering::Relaxed);
    }

    /// The last minutes, the oldest first; the last one is under way.
    pub(super) fn last(&self, now: Timestamp) -> Vec<Minute> {
        let newest = now.0.div_euclid(MINUTE);
        let began = self.began.load(Ordering::Relaxed);
        let whole_since = self.whole_since.load(Ordering::Relaxed);
        (newest - SHOWN + 1..=newest)
            .map(|minute| {
                let counted = self.place(minute).map(|place| place.clone());
                let counted = counted.filter(|counted| counted.minute == minute);
                let counted = counted.unwrap_or(Counted::of(minute));
                let at = minute * MINUTE;
                Minute {
                    at: Timestamp(at),
                    accepted: (at >= began).then_some(u64::from(counted.accepted)),
                    completed: counted.completed.into(),
                    compensated: counted.compensated.into(),
                    incidents: counted.incidents.into(),
                    p50: counted.percentile(0.5),
                    p95: counted.percentile(0.95),
                    p99: counted.percentile(0.99),
                    whole: at >= whole_since,
                }
            })
            .collect()
    }
}

/// Where a duration counts.
fn bucket(span: Span) -> usize {
    let value = span.0.max(0).unsigned_abs();
    if value < PARTS as u64 {
        return value as usize;
    }
    let doubling = value.ilog2();
    let part = (value >> (doubling - FINE)) as usize - PARTS;
    let index = (doubling - FINE + 1) as usize * PARTS + part;
    index.min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Span {
    if bucket < PARTS {
        return Span(bucket as i64);
    }
    let width = 1_i64 << (bucket / PARTS - 1);
    let start = (PARTS + bucket % PARTS) as i64 * width;
    Span(start + width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64, second: i64) -> Timestamp {
        Timestamp(minute * MINUTE + second * 1_000_000)
    }

    #[test]
    fn a_duration_is_known_within_four_percent() {
        let mut value = 1_i64;
        let mut before = 0;
        while value < 1 << 39 {
            let index = bucket(Span(value));
            assert!(index >= before && index < BUCKETS);
            before = index;
            let off = (middle(index).0 - value).abs() as f64 / value as f64;
            assert!(off <= 0.04, "{value} counts as {:?}", middle(index));
            value += 1 + value / 37;
        }
        assert_eq!(bucket(Span(-1)), 0);
        assert_eq!(bucket(Span(i64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn each_event_counts_in_its_minute() {
        let minutes = Minutes::default();
        minutes.accepted(at(99, 0));
        assert!(minutes.begin(at(100, 0)));
        assert!(!minutes.begin(at(101, 0)));
        for second in 0..50 {
            minutes.accepted(at(100, second));
            minutes.settled(at(101, second), SagaState::Completed, Span(second * 1_000));
        }
        minutes.settled(at(101, 59), SagaState::Compensated, Span(7_000_000));
        minutes.incident(at(102, 1));
        let shown = minutes.last(at(102, 30));
        assert_eq!(shown.len(), 60);
        assert_eq!(shown[59].at, at(102, 0));
        assert_eq!(shown[59].incidents, 1);
        assert_eq!(shown[59].p50, None);
        let last = shown[58];
        assert_eq!((last.completed, last.compensated), (50, 1));
        let near = |span: Option<Span>, expected: i64| {
            let found = span.unwrap().0;
            assert!((found - expected).abs() * 25 <= expected, "{found}");
        };
        near(last.p50, 25_000);
        near(last.p95, 48_000);
        near(last.p99, 7_000_000);
        assert_eq!(shown[57].accepted, Some(50));
        assert_eq!(shown[56].accepted, None);
        assert_eq!((shown[57].whole, shown[56].whole), (true, false));
    }

    #[test]
    fn what_the_journal_tells_is_added_once() {
        let minutes = Minutes::default();
        minutes.begin(at(100, 30));
        let ended = |minute, second| Ended {
            state: SagaState::Completed,
            created_at: at(minute, second) - Span::from_secs(2),
            settled_at: at(minute, second),
        };
        minutes.settled(at(100, 40), SagaState::Completed, Span::from_secs(2));
        let all = [ended(100, 40), ended(100, 10), ended(90, 0), ended(10, 0)];
        minutes.recall(&all, &[at(90, 3), at(100, 50)], at(80, 30));
        let shown = minutes.last(at(100, 59));
        assert_eq!(shown[59].completed, 2);
        assert_eq!(shown[59].incidents, 0);
        assert_eq!((shown[49].completed, shown[49].incidents), (1, 1));
        assert_eq!(shown.iter().map(|minute| minute.completed).sum::<u64>(), 3);
        assert_eq!((shown[40].whole, shown[39].whole), (true, false));
        assert_eq!(shown[59].accepted, None, "it began within this minute");
    }

    #[test]
    fn an_hour_later_nothing_of_it_is_left() {
        let minutes = Minutes::default();
        minutes.begin(at(0, 0));
        for minute in 0..200 {
            minutes.settled(at(minute, 0), SagaState::Completed, Span::ZERO);
            minutes.settled(at(minute - 70, 0), SagaState::Completed, Span::ZERO);
        }
        let shown = minutes.last(at(199, 59));
        assert!(shown.iter().all(|minute| minute.completed == 1));
        let later = minutes.last(at(400, 0));
        assert!(later.iter().all(|minute| minute.completed == 0));
    }
}
