//! Where a list goes on: opaque text that names the place after which the next page begins.

use settled_protocol::Timestamp;

use crate::entry::SagaNo;
use crate::store::ReadError;

/// A place in the list of sagas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SagaCursor {
    pub(crate) created_at: Timestamp,
    pub(crate) saga: SagaNo,
}

impl SagaCursor {
    pub(crate) fn write(self) -> String {
        format!("s{:016x}{:016x}", self.created_at.0, self.saga.0)
    }

    pub(crate) fn read(text: &str) -> Result<Self, ReadError> {
        let digits = text.strip_prefix('s').filter(|digits| digits.len() == 32);
        let digits = digits
            .filter(|digits| digits.is_ascii())
            .ok_or(ReadError::Cursor)?;
        let (created_at, saga) = digits.split_at(16);
        Ok(Self {
            created_at: Timestamp(number(created_at)?),
            saga: SagaNo(number(saga)?),
        })
    }
}

/// How far back a list of sagas has come with this cursor, where it is one of its own.
#[must_use]
pub fn reached(cursor: &str) -> Option<Timestamp> {
    SagaCursor::read(cursor).ok().map(|place| place.created_at)
}

/// A place in the list of incidents.
pub(crate) fn write_incident(no: i64) -> String {
    format!("i{no:016x}")
}

/// A place in the audit log.
pub(crate) fn write_audit(no: i64) -> String {
    format!("a{no:016x}")
}

/// Reads back what [`write_audit`] has written.
pub(crate) fn read_audit(text: &str) -> Result<i64, ReadError> {
    let digits = text.strip_prefix('a').filter(|digits| digits.len() == 16);
    number(digits.ok_or(ReadError::Cursor)?)
}

/// Reads back what [`write_incident`] has written.
pub(crate) fn read_incident(text: &str) -> Result<i64, ReadError> {
    let digits = text.strip_prefix('i').filter(|digits| digits.len() == 16);
    number(digits.ok_or(ReadError::Cursor)?)
}

fn number(digits: &str) -> Result<i64, ReadError> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(ReadError::Cursor);
    }
    u64::from_str_radix(digits, 16)
        .map(|bits| bits as i64)
        .map_err(|_| ReadError::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let cursor = SagaCursor {
            created_at: Timestamp(-5),
            saga: SagaNo(i64::MAX),
        };
        assert_eq!(SagaCursor::read(&cursor.write()).unwrap(), cursor);
        assert_eq!(read_incident(&write_incident(77)).unwrap(), 77);
        assert_eq!(read_audit(&write_audit(77)).unwrap(), 77);
        assert!(read_audit(&write_incident(77)).is_err());
        for text in [
            "",
            "s",
            "i",
            "s12",
            "i+00000000000001",
            "x0000000000000000",
            "sé",
            "ié",
        ] {
            assert!(SagaCursor::read(text).is_err(), "{text}");
            assert!(read_incident(text).is_err(), "{text}");
        }
        assert!(SagaCursor::read(&"é".repeat(16)).is_err());
    }
}
