//! Reading: one saga, the sagas to wake, and the counts. It never writes.

use std::sync::Arc;

use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};
use settled_protocol::{SagaState, Timestamp};

use super::error::read_error;
use super::names::Texts;
use super::stored::{Definitions, load};
use super::{audit, incidents, schedules, search};
use crate::audit::{AuditFilter, AuditRow};
use crate::entry::SagaNo;
use crate::incident::{IncidentFilter, IncidentGroup, IncidentRow, IncidentTally, Untold};
use crate::schedule::ScheduleRow;
use crate::store::{
    Due, DueCursor, DueSaga, Ended, Page, ReadError, Reader, SagaFilter, SagaKey, Snapshot,
    StoredSaga,
};
use crate::time_text::{self, TimeText};

pub(super) const DUE: &str = "
    SELECT wake_at, no FROM @saga
    WHERE wake_at IS NOT NULL AND (wake_at, no) > (?1, ?2) AND wake_at <= ?3
    ORDER BY wake_at, no LIMIT ?4";
pub(super) const NEXT_DUE: &str = "
    SELECT wake_at FROM @saga WHERE wake_at IS NOT NULL AND wake_at > ?1 ORDER BY wake_at LIMIT 1";
pub(super) const OLDEST: &str =
    "SELECT created_at FROM @saga WHERE settled_at IS NULL ORDER BY created_at LIMIT 1";

pub(super) const COUNT_DUE: &str =
    "SELECT count(*) FROM @saga WHERE wake_at IS NOT NULL AND wake_at <= ?1";
pub(super) const COUNT_PARKED: &str =
    "SELECT count(*) FROM @saga WHERE wake_at IS NOT NULL AND wake_at > ?1";
pub(super) const OPEN_INCIDENTS: &str = "SELECT count(*) FROM @incident WHERE state = 'open'";

pub(super) const ENDED: &str = "
    SELECT state, created_at, settled_at FROM @saga WHERE settled_at >= ?1
    ORDER BY settled_at DESC, created_at DESC, no DESC LIMIT ?2";

/// A reader with a connection of its own.
#[derive(Debug)]
pub(super) struct SqliteReader {
    connection: Connection,
    texts: Arc<Texts>,
    definitions: Definitions,
}

impl SqliteReader {
    pub(super) fn new(connection: Connection, texts: Arc<Texts>) -> Self {
        Self {
            connection,
            texts,
            definitions: Definitions::default(),
        }
    }

    /// Reads several things as of one moment.
    fn at_once<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Texts, &mut Definitions) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let Self {
            connection,
            texts,
            definitions,
        } = self;
        let transaction = connection
            .transaction()
            .map_err(|error| read_error(&error))?;
        work(&transaction, texts, definitions)
    }
}

impl Reader for SqliteReader {
    fn load(&mut self, key: SagaKey<'_>) -> Result<Option<StoredSaga>, ReadError> {
        self.at_once(|transaction, texts, definitions| load(transaction, texts, definitions, key))
    }

