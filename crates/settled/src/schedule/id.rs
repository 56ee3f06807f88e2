//! Names of schedules, and the ids of the sagas that they start.
//!
//! A name has no dot in it, so that an id says which schedule and which due time it is of, and no
//! two of them are the same.

use settled_protocol::Timestamp;

/// What a schedule's name looks like, for people.
pub const NAME_FORM: &str = "1 to 64 characters of A-Za-z0-9_-";

/// What an id of a run out of turn looks like, for people.
pub(crate) const TRIGGER_FORM: &str = "1 to 50 characters of A-Za-z0-9_-";

/// Whether a schedule may have this name.
#[must_use]
pub fn is_schedule_name(text: &str) -> bool {
    is_word(text, 64)
}

/// Whether a run out of turn may be named so.
pub(crate) fn is_trigger_id(text: &str) -> bool {
    is_word(text, 50)
}

fn is_word(text: &str, most: usize) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=most).contains(&text.len()) && text.bytes().all(sign)
}

/// The id of the saga that runs for a due time: `shelve.20261121T040000Z`. Due times are whole
/// seconds, so that two of them never have the same.
pub(crate) fn due_id(schedule: &str, due: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(due.0).unwrap_or(jiff::Timestamp::MAX);
    format!("{schedule}.{}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// The id of the saga that runs out of turn: `shelve.trigger.0199…`.
pub(crate) fn trigger_id(schedule: &str, id: &str) -> String {
    format!("{schedule}.trigger.{id}")
}
