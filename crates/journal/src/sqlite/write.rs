//! Writing: one batch, one transaction.
//!
//! What costs time here costs it for every event there ever is, so the common case does as little as
//! it can: where each saga's history ends is remembered, statements are prepared once, and nothing
//! is read that was just written.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Error, OptionalExtension, params};
use settled_protocol::{Event, Record};

use super::error::{commit_error, read_error};
use super::names::Texts;
use super::submit::Inserted;
use super::{audit, incidents, schedules};
use crate::chain::{BirthTimes, Chain, Link};
use crate::change::Change;
use crate::encode::{encode, step_name};
use crate::entry::{Append, Appended, Misplaced, SagaNo, SagaRow};
use crate::incident::Opening;
use crate::store::{CommitError, ReadError};
use crate::time_text::TimeText;

/// How many sagas' ends are remembered; beyond that they are looked up again.
const MAX_TAILS: usize = 65_536;

pub(super) const UPDATE_SAGA: &str =
    "UPDATE @saga SET state = ?2, wake_at = ?3, settled_at = ?4 WHERE no = ?1";
pub(super) const INSERT_EVENT: &str = "
    INSERT INTO @event (saga, seq, at, kind, step, direction, attempt, outcome, data, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const OPEN_INCIDENT: &str = "
    INSERT INTO @incident (id, saga, name, step, direction, kind, participant, request_url, request,
                          response, error, attempts, opened_at, state, saga_no, number)
    SELECT id || '~' || ?2, id, name, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'open', no, ?2
    FROM @saga WHERE no = ?1
    ON CONFLICT DO NOTHING";
pub(super) const RESOLVE_INCIDENT: &str = "
    UPDATE @incident
    SET state = 'resolved', decision = ?3, note = ?4, resolved_by = ?5, resolved_at = ?6
    WHERE saga_no = ?1 AND number = ?2 AND state = 'open'";
pub(super) const TAIL: &str =
    "SELECT seq, hash FROM @event WHERE saga = ?1 ORDER BY seq DESC LIMIT 1";

/// The end of a saga's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail {
    seq: u32,
    chain: u64,
}

/// The writer's connection, and what it remembers of the tables.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) texts: Arc<Texts>,
    memory: Memory,
}

/// What the tables say, as far as this transaction has written them; forgotten when it is undone.
#[derive(Debug, Default)]
pub(super) struct Memory {
    tails: HashMap<SagaNo, Tail>,
    pub(super) definitions: HashMap<[u8; 32], i64>,
}

impl Desk {
    pub(super) fn new(connection: Connection, texts: Arc<Texts>) -> Self {
        Self {
            connection,
            texts,
            memory: Memory::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn commit(
        &mut self,
        batch: &[Append],
    ) -> Result<Vec<Result<Appended, Misplaced>>, CommitError> {
        self.transact(|connection, texts, memory| {
            let mut work = Work::new(connection, texts, memory)?;
            batch.iter().map(|append| work.append(append)).collect()
        })
    }

    pub(super) fn change(&mut self, change: &Change) -> Result<bool, CommitError> {
        self.transact(|connection, texts, _| match change {
            Change::Schedule(change) => schedules::change(connection, texts, change),
            Change::Audit(entries) => audit::add(connection, texts, entries),
            Change::Told(told) => incidents::tell(connection, texts, told),
        })
    }

    pub(super) fn last_seq(&mut self, saga: SagaNo) -> Result<u32, ReadError> {
        let tail =
            stored_tail(&self.connection, &self.texts, saga).map_err(|error| read_error(&error))?;
        Ok(tail.map_or(0, |tail| tail.seq))
    }

    /// Forgets what is remembered of the tables.
    pub(super) fn forget(&mut self) {
        self.memory = Memory::default();
    }

    /// Does `work` in one transaction, durably or not at all.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Texts, &mut Memory) -> Result<T, Error>,
    ) -> Result<T, CommitError> {
        let Self {
            connection,
            texts,
            memory,
        } = self;
        let done = connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .and_then(|_| work(connection, texts, memory))
            .and_then(|done| {
                connection.prepare_cached("COMMIT")?.execute([])?;
                Ok(done)
            });
        done.map_err(|error| self.undo(&error))
    }

    /// Takes back what a transaction has done so far, and says what its error means.
    pub(super) fn undo(&mut self, error: &Error) -> CommitError {
        self.forget();
        if !self.connection.is_autocommit() {
            let undone = self.connection.execute_batch("ROLLBACK");
            if undone.is_err() || !self.connection.is_autocommit() {
                return CommitError::Unknown(format!("{error}; and it could not be undone"));
            }
        }
        commit_error(error)
    }
}

/// One transaction's work.
pub(super) struct Work<'a> {
    pub(super) connection: &'a Connection,
    pub(super) texts: &'a Texts,
    pub(super) memory: &'a mut Memory,
    chain: Chain,
    data: String,
    insert_event: CachedStatement<'a>,
    pub(super) insert_saga: CachedStatement<'a>,
    update_saga: CachedStatement<'a>,
}

