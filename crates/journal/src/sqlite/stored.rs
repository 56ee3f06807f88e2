//! A saga put together from its rows.
//!
//! What stands in the rows is not believed: the chain of hashes is taken again, and whatever does
//! not fit makes this one saga unreadable and no other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Row, params};
use settled_protocol::{Json, Record, SagaState, Timestamp};

use super::error::read_error;
use super::names::Texts;
use crate::chain::{Birth, Chain, Link};
use crate::decode::{Steps, decode};
use crate::entry::SagaNo;
use crate::store::{ReadError, SagaKey, StoredSaga};
use crate::time_text;

/// How many definitions a reader remembers.
const MAX_DEFINITIONS: usize = 256;

pub(super) const BY_ID: &str = "
    SELECT @saga.no, id, name, state, created_at, deadline_at, wake_at, settled_at, digest,
           submitted_by
    FROM @saga LEFT JOIN @definition ON @definition.no = @saga.definition WHERE id = ?1";
pub(super) const BY_NO: &str = "
    SELECT @saga.no, id, name, state, created_at, deadline_at, wake_at, settled_at, digest,
           submitted_by
    FROM @saga LEFT JOIN @definition ON @definition.no = @saga.definition WHERE @saga.no = ?1";
pub(super) const EVENTS: &str = "
    SELECT seq, at, kind, step, direction, attempt, outcome, data, hash
    FROM @event WHERE saga = ?1 ORDER BY seq";
pub(super) const DEFINITION: &str = "SELECT document, steps FROM @definition WHERE digest = ?1";

/// A definition as a reader needs it.
#[derive(Debug)]
struct Definition {
    document: Json,
    steps: Steps,
}

/// Definitions that were read before, by their digest: under it they never change.
#[derive(Debug, Default)]
pub(super) struct Definitions(HashMap<Vec<u8>, Arc<Definition>>);

/// The row of a saga, as it stands in the table.
struct SagaTexts {
    no: i64,
    id: String,
    name: String,
    state: String,
    created_at: String,
    deadline_at: Option<String>,
    wake_at: Option<String>,
    settled_at: Option<String>,
    /// None where the definition is gone.
    digest: Option<Vec<u8>>,
    submitted_by: Option<String>,
}

/// What is wrong with one saga, or with the store.
enum Trouble {
    Saga(u32, String),
    Store(Error),
}

impl Trouble {
    /// A broken page is the trouble of the one saga that is on it.
    fn of(seq: u32, error: Error) -> Self {
        match error.sqlite_error_code() {
            None | Some(ErrorCode::DatabaseCorrupt) => Self::Saga(seq, error.to_string()),
            Some(_) => Self::Store(error),
        }
    }
}

/// Reads a saga. The caller has begun a transaction, so that all rows are of one moment.
pub(super) fn load(
    connection: &Connection,
    texts: &Texts,
    definitions: &mut Definitions,
    key: SagaKey<'_>,
) -> Result<Option<StoredSaga>, ReadError> {
    let named = match key {
        SagaKey::Id(id) => id.to_owned(),
        SagaKey::No(no) => format!("number {}", no.0),
    };
    let damaged = |saga: &str, trouble| match trouble {
        Trouble::Saga(seq, what) => ReadError::Damaged {
            saga: saga.to_owned(),
            seq,
            what,
        },
        Trouble::Store(error) => read_error(&error),
    };
    let found = match key {
        SagaKey::Id(id) => row(connection, &texts.saga_by_id, id),
        SagaKey::No(no) => row(connection, &texts.saga_by_no, no.0),
    };
    let Some(found) = found.map_err(|trouble| damaged(&named, trouble))? else {
        return Ok(None);
    };
    let id = found.id.clone();
    build(connection, texts, definitions, found)
        .map(Some)
        .map_err(|trouble| damaged(&id, trouble))
}

fn row(
    connection: &Connection,
    sql: &str,
    key: impl rusqlite::ToSql,
) -> Result<Option<SagaTexts>, Trouble> {
    let texts = |row: &Row<'_>| {
        Ok(SagaTexts {
            no: row.get(0)?,
            id: row.get(1)?,
            name: row.get(2)?,
            state: row.get(3)?,
            created_at: row.get(4)?,
            deadline_at: row.get(5)?,
            wake_at: row.get(6)?,
            settled_at: row.get(7)?,
            digest: row.get(8)?,
            submitted_by: row.get(9)?,
        })
    };
    let mut statement = connection.prepare_cached(sql).map_err(Trouble::Store)?;
    statement
        .query_row([key], texts)
        .optional()
        .map_err(|error| Trouble::of(0, error))
}

