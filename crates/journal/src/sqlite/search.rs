//! Lists and searches, a page at a time.
//!
//! A page walks along an index and looks at what it passes, up to a bound: a search for what is rare
//! in a long history ends its page early and says where to go on, so that it never keeps a reader
//! busy for long.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, Row, params};
use serde::Deserialize;
use serde_json::value::RawValue;
use settled_protocol::{SagaState, Timestamp};

use super::error::read_error;
use super::names::Texts;
use crate::cursor::SagaCursor;
use crate::entry::SagaNo;
use crate::seen::Seen;
use crate::store::{Page, ReadError, SagaFilter};
use crate::time_text::{self, TimeText};

/// How many rows one page looks at.
pub(super) const MAX_ROWS: usize = 100_000;
/// How many inputs one page looks into.
const MAX_INPUTS: usize = 10_000;
/// How long one page looks in vain: rows and inputs are of any size, and somebody waits.
const MAX_TIME: Duration = Duration::from_millis(50);
/// How many rows it passes in vain before it looks at the clock, and how often then.
const CLOCK_EVERY: usize = 64;

/// What is not settled is few, and is kept together.
pub(super) const UNSETTLED: &str = "
    SELECT no, created_at, state, name, id FROM @saga INDEXED BY @saga_settled
    WHERE settled_at IS NULL AND (created_at, no) < (?1, ?2) AND created_at >= ?3
    ORDER BY created_at DESC, no DESC";
pub(super) const ALL: &str = "
    SELECT no, created_at, state, name, id FROM @saga INDEXED BY @saga_created
    WHERE (created_at, no) < (?1, ?2) AND created_at >= ?3
    ORDER BY created_at DESC, no DESC";
/// What is of one kind.
pub(super) const NAMED: &str = "
    SELECT no, created_at, state, name, id FROM @saga INDEXED BY @saga_name
    WHERE name = ?4 AND (created_at, no) < (?1, ?2) AND created_at >= ?3
    ORDER BY created_at DESC, no DESC";
/// What went back is few where all is well.
pub(super) const COMPENSATED: &str = "
    SELECT no, created_at, state, name, id FROM @saga INDEXED BY @saga_compensated
    WHERE state = 'compensated' AND (created_at, no) < (?1, ?2) AND created_at >= ?3
    ORDER BY created_at DESC, no DESC";
pub(super) const FIRST_EVENT: &str = "SELECT data FROM @event WHERE saga = ?1 AND seq = 1";

/// The sagas that match, by number.
pub(super) fn sagas(
    connection: &Connection,
    texts: &Texts,
    filter: &SagaFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<SagaNo>, ReadError> {
    let cursor = cursor.map(SagaCursor::read).transpose()?;
    find_sagas(connection, texts, filter, cursor, limit.max(1)).map_err(|error| read_error(&error))
}

fn find_sagas(
    connection: &Connection,
    texts: &Texts,
    filter: &SagaFilter,
    cursor: Option<SagaCursor>,
    limit: usize,
) -> Result<Page<SagaNo>, Error> {
    let mut text = filter
        .text
        .as_deref()
        .map(|text| TextSearch::new(text, filter.seen.as_ref()));
    let way = Way::of(filter);
    let mut statement = connection.prepare_cached(way.query(texts))?;
    let first = filter.since.unwrap_or(Timestamp(i64::MIN));
    // Every row is before this one, but for those that the cursor says were seen.
    let end = SagaCursor {
        created_at: Timestamp(i64::MAX),
        saga: SagaNo(i64::MAX),
    };
    let until = filter.until.map(|until| SagaCursor {
        created_at: until,
        saga: SagaNo(i64::MIN),
    });
    let before = [cursor.unwrap_or(end), until.unwrap_or(end)]
        .into_iter()
        .fold(end, Ord::min);
    let (created_before, first) = (TimeText::new(before.created_at), TimeText::new(first));
    let (created_before, first) = (created_before.as_str(), first.as_str());
    let mut rows = match (way, &filter.name) {
        (Way::Named, Some(name)) => {
            statement.query(params![created_before, before.saga.0, first, name])?
        }
        _ => statement.query(params![created_before, before.saga.0, first])?,
    };
    let began = Instant::now();
    let mut items = Vec::new();
    let mut looked_at = 0;
    let mut in_vain: usize = 0;
    let mut last: Option<String> = None;
    while let Some(row) = rows.next()? {
        if items.len() == limit
            || looked_at == MAX_ROWS
            || text.as_ref().is_some_and(TextSearch::is_tired)
            || (in_vain >= CLOCK_EVERY
                && in_vain.is_multiple_of(CLOCK_EVERY)
                && began.elapsed() >= MAX_TIME)
        {
            return Ok(Page {
                items,
                next_cursor: last,
            });
        }
        looked_at += 1;
        let no: i64 = row.get(0)?;
        let matches = is_in_state(row, filter.state)
            && filter
                .name
                .as_deref()
                .is_none_or(|name| column(row, 3) == Some(name))
            && match &mut text {
                Some(text) => text.finds(connection, texts, row, no)?,
                None => true,
            };
        if matches {
            items.push(SagaNo(no));
        } else {
            in_vain += 1;
        }
        // A row whose time cannot be read is no place to go on from; the next one is.
        if let Some(created_at) = column(row, 1).and_then(time_text::parse) {
            last = Some(
                SagaCursor {
                    created_at,
                    saga: SagaNo(no),
                }
                .write(),
            );
        }
    }
    Ok(Page {
        items,
        next_cursor: None,
    })
}

/// Along which index to go: the one that passes the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Unsettled,
    Named,
    Compensated,
    All,
}

