//! The incident table: lists, groups, and what there is to tell of it.
//!
//! Its rows are written with the events that they follow from; here only what was told of them is.

use rusqlite::{Connection, Error, OptionalExtension, Row, ToSql, params};
use settled_protocol::{Json, Timestamp};

use super::error::read_error;
use super::names::Texts;
use super::search::{MAX_ROWS, column};
use crate::change::{Telling, Told};
use crate::cursor;
use crate::incident::{
    Groups, IncidentColumns, IncidentFilter, IncidentGroup, IncidentRow, IncidentTally, Untold,
};
use crate::store::{Page, ReadError};
use crate::time_text::{self, TimeText};

macro_rules! columns {
    () => {
        "SELECT id, saga, name, step, direction, kind, participant, request_url, request, response,
                error, attempts, opened_at, state, decision, note, resolved_by, resolved_at, no
         FROM @incident"
    };
}

/// Nobody is told of requests and answers, and there may be many of them.
macro_rules! columns_without_payloads {
    () => {
        "SELECT id, saga, name, step, direction, kind, participant, request_url, NULL, NULL,
                error, attempts, opened_at, state, decision, note, resolved_by, resolved_at, no
         FROM @incident"
    };
}

pub(super) const ONE: &str = concat!(columns!(), " WHERE id = ?1");
pub(super) const TOLD: &str = "UPDATE @incident SET told = ?2, told_at = ?3 WHERE id = ?1";
pub(super) const UNTOLD_OPEN: &str = concat!(
    columns_without_payloads!(),
    " WHERE state = 'open' AND told IS NULL ORDER BY no LIMIT ?1"
);
pub(super) const UNTOLD_RESOLVED: &str = concat!(
    columns_without_payloads!(),
    " INDEXED BY @incident_told WHERE told = 'open' AND state = 'resolved' ORDER BY no LIMIT ?1"
);
pub(super) const TO_REMIND_OF: &str = concat!(
    columns_without_payloads!(),
    " WHERE state = 'open' AND told = 'open' AND told_at < ?2 ORDER BY no LIMIT ?1"
);
pub(super) const TOLD_FIRST: &str =
    "SELECT min(told_at) FROM @incident WHERE state = 'open' AND told = 'open'";
pub(super) const OPENED: &str = "SELECT count(*) FROM @incident WHERE opened_at >= ?1";
pub(super) const RESOLVED: &str = "SELECT count(*) FROM @incident WHERE resolved_at >= ?1";
/// What a list begins with; what is looked for follows.
const LIST: &str = concat!(columns!(), " WHERE no < ?1");
/// By the saga's number, for which there is an index.
const OF_SAGA: &str = " AND saga_no = (SELECT no FROM @saga WHERE id = ?2)";

/// The incidents that match.
pub(super) fn list(
    connection: &Connection,
    texts: &Texts,
    filter: &IncidentFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<IncidentRow>, ReadError> {
    let before = cursor.map(cursor::read_incident).transpose()?;
    let before = before.unwrap_or(i64::MAX);
    let limit = limit.max(1);
    let mut items = Vec::new();
    let mut last: Option<i64> = None;
    let walk = walk(connection, texts, filter, before, |row, matches| {
        if items.len() == limit {
            return Ok(false);
        }
        if matches {
            items.push(read(row)?);
        }
        last = Some(row.get(18)?);
        Ok(true)
    });
    let ended = walk.map_err(|error| read_error(&error))?;
    let next_cursor = last.filter(|_| !ended).map(cursor::write_incident);
    Ok(Page { items, next_cursor })
}

/// The open incidents that match, by what is alike in them.
pub(super) fn groups(
    connection: &Connection,
    texts: &Texts,
    filter: &IncidentFilter,
) -> Result<Vec<IncidentGroup>, ReadError> {
    let open = IncidentFilter {
        open: Some(true),
        ..filter.clone()
    };
    let mut groups = Groups::default();
    walk(connection, texts, &open, i64::MAX, |row, matches| {
        if matches {
            let text = |index| column(row, index).unwrap_or_default();
            let opened_at = time_text::parse(text(12)).unwrap_or_default();
            groups.add(text(0), text(4), opened_at, filtered(row));
        }
        Ok(true)
    })
    .map_err(|error| read_error(&error))?;
    Ok(groups.finish())
}

/// Goes through the incidents before a place, newest first, and says of each whether it matches,
/// until `each` has enough or as many were looked at as a page may. Whether that was the end.
fn walk(
    connection: &Connection,
    texts: &Texts,
    filter: &IncidentFilter,
    before: i64,
    mut each: impl FnMut(&Row<'_>, bool) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let mut sql = LIST.to_owned();
    let mut values: Vec<&dyn ToSql> = vec![&before];
    match filter.open {
        Some(true) => sql.push_str(" AND state = 'open'"),
        Some(false) => sql.push_str(" AND state <> 'open'"),
        None => {}
    }
    if let Some(saga) = &filter.saga {
        sql.push_str(OF_SAGA);
        values.push(saga);
    }
    sql.push_str(" ORDER BY no DESC");
    let mut statement = connection.prepare_cached(&texts.names.sql(&sql))?;
    let mut rows = statement.query(values.as_slice())?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        if looked_at == MAX_ROWS || !each(row, filter.matches(filtered(row)))? {
            return Ok(false);
        }
        looked_at += 1;
    }
    Ok(true)
}

fn filtered<'a>(row: &'a Row<'_>) -> IncidentColumns<'a> {
    IncidentColumns {
        name: column(row, 2),
        step: column(row, 3),
        kind: column(row, 5),
        participant: column(row, 6),
        error: column(row, 10),
    }
}

/// One incident by its id.
pub(super) fn one(
    connection: &Connection,
    texts: &Texts,
    id: &str,
) -> Result<Option<IncidentRow>, ReadError> {
    connection
        .prepare_cached(&texts.incident)
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .map_err(|error| read_error(&error))
}

/// Puts down that incidents were told of; says whether all of them are there.
pub(super) fn tell(connection: &Connection, texts: &Texts, told: &[Told]) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(&texts.told)?;
    let mut all = true;
    for told in told {
        let changed = statement.execute(params![
            told.incident,
            told.telling.state(),
            TimeText::new(told.at),
        ])?;
        all &= changed > 0;
    }
    Ok(all)
}