fn build(
    connection: &Connection,
    sql: &Texts,
    definitions: &mut Definitions,
    texts: SagaTexts,
) -> Result<StoredSaga, Trouble> {
    let Some(digest) = &texts.digest else {
        return Err(Trouble::Saga(
            0,
            "its definition is not on record".to_owned(),
        ));
    };
    let definition = definitions.get(connection, sql, digest)?;
    let birth = Birth {
        id: &texts.id,
        name: &texts.name,
        definition_digest: digest,
        created_at: &texts.created_at,
        deadline_at: texts.deadline_at.as_deref(),
    };
    let History {
        records,
        input,
        chain,
    } = history(connection, sql, texts.no, birth, &definition.steps)?;
    let wrong = |column: &str| Trouble::Saga(0, format!("the saga's row: {column} cannot be read"));
    let time = |column, text: &str| time_text::parse(text).ok_or_else(|| wrong(column));
    let maybe = |column, text: &Option<String>| -> Result<Option<Timestamp>, Trouble> {
        text.as_ref().map(|text| time(column, text)).transpose()
    };
    Ok(StoredSaga {
        no: SagaNo(texts.no),
        input: input.ok_or_else(|| Trouble::Saga(1, "data: there is no input".to_owned()))?,
        definition: definition.document.clone(),
        submitted_by: texts.submitted_by,
        created_at: time("created_at", &texts.created_at)?,
        deadline_at: maybe("deadline_at", &texts.deadline_at)?,
        settled_at: maybe("settled_at", &texts.settled_at)?,
        wake_at: maybe("wake_at", &texts.wake_at)?,
        state: SagaState::parse(&texts.state).ok_or_else(|| wrong("state"))?,
        id: texts.id,
        name: texts.name,
        records,
        chain,
    })
}

struct History {
    records: Vec<Record>,
    input: Option<Json>,
    chain: u64,
}

fn history(
    connection: &Connection,
    sql: &Texts,
    no: i64,
    birth: Birth<'_>,
    steps: &Steps,
) -> Result<History, Trouble> {
    let mut statement = connection
        .prepare_cached(&sql.events)
        .map_err(Trouble::Store)?;
    let mut rows = statement.query([no]).map_err(Trouble::Store)?;
    let mut chain = Chain::default();
    let mut birth = Some(birth);
    let mut history = History {
        records: Vec::new(),
        input: None,
        chain: 0,
    };
    let mut steps = Cow::Borrowed(steps);
    let mut seq = 1;
    while let Some(row) = rows.next().map_err(|error| Trouble::of(seq, error))? {
        let link = link(row).map_err(|error| Trouble::of(seq, error))?;
        let hash: i64 = row.get(8).map_err(|error| Trouble::of(seq, error))?;
        if link.seq != i64::from(seq) {
            return Err(Trouble::Saga(
                seq,
                format!("the next event on record is {}", link.seq),
            ));
        }
        history.chain = chain.link(history.chain, birth.take().as_ref(), &link);
        if history.chain != hash as u64 {
            return Err(Trouble::Saga(seq, "its hash is another one".to_owned()));
        }
        let decoded = decode(&link, &mut steps).map_err(|what| Trouble::Saga(seq, what))?;
        history.input = history.input.or(decoded.input);
        history.records.push(decoded.record);
        seq += 1;
    }
    if history.records.is_empty() {
        return Err(Trouble::Saga(1, "there are no events on record".to_owned()));
    }
    Ok(history)
}

fn link<'a>(row: &'a Row<'_>) -> Result<Link<'a>, Error> {
    Ok(Link {
        seq: row.get(0)?,
        at: borrow(row, 1)?,
        kind: borrow(row, 2)?,
        step: borrow_maybe(row, 3)?,
        direction: borrow_maybe(row, 4)?,
        attempt: row.get(5)?,
        outcome: borrow_maybe(row, 6)?,
        data: borrow(row, 7)?,
    })
}

fn borrow<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Error> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|error| {
        Error::FromSqlConversionFailure(column, value.data_type(), Box::new(error))
    })
}

fn borrow_maybe<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, Error> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => borrow(row, column).map(Some),
    }
}

impl Definitions {
    fn get(
        &mut self,
        connection: &Connection,
        sql: &Texts,
        digest: &[u8],
    ) -> Result<Arc<Definition>, Trouble> {
        if let Some(known) = self.0.get(digest) {
            return Ok(Arc::clone(known));
        }
        let (document, steps): (String, String) = connection
            .prepare_cached(&sql.definition_by_digest)
            .and_then(|mut statement| {
                statement.query_row(params![digest], |row| {
                    Ok((String::column_result(row.get_ref(0)?)?, row.get(1)?))
                })
            })
            .map_err(|error| Trouble::of(0, error))?;
        let wrong = |what| Trouble::Saga(0, format!("the definition: {what}"));
        let definition = Arc::new(Definition {
            document: Json::parse(&document).map_err(|_| wrong("it is not JSON".to_owned()))?,
            steps: Steps::parse(&steps).map_err(wrong)?,
        });
        if self.0.len() >= MAX_DEFINITIONS {
            self.0.clear();
        }
        self.0.insert(digest.to_vec(), Arc::clone(&definition));
        Ok(definition)
    }
}
