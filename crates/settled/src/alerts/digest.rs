//! When a digest is due: the last due time that nobody was told at, within a day.
//!
//! Digests have ids made of their due times, so that it does no harm to come to one again. One that is
//! more than a day late is left out: the next one says the same and more.

use settled_protocol::{Span, Timestamp};

use crate::schedule::Timing;

const DAY: Span = Span::from_secs(86_400);

/// Where an earlier due time is looked for: within so long before a due time.
const LOOKED_BACK: [Span; 3] = [
    Span::from_secs(2 * 86_400),
    Span::from_secs(32 * 86_400),
    Span::from_secs(367 * 86_400),
];

/// A digest to send, or to have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueDigest {
    /// The due time before it: what happened since then is in it.
    pub(super) since: Timestamp,
    /// Its due time.
    pub(super) due: Timestamp,
}

/// The digest that is due, where one is that comes after `done`.
pub(super) fn due(timing: &Timing, done: Timestamp, now: Timestamp) -> Option<DueDigest> {
    let after = done.max(now - DAY);
    let due = timing.passed(Timestamp(0), after, now)?.last;
    let before = |span: Span| timing.passed(Timestamp(0), due - span, due - Span(1));
    let since = LOOKED_BACK.into_iter().find_map(before);
    Some(DueDigest {
        since: since.map_or(due - DAY, |passed| passed.last),
        due,
    })
}

/// When the next one is due.
pub(super) fn next(timing: &Timing, now: Timestamp) -> Option<Timestamp> {
    timing.next_after(Timestamp(0), now)
}