    fn due(
        &mut self,
        after: Option<DueCursor>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Due, ReadError> {
        self.at_once(|transaction, texts, _| {
            due(transaction, texts, after, until, limit).map_err(|error| read_error(&error))
        })
    }

    fn list(
        &mut self,
        filter: &SagaFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Result<StoredSaga, ReadError>>, ReadError> {
        self.at_once(|transaction, texts, definitions| {
            let found = search::sagas(transaction, texts, filter, cursor, limit)?;
            let items = found.items.into_iter().filter_map(|no| {
                load(transaction, texts, definitions, SagaKey::No(no)).transpose()
            });
            Ok(Page {
                items: items.collect(),
                next_cursor: found.next_cursor,
            })
        })
    }

    fn incidents(
        &mut self,
        filter: &IncidentFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<IncidentRow>, ReadError> {
        self.at_once(|transaction, texts, _| {
            incidents::list(transaction, texts, filter, cursor, limit)
        })
    }

    fn incident(&mut self, id: &str) -> Result<Option<IncidentRow>, ReadError> {
        incidents::one(&self.connection, &self.texts, id)
    }

    fn incident_groups(
        &mut self,
        filter: &IncidentFilter,
    ) -> Result<Vec<IncidentGroup>, ReadError> {
        self.at_once(|transaction, texts, _| incidents::groups(transaction, texts, filter))
    }

    fn untold(
        &mut self,
        remind_before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Untold>, ReadError> {
        self.at_once(|transaction, texts, _| {
            incidents::untold(transaction, texts, remind_before, limit)
                .map_err(|error| read_error(&error))
        })
    }

    fn told_first(&mut self) -> Result<Option<Timestamp>, ReadError> {
        incidents::told_first(&self.connection, &self.texts).map_err(|error| read_error(&error))
    }

    fn incident_tally(&mut self, since: Timestamp) -> Result<IncidentTally, ReadError> {
        self.at_once(|transaction, texts, _| {
            incidents::tally(transaction, texts, since).map_err(|error| read_error(&error))
        })
    }

    fn ended(&mut self, since: Timestamp, limit: usize) -> Result<Vec<Ended>, ReadError> {
        ended(&self.connection, &self.texts, since, limit).map_err(|error| read_error(&error))
    }

    fn audit(
        &mut self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditRow>, ReadError> {
        audit::list(&self.connection, &self.texts, filter, cursor, limit)
    }

    fn snapshot(&mut self, now: Timestamp) -> Result<Snapshot, ReadError> {
        self.at_once(|transaction, texts, _| {
            snapshot(transaction, texts, now).map_err(|error| read_error(&error))
        })
    }

    fn schedules(&mut self) -> Result<Vec<Result<ScheduleRow, ReadError>>, ReadError> {
        schedules::all(&self.connection, &self.texts)
    }

    fn schedule(&mut self, name: &str) -> Result<Option<ScheduleRow>, ReadError> {
        schedules::one(&self.connection, &self.texts, name)
    }
}

fn due(
    connection: &Connection,
    texts: &Texts,
    after: Option<DueCursor>,
    until: Timestamp,
    limit: usize,
) -> Result<Due, Error> {
    let after = after.unwrap_or(DueCursor {
        wake_at: Timestamp(i64::MIN),
        saga: SagaNo(i64::MIN),
    });
    let until = TimeText::new(until);
    let mut statement = connection.prepare_cached(&texts.due)?;
    let mut rows = statement.query(params![
        TimeText::new(after.wake_at).as_str(),
        after.saga.0,
        until.as_str(),
        i64::try_from(limit).unwrap_or(i64::MAX),
    ])?;
    let mut found = 0;
    let mut due = Due::default();
    while let Some(row) = rows.next()? {
        found += 1;
        let saga = SagaNo(row.get(1)?);
        if let Some(wake_at) = row.get_ref(0)?.as_str().ok().and_then(time_text::parse) {
            due.sagas.push(DueSaga { saga, wake_at });
        } else {
            tracing::warn!(saga = saga.0, "its row is damaged: wake_at is no time");
        }
    }
    if found < limit {
        let next: Option<String> = connection
            .prepare_cached(&texts.next_due)?
            .query_row([until.as_str()], |row| row.get(0))
            .optional()?;
        due.next = next.and_then(|next| time_text::parse(&next));
    }
    Ok(due)
}

fn ended(
    connection: &Connection,
    texts: &Texts,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Ended>, Error> {
    let mut statement = connection.prepare_cached(&texts.ended)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![TimeText::new(since).as_str(), limit])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let time = |index| search::column(row, index).and_then(time_text::parse);
        let state = search::column(row, 0).and_then(SagaState::parse);
        // A row that cannot be read is left to whoever loads its saga.
        if let (Some(state), Some(created_at), Some(settled_at)) = (state, time(1), time(2)) {
            all.push(Ended {
                state,
                created_at,
                settled_at,
            });
        }
    }
    Ok(all)
}

fn snapshot(connection: &Connection, texts: &Texts, now: Timestamp) -> Result<Snapshot, Error> {
    let now = TimeText::new(now);
    let count = |sql: &str| -> Result<u64, Error> {
        connection
            .prepare_cached(sql)?
            .query_row([now.as_str()], |row| row.get::<_, i64>(0))
            .map(|count| count.max(0).unsigned_abs())
    };
    let due = count(&texts.count_due)?;
    let parked = count(&texts.count_parked)?;
    let oldest: Option<String> = connection
        .prepare_cached(&texts.oldest)?
        .query_row([], |row| row.get(0))
        .optional()?;
    let open: i64 = connection
        .prepare_cached(&texts.open_incidents)?
        .query_row([], |row| row.get(0))?;
    Ok(Snapshot {
        due,
        parked,
        oldest_unsettled: oldest.and_then(|oldest| time_text::parse(&oldest)),
        open_incidents: open.max(0).unsigned_abs(),
    })
}
