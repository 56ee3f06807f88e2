//! The table of schedules: written row by row, each in a transaction of its own.
//!
//! There are few of them and they change seldom, so nothing here is made to be fast. It knows no
//! document and no clock.

use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use settled_protocol::{Json, Timestamp};

use super::error::read_error;
use super::names::Texts;
use crate::schedule::{ScheduleChange, ScheduleRow};
use crate::store::ReadError;
use crate::time_text::{self, TimeText};

pub(super) const PUT: &str = "
    INSERT OR REPLACE INTO @schedule
      (name, document, created_at, updated_at, anchor_at, decided_until, next_due_at,
       waiting_due_at, last_due_at, last_saga, triggered_saga, triggered_at, runs, missed,
       overlapped, error)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
pub(super) const REMOVE: &str = "DELETE FROM @schedule WHERE name = ?1";
pub(super) const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM @schedule WHERE name = ?1)";
pub(super) const ALL: &str = "
    SELECT name, document, created_at, updated_at, anchor_at, decided_until, next_due_at,
           waiting_due_at, last_due_at, last_saga, triggered_saga, triggered_at, runs, missed,
           overlapped, error
    FROM @schedule ORDER BY name";
pub(super) const ONE: &str = "
    SELECT name, document, created_at, updated_at, anchor_at, decided_until, next_due_at,
           waiting_due_at, last_due_at, last_saga, triggered_saga, triggered_at, runs, missed,
           overlapped, error
    FROM @schedule WHERE name = ?1";

/// Makes a change; says whether there was a row of that name before.
pub(super) fn change(
    connection: &Connection,
    texts: &Texts,
    change: &ScheduleChange,
) -> Result<bool, Error> {
    match change {
        ScheduleChange::Put(row) => put(connection, texts, row),
        ScheduleChange::Remove(name) => {
            let removed = connection
                .prepare_cached(&texts.remove_schedule)?
                .execute([name])?;
            Ok(removed > 0)
        }
    }
}

fn put(connection: &Connection, texts: &Texts, row: &ScheduleRow) -> Result<bool, Error> {
    let there = connection
        .prepare_cached(&texts.schedule_is_there)?
        .query_row([&row.name], |found| found.get(0))?;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&texts.put_schedule)?
        .execute(params![
            row.name,
            row.document.as_str(),
            TimeText::new(row.created_at),
            TimeText::new(row.updated_at),
            TimeText::new(row.anchor_at),
            TimeText::new(row.decided_until),
            row.next_due_at.map(TimeText::new),
            row.waiting_due_at.map(TimeText::new),
            row.last_due_at.map(TimeText::new),
            row.last_saga,
            row.triggered_saga,
            row.triggered_at.map(TimeText::new),
            count(row.runs),
            count(row.missed),
            count(row.overlapped),
            row.error,
        ])?;
    Ok(there)
}

/// Every row, in order of its name.
pub(super) fn all(
    connection: &Connection,
    texts: &Texts,
) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError> {
    let store = |error: Error| read_error(&error);
    let mut statement = connection
        .prepare_cached(&texts.all_schedules)
        .map_err(store)?;
    let mut rows = statement.query([]).map_err(store)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(store)? {
        all.push(read(row));
    }
    Ok(all)
}

/// One row.
pub(super) fn one(
    connection: &Connection,
    texts: &Texts,
    name: &str,
) -> Result<Option<ScheduleRow>, ReadError> {
    connection
        .prepare_cached(&texts.one_schedule)
        .and_then(|mut statement| statement.query_row([name], |row| Ok(read(row))).optional())
        .map_err(|error| read_error(&error))?
        .transpose()
}

