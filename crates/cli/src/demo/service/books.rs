//! A service's books: an append-only ledger of what took effect, the balances that follow from
//! it, and every call that came.
//!
//! Nothing here is idempotent: an operation that is entered twice takes effect twice, under the
//! same key. The audit reads these tables, and people can, with `sqlite3`.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::{Value, json};

use super::goods::{Taken, Want};
use crate::demo::shop::Kind;

const SCHEMA: &str = "
CREATE TABLE balance (
    item    TEXT PRIMARY KEY,
    initial INTEGER NOT NULL,
    current INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each call that took effect. `result` is what was answered, or would have been.
CREATE TABLE operation (
    operation INTEGER PRIMARY KEY,
    key       TEXT NOT NULL,
    result    TEXT NOT NULL
) STRICT;
CREATE INDEX operation_by_key ON operation (key);

-- One row for each thing that an operation took or gave back; no row ever changes.
CREATE TABLE ledger (
    entry     INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL REFERENCES operation,
    key       TEXT NOT NULL,
    saga      TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('taken', 'returned')),
    receipt   TEXT NOT NULL,
    item      TEXT NOT NULL,
    amount    INTEGER NOT NULL,
    at        TEXT NOT NULL
) STRICT;

-- Every call that came, with the fault it met.
CREATE TABLE call (
    call    INTEGER PRIMARY KEY,
    key     TEXT NOT NULL,
    purpose TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fault   TEXT,
    outcome TEXT NOT NULL,
    at      TEXT NOT NULL
) STRICT;
";

/// A call on its way into the books.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) key: String,
    pub(super) purpose: &'static str,
    pub(super) attempt: u32,
    pub(super) fault: Option<&'static str>,
    pub(super) work: Work,
}

/// What a call is to do to the books.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Nothing: a fault keeps it from acting.
    Nothing,
    /// Take these for the saga, all or none.
    Take { saga: String, wants: Vec<Want> },
    /// Give these back for the saga.
    Return { saga: String, taken: Vec<Taken> },
    /// Did the operation with the call's key happen?
    Ask,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Noted, and nothing done.
    Ignored,
    /// Noted, and not acted on because it waited too long.
    TooLate,
    /// It took effect, with this answer.
    Done(Value),
    /// There is not enough, and nothing happened.
    Refused(String),
    /// The operation that was asked about happened, with this answer.
    Happened(Value),
    /// It did not.
    NotHappened,
}

impl Outcome {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::TooLate => "too_late",
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Happened(_) => "happened",
            Self::NotHappened => "not_happened",
        }
    }
}

/// The open books of one service.
#[derive(Debug)]
pub(super) struct Books {
    connection: Connection,
    kind: Kind,
}

impl Books {
    /// Makes new books with the supply for so many orders.
    ///
    /// `synchronous=NORMAL`, because it is not the services that are killed: what they have
    /// committed outlives their process, which is all that the audit needs.
    pub(super) fn create(path: &Path, kind: Kind, orders: usize) -> rusqlite::Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        for (item, amount) in kind.items(orders) {
            transaction.execute(
                "INSERT INTO balance VALUES (?1, ?2, ?2)",
                params![item, amount],
            )?;
        }
        transaction.commit()?;
        Ok(Self { connection, kind })
    }

    /// Begins a transaction for any number of calls.
    pub(super) fn begin(&mut self) -> rusqlite::Result<Page<'_>> {
        let behavior = TransactionBehavior::Immediate;
        Ok(Page {
            transaction: self.connection.transaction_with_behavior(behavior)?,
            kind: self.kind,
            at: jiff::Timestamp::now().to_string(),
        })
    }
}

/// Calls that are committed together.
pub(super) struct Page<'a> {
    transaction: Transaction<'a>,
    kind: Kind,
    at: String,
}

