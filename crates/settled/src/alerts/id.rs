//! The ids of alerts: the same thing to tell has the same id, whenever it is told.
//!
//! An incident's id is too long for them and has a sign in it that ids do not, so its hash stands for it.

use settled_journal::Telling;
use settled_protocol::{Span, Timestamp};
use sha2::{Digest, Sha256};

use crate::trace::push_hex;

/// Half of the hash is enough that no two are ever the same.
const HASH_BYTES: usize = 16;

/// The id of an alert by the first incident that it tells of: alone, or with what comes after it.
pub(super) fn telling_id(telling: Telling, incident: &str, moment: Timestamp) -> String {
    let mut hash = Sha256::new();
    hash.update(incident.as_bytes());
    if telling == Telling::Reminder {
        hash.update(b"\n");
        hash.update(moment.0.to_string().as_bytes());
    }
    let mut id = format!("settled.alert.{}.", word(telling));
    push_hex(&mut id, &hash.finalize()[..HASH_BYTES]);
    id
}

/// The id of the digest of a due time.
pub(super) fn digest_id(due: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(due.0).unwrap_or(jiff::Timestamp::MAX);
    format!("settled.alert.digest.{}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// When an incident was to be reminded of last: so many intervals after it was opened. What is done
/// again soon after an interruption falls on the same moment.
pub(super) fn reminder_moment(opened_at: Timestamp, every: Span, now: Timestamp) -> Timestamp {
    let every = every.0.max(1);
    let passed = (now - opened_at).0.max(0) / every;
    opened_at + Span(passed.saturating_mul(every))
}

/// What is told, in a word.
pub(super) const fn word(telling: Telling) -> &'static str {
    match telling {
        Telling::Opened => "opened",
        Telling::Reminder => "reminder",
        Telling::Resolved => "resolved",
    }
}