fn read(row: &Row<'_>) -> Result<ScheduleRow, ReadError> {
    let name: String = row.get(0).unwrap_or_default();
    let wrong = |column: &str| ReadError::Schedule {
        name: name.clone(),
        what: format!("{column} cannot be read"),
    };
    let text = |index: usize, column| {
        row.get::<_, Option<String>>(index)
            .map_err(|_| wrong(column))
    };
    let maybe = |index, column| -> Result<Option<Timestamp>, ReadError> {
        match text(index, column)? {
            None => Ok(None),
            Some(text) => time_text::parse(&text)
                .map(Some)
                .ok_or_else(|| wrong(column)),
        }
    };
    let time = |index, column| maybe(index, column)?.ok_or_else(|| wrong(column));
    let count = |index, column| {
        row.get::<_, i64>(index)
            .map(|count| count.max(0).unsigned_abs())
            .map_err(|_| wrong(column))
    };
    let document = text(1, "document")?.unwrap_or_default();
    Ok(ScheduleRow {
        document: Json::parse(&document).map_err(|_| wrong("document"))?,
        created_at: time(2, "created_at")?,
        updated_at: time(3, "updated_at")?,
        anchor_at: time(4, "anchor_at")?,
        decided_until: time(5, "decided_until")?,
        next_due_at: maybe(6, "next_due_at")?,
        waiting_due_at: maybe(7, "waiting_due_at")?,
        last_due_at: maybe(8, "last_due_at")?,
        last_saga: text(9, "last_saga")?,
        triggered_saga: text(10, "triggered_saga")?,
        triggered_at: maybe(11, "triggered_at")?,
        runs: count(12, "runs")?,
        missed: count(13, "missed")?,
        overlapped: count(14, "overlapped")?,
        error: text(15, "error")?,
        name,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::path::{Path, PathBuf};

    use rusqlite::Connection;

    use super::super::schema;
    use super::*;
    use crate::{Journal, Keeper, OpenError, SqliteJournal};

    fn row(name: &str) -> ScheduleRow {
        ScheduleRow {
            name: name.to_owned(),
            document: Json::parse(r#"{"every": "4h"}"#).unwrap(),
            created_at: Timestamp(0),
            updated_at: Timestamp(1_000_000),
            anchor_at: Timestamp(0),
            decided_until: Timestamp(2_000_000),
            next_due_at: Some(Timestamp(3_000_000)),
            waiting_due_at: None,
            last_due_at: None,
            last_saga: Some(format!("{name}.19700101T000002Z")),
            triggered_saga: None,
            triggered_at: None,
            runs: 1,
            missed: 2,
            overlapped: 3,
            error: None,
        }
    }

    fn put(journal: &mut SqliteJournal, row: &ScheduleRow) -> bool {
        let change = ScheduleChange::Put(Box::new(row.clone()));
        journal.change(&change.clone().into()).unwrap()
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        (folder, path)
    }

    fn columns(path: &Path, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM pragma_table_info('{table}')");
        let connection = Connection::open(path).unwrap();
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_row_can_be_read_by_people() {
        let (_folder, path) = place();
        let mut journal = SqliteJournal::open(&path).unwrap();
        assert!(!put(&mut journal, &row("shelve")));
        let sql = "SELECT name || ' ' || next_due_at || ' ' || document FROM schedule";
        let shown: String = Connection::open(&path)
            .unwrap()
            .query_row(sql, [], |row| row.get(0))
            .unwrap();
        assert_eq!(
            shown,
            r#"shelve 1970-01-01T00:00:03.000000Z {"every": "4h"}"#
        );
    }

    #[test]
    fn files_of_earlier_versions_are_taken_over_and_later_ones_refused() {
        for version in 1..schema::VERSION {
            let (_folder, path) = place();
            schema::make_old(&path, version, &"5e".repeat(32));
            let mut journal = SqliteJournal::open(&path).unwrap();
            assert_eq!(journal.opened().secret, [0x5e; 32], "what was there stays");
            assert_eq!(columns(&path, "schedule"), 16);
            assert_eq!(columns(&path, "audit"), 11);
            assert!(!put(&mut journal, &row("a")));
            assert!(put(&mut journal, &row("a")));
            let mut reader = journal.keeper().reader().unwrap();
            assert_eq!(reader.schedule("a").unwrap(), Some(row("a")));
            drop((journal, reader));
            let newer = Connection::open(&path).unwrap();
            let found: i64 = newer
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, schema::VERSION);
            let later = schema::VERSION + 1;
            newer.pragma_update(None, "user_version", later).unwrap();
            drop(newer);
            let refused = SqliteJournal::open(&path).unwrap_err();
            let is_newer = matches!(
                refused,
                OpenError::Newer { found, known, .. } if (found, known) == (later, schema::VERSION)
            );
            assert!(is_newer, "{refused}");
        }
    }

    #[test]
    fn one_damaged_row_does_not_touch_the_others() {
        let (_folder, path) = place();
        let mut journal = SqliteJournal::open(&path).unwrap();
        for name in ["a", "b", "c"] {
            put(&mut journal, &row(name));
        }
        let other = Connection::open(&path).unwrap();
        for (set, column) in [
            ("next_due_at = 'soon'", "next_due_at"),
            ("document = '{'", "document"),
        ] {
            let sql = format!("UPDATE schedule SET {set} WHERE name = 'b'");
            other.execute(&sql, []).unwrap();
            let mut reader = journal.keeper().reader().unwrap();
            let all = reader.schedules().unwrap();
            assert_eq!(all[0], Ok(row("a")));
            assert_eq!(all[2], Ok(row("c")));
            let error = all[1].clone().unwrap_err();
            assert_eq!(reader.schedule("b").unwrap_err(), error);
            assert!(
                error
                    .to_string()
                    .starts_with("schedule b: its row is damaged")
                    && error.to_string().contains(column),
                "{error}"
            );
            assert!(put(&mut journal, &row("b")));
            assert_eq!(reader.schedule("b").unwrap(), Some(row("b")));
        }
    }

    #[test]
    fn without_room_nothing_is_changed() {
        let (_folder, path) = place();
        let mut journal = SqliteJournal::open(&path).unwrap();
        put(&mut journal, &row("a"));
        let limit = |pages: i64| {
            let connection = journal.connection();
            connection
                .pragma_update(None, "max_page_count", pages)
                .unwrap();
        };
        limit(1);
        let long = ScheduleRow {
            document: Json::string(&"x".repeat(100_000)),
            ..row("a")
        };
        let change = ScheduleChange::Put(Box::new(long.clone()));
        let error = journal.change(&change.clone().into()).unwrap_err();
        assert!(matches!(error, crate::CommitError::Full(_)), "{error}");
        let mut reader = journal.keeper().reader().unwrap();
        assert_eq!(reader.schedule("a").unwrap(), Some(row("a")));
        let connection = journal.connection();
        connection
            .pragma_update(None, "max_page_count", 1_000_000)
            .unwrap();
        assert_eq!(journal.change(&change.clone().into()), Ok(true));
        assert_eq!(reader.schedule("a").unwrap(), Some(long));
    }
}