impl<'a> Work<'a> {
    fn new(
        connection: &'a Connection,
        texts: &'a Texts,
        memory: &'a mut Memory,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection,
            texts,
            memory,
            chain: Chain::default(),
            data: String::new(),
            insert_event: connection.prepare_cached(&texts.insert_event)?,
            insert_saga: connection.prepare_cached(&texts.insert_saga)?,
            update_saga: connection.prepare_cached(&texts.update_saga)?,
        })
    }

    fn append(&mut self, append: &Append) -> Result<Result<Appended, Misplaced>, Error> {
        let no = append.saga;
        let misplaced = |why| Ok(Err(Misplaced { saga: no, why }));
        let tail = if let Some(new) = &append.new {
            let Some(row) = append.row else {
                return misplaced("a new saga needs a row");
            };
            if append.chain != 0 || append.records.is_empty() || !follow(&append.records, 0) {
                return misplaced("a new saga's history begins with event 1");
            }
            match self.insert(no, new, &append.plan, row)? {
                Inserted::Yes => {}
                Inserted::Exists(exists) => return Ok(Ok(exists)),
                Inserted::Taken => return misplaced("its number is taken"),
            }
            Tail { seq: 0, chain: 0 }
        } else {
            let Some(tail) = self.tail(no)? else {
                return misplaced("there is no such saga");
            };
            if tail.chain != append.chain || !follow(&append.records, tail.seq) {
                return misplaced("its events do not continue the saga's history");
            }
            if let Some(row) = append.row {
                self.update(no, row)?;
            }
            tail
        };
        let tail = self.write_events(append, tail)?;
        if append.row.is_some_and(|row| row.settled_at.is_some()) {
            self.memory.tails.remove(&no);
        } else {
            if self.memory.tails.len() >= MAX_TAILS {
                self.memory.tails.clear();
            }
            self.memory.tails.insert(no, tail);
        }
        Ok(Ok(Appended::Stored { chain: tail.chain }))
    }

    /// Where a saga's history ends.
    fn tail(&mut self, no: SagaNo) -> Result<Option<Tail>, Error> {
        match self.memory.tails.get(&no) {
            Some(tail) => Ok(Some(*tail)),
            None => stored_tail(self.connection, self.texts, no),
        }
    }

    fn write_events(&mut self, append: &Append, mut tail: Tail) -> Result<Tail, Error> {
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
        for record in &append.records {
            let columns = encode(record, &append.plan, input.take(), &mut self.data);
            let link = Link::new(&columns, &self.data);
            let chain = self.chain.link(tail.chain, birth.take().as_ref(), &link);
            self.insert_event.execute(params![
                append.saga.0,
                columns.seq,
                columns.at.as_str(),
                columns.kind,
                columns.step,
                columns.direction,
                columns.attempt,
                columns.outcome,
                self.data.as_str(),
                chain as i64,
            ])?;
            tail = Tail {
                seq: record.seq,
                chain,
            };
            self.project(append, record)?;
        }
        Ok(tail)
    }

    /// Keeps the incident table up with an event.
    fn project(&mut self, append: &Append, record: &Record) -> Result<(), Error> {
        match &record.event {
            Event::IncidentOpened {
                incident,
                leg,
                kind,
                evidence,
            } => {
                let opening = Opening::new(*kind, evidence);
                self.connection
                    .prepare_cached(&self.texts.open_incident)?
                    .execute(params![
                        append.saga.0,
                        incident,
                        step_name(&append.plan, *leg),
                        leg.direction.as_str(),
                        opening.kind,
                        opening.participant,
                        opening.request_url,
                        opening.request.as_ref().map(settled_protocol::Json::as_str),
                        opening
                            .response
                            .as_ref()
                            .map(settled_protocol::Json::as_str),
                        opening.error,
                        opening.attempts,
                        TimeText::new(record.at),
                    ])?;
            }
            Event::IncidentResolved {
                incident,
                resolution,
                ..
            } => {
                self.connection
                    .prepare_cached(&self.texts.resolve_incident)?
                    .execute(params![
                        append.saga.0,
                        incident,
                        resolution.decision.as_str(),
                        resolution.note,
                        resolution.by,
                        TimeText::new(record.at),
                    ])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn update(&mut self, no: SagaNo, row: SagaRow) -> Result<(), Error> {
        self.update_saga.execute(params![
            no.0,
            row.state.as_str(),
            row.wake_at.map(TimeText::new),
            row.settled_at.map(TimeText::new),
        ])?;
        Ok(())
    }
}

fn follow(records: &[Record], last: u32) -> bool {
    records
        .iter()
        .zip(1..)
        .all(|(record, n)| Some(record.seq) == last.checked_add(n))
}

fn stored_tail(connection: &Connection, texts: &Texts, no: SagaNo) -> Result<Option<Tail>, Error> {
    connection
        .prepare_cached(&texts.tail)?
        .query_row([no.0], |row| {
            Ok(Tail {
                seq: row.get(0)?,
                chain: row.get::<_, i64>(1)? as u64,
            })
        })
        .optional()
}