impl Way {
    pub(super) fn of(filter: &SagaFilter) -> Self {
        match (filter.state, &filter.name) {
            (Some(state), _) if !state.is_settled() => Self::Unsettled,
            (_, Some(_)) => Self::Named,
            (Some(SagaState::Compensated), None) => Self::Compensated,
            _ => Self::All,
        }
    }

    pub(super) fn query(self, texts: &Texts) -> &str {
        match self {
            Self::Unsettled => &texts.unsettled_sagas,
            Self::Named => &texts.named_sagas,
            Self::Compensated => &texts.compensated_sagas,
            Self::All => &texts.all_sagas,
        }
    }
}

fn is_in_state(row: &Row<'_>, wanted: Option<SagaState>) -> bool {
    wanted.is_none_or(|wanted| column(row, 2) == Some(wanted.as_str()))
}

pub(super) fn column<'a>(row: &'a Row<'_>, index: usize) -> Option<&'a str> {
    row.get_ref(index).ok()?.as_str().ok()
}

/// Looks for a text in any case, in id, name and input.
struct TextSearch {
    /// In small letters.
    wanted: String,
    /// What of an input is looked into.
    seen: Option<Seen>,
    inputs: usize,
}

impl TextSearch {
    fn new(text: &str, seen: Option<&Seen>) -> Self {
        Self {
            wanted: text.to_lowercase(),
            seen: seen.cloned(),
            inputs: 0,
        }
    }

    fn is_tired(&self) -> bool {
        self.inputs >= MAX_INPUTS
    }

    fn finds(
        &mut self,
        connection: &Connection,
        texts: &Texts,
        row: &Row<'_>,
        no: i64,
    ) -> Result<bool, Error> {
        if [4, 3]
            .into_iter()
            .filter_map(|index| column(row, index))
            .any(|text| self.is_in(text))
        {
            return Ok(true);
        }
        self.inputs += 1;
        let mut statement = connection.prepare_cached(&texts.first_event)?;
        let mut rows = statement.query([no])?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        let data: Option<FirstData<'_>> =
            column(row, 0).and_then(|data| serde_json::from_str(data).ok());
        Ok(data.is_some_and(|data| {
            let input = data.input.get();
            self.is_in(input)
                && self
                    .seen
                    .as_ref()
                    .is_none_or(|seen| self.is_in(&seen.0(input)))
        }))
    }

    fn is_in(&self, text: &str) -> bool {
        // Most texts are ASCII, where the case of a letter is one bit and nothing need be copied.
        if text.is_ascii() {
            let wanted = self.wanted.as_bytes();
            return wanted.is_empty()
                || text
                    .as_bytes()
                    .windows(wanted.len())
                    .any(|part| part.eq_ignore_ascii_case(wanted));
        }
        text.to_lowercase().contains(&self.wanted)
    }
}

#[derive(Deserialize)]
struct FirstData<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
}