/// When the open incident was told of that was told of longest ago.
pub(super) fn told_first(
    connection: &Connection,
    texts: &Texts,
) -> Result<Option<Timestamp>, Error> {
    connection
        .prepare_cached(&texts.told_first)?
        .query_row([], |row| Ok(column(row, 0).and_then(time_text::parse)))
}

/// What there is to tell of: what is new in the order in which it came up, then what to remind of.
pub(super) fn untold(
    connection: &Connection,
    texts: &Texts,
    remind_before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<Untold>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let find = |sql: &str, telling, values: &[&dyn ToSql]| -> Result<Vec<(i64, Untold)>, Error> {
        let untold = |row: &Row<'_>| {
            let incident = read(row)?;
            Ok((row.get(18)?, Untold { incident, telling }))
        };
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map(values, untold)?.collect()
    };
    let mut found = find(&texts.untold_open, Telling::Opened, &[&limit])?;
    found.extend(find(&texts.untold_resolved, Telling::Resolved, &[&limit])?);
    found.sort_by_key(|(no, _)| *no);
    if let Some(before) = remind_before.map(TimeText::new) {
        let old = [&limit as &dyn ToSql, &before];
        found.extend(find(&texts.to_remind_of, Telling::Reminder, &old)?);
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, untold)| untold).collect())
}

/// How many came and went.
pub(super) fn tally(
    connection: &Connection,
    texts: &Texts,
    since: Timestamp,
) -> Result<IncidentTally, Error> {
    let since = TimeText::new(since);
    let count = |sql: &str| -> Result<u64, Error> {
        let count: i64 = connection
            .prepare_cached(sql)?
            .query_row([since.as_str()], |row| row.get(0))?;
        Ok(count.max(0).unsigned_abs())
    };
    Ok(IncidentTally {
        opened: count(&texts.incidents_opened)?,
        resolved: count(&texts.incidents_resolved)?,
    })
}

fn read(row: &Row<'_>) -> Result<IncidentRow, Error> {
    // What is shown to a person is shown as it stands; nothing is decided by it.
    let json = |index| -> Result<Option<Json>, Error> {
        let text: Option<String> = row.get(index)?;
        Ok(text.map(|text| Json::parse(&text).unwrap_or_else(|_| Json::string(&text))))
    };
    let time = |index| -> Result<Option<Timestamp>, Error> {
        Ok(column(row, index).and_then(time_text::parse))
    };
    Ok(IncidentRow {
        id: row.get(0)?,
        saga: row.get(1)?,
        name: row.get(2)?,
        step: row.get(3)?,
        direction: row.get(4)?,
        kind: row.get(5)?,
        participant: row.get(6)?,
        request_url: row.get(7)?,
        request: json(8)?,
        response: json(9)?,
        error: row.get(10)?,
        attempts: row.get::<_, i64>(11)?.clamp(0, i64::from(u32::MAX)) as u32,
        opened_at: time(12)?.unwrap_or_default(),
        state: row.get(13)?,
        decision: row.get(14)?,
        note: row.get(15)?,
        resolved_by: row.get(16)?,
        resolved_at: time(17)?,
    })
}
