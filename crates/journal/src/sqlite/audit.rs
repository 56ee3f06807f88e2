//! The audit log's table: rows are added, never changed.

use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use settled_protocol::Timestamp;

use super::error::read_error;
use super::names::Texts;
use crate::audit::{AuditEntry, AuditFilter, AuditRow, audit_hash};
use crate::cursor;
use crate::store::{Page, ReadError};
use crate::time_text::{self, TimeText};

/// How many rows one page looks at.
const MAX_ROWS: usize = 100_000;

pub(super) const LAST: &str = "SELECT hash FROM @audit ORDER BY no DESC LIMIT 1";
pub(super) const INSERT: &str = "
    INSERT INTO @audit (id, at, who, roles, action, target, status, remote, detail, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (id) DO NOTHING";
pub(super) const LIST: &str = "
    SELECT no, id, at, who, roles, action, target, status, remote, detail, hash
    FROM @audit WHERE no < ?1 ORDER BY no DESC";

/// Adds entries that are not there yet; says whether all of them were new.
pub(super) fn add(
    connection: &Connection,
    texts: &Texts,
    entries: &[AuditEntry],
) -> Result<bool, Error> {
    let mut last: String = connection
        .prepare_cached(&texts.last_audit)?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let mut insert = connection.prepare_cached(&texts.insert_audit)?;
    let mut all_new = true;
    for entry in entries {
        let hash = audit_hash(&last, entry);
        let inserted = insert.execute(params![
            entry.id,
            TimeText::new(entry.at),
            entry.who,
            entry.roles,
            entry.action,
            entry.target,
            entry.status,
            entry.remote,
            entry.detail,
            hash,
        ])?;
        if inserted == 1 {
            last = hash;
        } else {
            all_new = false;
        }
    }
    Ok(all_new)
}

/// The entries that match, newest first.
pub(super) fn list(
    connection: &Connection,
    texts: &Texts,
    filter: &AuditFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<AuditRow>, ReadError> {
    let before = cursor.map(cursor::read_audit).transpose()?;
    let before = before.unwrap_or(i64::MAX);
    find(connection, texts, filter, before, limit.max(1)).map_err(|error| read_error(&error))
}

fn find(
    connection: &Connection,
    texts: &Texts,
    filter: &AuditFilter,
    before: i64,
    limit: usize,
) -> Result<Page<AuditRow>, Error> {
    let mut statement = connection.prepare_cached(&texts.list_audit)?;
    let mut rows = statement.query([before])?;
    let (mut items, mut looked_at, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        if items.len() == limit || looked_at == MAX_ROWS {
            return Ok(Page {
                items,
                next_cursor: last,
            });
        }
        looked_at += 1;
        let row = read(row)?;
        last = Some(cursor::write_audit(row.no));
        if filter.matches(&row.entry) {
            items.push(row);
        }
    }
    Ok(Page {
        items,
        next_cursor: None,
    })
}

fn read(row: &Row<'_>) -> Result<AuditRow, Error> {
    let at: String = row.get(2)?;
    Ok(AuditRow {
        no: row.get(0)?,
        entry: AuditEntry {
            id: row.get(1)?,
            // One that somebody wrote over is shown at no time; its hash says the rest.
            at: time_text::parse(&at).unwrap_or(Timestamp(0)),
            who: row.get(3)?,
            roles: row.get(4)?,
            action: row.get(5)?,
            target: row.get(6)?,
            status: row.get(7)?,
            remote: row.get(8)?,
            detail: row.get(9)?,
        },
        hash: row.get(10)?,
    })
}
