//! The chain hash: each event's hash covers the event and the hash before it, so that an event that
//! is missing, changed, swapped or moved to another saga shows.
//!
//! It is against accidents (a torn file, a slip with a table editor), not against an attacker who
//! can write to the table: there is no key in it.

use settled_protocol::Timestamp;
use sha2::{Digest, Sha256};

use crate::encode::{Columns, encode};
use crate::entry::{Append, NewSaga};
use crate::time_text::TimeText;

/// What the first event's hash covers besides the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) definition_digest: &'a [u8],
    pub(crate) created_at: &'a str,
    pub(crate) deadline_at: Option<&'a str>,
}

/// The columns that an event's hash covers, as they stand in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) seq: i64,
    pub(crate) at: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) step: Option<&'a str>,
    pub(crate) direction: Option<&'a str>,
    pub(crate) attempt: Option<i64>,
    pub(crate) outcome: Option<&'a str>,
    pub(crate) data: &'a str,
}

impl<'a> Link<'a> {
    pub(crate) fn new(columns: &'a Columns<'a>, data: &'a str) -> Self {
        Self {
            seq: i64::from(columns.seq),
            at: columns.at.as_str(),
            kind: columns.kind,
            step: columns.step,
            direction: columns.direction,
            attempt: columns.attempt.map(i64::from),
            outcome: columns.outcome,
            data,
        }
    }
}

/// Computes chain hashes; it keeps the buffer that they are taken over.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    buffer: Vec<u8>,
}

impl Chain {
    /// The hash of an event that follows one with hash `before`; `birth` is for a saga's first.
    pub(crate) fn link(&mut self, before: u64, birth: Option<&Birth<'_>>, link: &Link<'_>) -> u64 {
        self.buffer.clear();
        self.buffer.extend_from_slice(&before.to_be_bytes());
        self.buffer.extend_from_slice(&link.seq.to_be_bytes());
        self.field(Some(link.at.as_bytes()));
        self.field(Some(link.kind.as_bytes()));
        self.field(link.step.map(str::as_bytes));
        self.field(link.direction.map(str::as_bytes));
        self.field(
            link.attempt
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        self.field(link.outcome.map(str::as_bytes));
        self.field(Some(link.data.as_bytes()));
        if let Some(birth) = birth {
            self.field(Some(birth.id.as_bytes()));
            self.field(Some(birth.name.as_bytes()));
            self.field(Some(birth.definition_digest));
            self.field(Some(birth.created_at.as_bytes()));
            self.field(birth.deadline_at.map(str::as_bytes));
        }
        let digest = Sha256::digest(&self.buffer);
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first)
    }

    /// A field with its length before it, so that no two lists of fields look alike.
    fn field(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => {
                self.buffer
                    .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                self.buffer.extend_from_slice(bytes);
            }
            None => self.buffer.extend_from_slice(&u64::MAX.to_be_bytes()),
        }
    }
}

/// The times of a submission as text, for as long as a [`Birth`] needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BirthTimes {
    pub(crate) created_at: TimeText,
    pub(crate) deadline_at: Option<TimeText>,
}

impl BirthTimes {
    pub(crate) fn new(created_at: Timestamp, deadline_at: Option<Timestamp>) -> Self {
        Self {
            created_at: TimeText::new(created_at),
            deadline_at: deadline_at.map(TimeText::new),
        }
    }

    pub(crate) fn birth<'a>(&'a self, new: &'a NewSaga) -> Birth<'a> {
        Birth {
            id: &new.id,
            name: &new.name,
            definition_digest: &new.definition_digest,
            created_at: self.created_at.as_str(),
            deadline_at: self.deadline_at.as_ref().map(TimeText::as_str),
        }
    }
}

/// The chain hash of the last record of an append, once it is stored.
#[must_use]
pub fn chain_after(append: &Append) -> u64 {
    let mut chain = Chain::default();
    let mut data = String::new();
    let times = append
        .new
        .as_ref()
        .map(|new| BirthTimes::new(new.created_at, new.deadline_at));
    let mut birth = append
        .new
        .as_deref()
        .zip(times.as_ref())
        .map(|(new, times)| times.birth(new));
    let mut input = append.new.as_deref().map(|new| &new.input);
    append.records.iter().fold(append.chain, |before, record| {
        let columns = encode(record, &append.plan, input.take(), &mut data);
        chain.link(before, birth.take().as_ref(), &Link::new(&columns, &data))
    })
}