impl Page<'_> {
    /// Does what the call asks for and notes the call.
    pub(super) fn enter(&self, call: &Call) -> rusqlite::Result<Outcome> {
        let outcome = match &call.work {
            Work::Nothing => Outcome::Ignored,
            Work::Take { saga, wants } => self.take(&call.key, saga, wants)?,
            Work::Return { saga, taken } => self.give_back(&call.key, saga, taken)?,
            Work::Ask => self.ask(&call.key)?,
        };
        self.note(call, outcome)
    }

    /// Notes a call that waited too long to be acted on.
    pub(super) fn turn_away(&self, call: &Call) -> rusqlite::Result<Outcome> {
        self.note(call, Outcome::TooLate)
    }

    /// Makes everything durable; only after this may anyone be told.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.transaction.commit()
    }

    fn note(&self, call: &Call, outcome: Outcome) -> rusqlite::Result<Outcome> {
        self.transaction
            .prepare_cached(
                "INSERT INTO call (key, purpose, attempt, fault, outcome, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                call.key,
                call.purpose,
                call.attempt,
                call.fault,
                outcome.as_str(),
                self.at
            ])?;
        Ok(outcome)
    }

    fn take(&self, key: &str, saga: &str, wants: &[Want]) -> rusqlite::Result<Outcome> {
        if let Some(shortage) = self.shortage(wants)? {
            return Ok(Outcome::Refused(shortage));
        }
        let operation = self.next_operation()?;
        let taken: Vec<_> = wants
            .iter()
            .enumerate()
            .map(|(line, want)| Taken {
                receipt: format!("{}-{operation}-{}", self.kind.name(), line + 1),
                item: want.item.clone(),
                amount: want.amount,
            })
            .collect();
        let result = self.kind.write_taken(&taken);
        self.record(operation, key, &result)?;
        for line in &taken {
            self.change(&line.item, -line.amount)?;
            self.post(operation, key, saga, "taken", line)?;
        }
        Ok(Outcome::Done(result))
    }

    fn give_back(&self, key: &str, saga: &str, taken: &[Taken]) -> rusqlite::Result<Outcome> {
        let operation = self.next_operation()?;
        let result = json!({"isSuccess": true});
        self.record(operation, key, &result)?;
        for line in taken {
            self.change(&line.item, line.amount)?;
            self.post(operation, key, saga, "returned", line)?;
        }
        Ok(Outcome::Done(result))
    }

    /// What there is too little of. A good that is wanted twice in one call is counted together.
    fn shortage(&self, wants: &[Want]) -> rusqlite::Result<Option<String>> {
        for Want { item, .. } in wants {
            let wanted = wants
                .iter()
                .filter(|want| want.item == *item)
                .fold(0_i64, |sum, want| sum.saturating_add(want.amount));
            let left: Option<i64> = self
                .transaction
                .prepare_cached("SELECT current FROM balance WHERE item = ?1")?
                .query_row([item], |row| row.get(0))
                .optional()?;
            match left {
                None => return Ok(Some(format!("there is no {item}"))),
                Some(left) if left < wanted => {
                    return Ok(Some(format!("{wanted} of {item} wanted, {left} left")));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The answer of the latest operation with this key: two of them is what the audit is for.
    fn ask(&self, key: &str) -> rusqlite::Result<Outcome> {
        let result: Option<String> = self
            .transaction
            .prepare_cached(
                "SELECT result FROM operation WHERE key = ?1 ORDER BY operation DESC LIMIT 1",
            )?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(result.map_or(Outcome::NotHappened, |text| {
            Outcome::Happened(serde_json::from_str(&text).unwrap_or_default())
        }))
    }

    fn next_operation(&self) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached("SELECT coalesce(max(operation), 0) + 1 FROM operation")?
            .query_row([], |row| row.get(0))
    }

    fn record(&self, operation: i64, key: &str, result: &Value) -> rusqlite::Result<usize> {
        self.transaction
            .prepare_cached("INSERT INTO operation (operation, key, result) VALUES (?1, ?2, ?3)")?
            .execute(params![operation, key, result.to_string()])
    }

    fn change(&self, item: &str, by: i64) -> rusqlite::Result<usize> {
        self.transaction
            .prepare_cached("UPDATE balance SET current = current + ?2 WHERE item = ?1")?
            .execute(params![item, by])
    }

    fn post(
        &self,
        operation: i64,
        key: &str,
        saga: &str,
        direction: &str,
        line: &Taken,
    ) -> rusqlite::Result<usize> {
        self.transaction
            .prepare_cached(
                "INSERT INTO ledger (operation, key, saga, direction, receipt, item, amount, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                operation,
                key,
                saga,
                direction,
                line.receipt,
                line.item,
                line.amount,
                self.at
            ])
    }
}
