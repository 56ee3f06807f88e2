//! What stands in a service's books, read without changing anything.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

/// The books of one service.
#[derive(Clone, Debug, Default)]
pub(in crate::demo) struct Ledger {
    /// Every entry, oldest first.
    pub(in crate::demo) entries: Vec<Entry>,
    /// Every item's balance.
    pub(in crate::demo) balances: Vec<Balance>,
    /// How often what was done with a call.
    pub(in crate::demo) calls: Calls,
}

/// Something that was taken or given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::demo) struct Entry {
    pub(in crate::demo) operation: i64,
    pub(in crate::demo) key: String,
    pub(in crate::demo) saga: String,
    pub(in crate::demo) returned: bool,
    pub(in crate::demo) receipt: String,
    pub(in crate::demo) item: String,
    pub(in crate::demo) amount: i64,
}

/// How much there was of an item and how much there is.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Balance {
    pub(in crate::demo) item: String,
    pub(in crate::demo) initial: i64,
    pub(in crate::demo) current: i64,
}

/// What came in.
#[derive(Clone, Debug, Default)]
pub(in crate::demo) struct Calls {
    pub(in crate::demo) total: u32,
    pub(in crate::demo) checks: u32,
    pub(in crate::demo) refused: u32,
    pub(in crate::demo) faults: BTreeMap<String, u32>,
}

impl Ledger {
    /// Reads the books.
    pub(in crate::demo) fn read(path: &Path) -> rusqlite::Result<Self> {
        let books = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let entries = collect(
            &books,
            "SELECT operation, key, saga, direction = 'returned', receipt, item, amount
             FROM ledger ORDER BY entry",
            |row| {
                Ok(Entry {
                    operation: row.get(0)?,
                    key: row.get(1)?,
                    saga: row.get(2)?,
                    returned: row.get(3)?,
                    receipt: row.get(4)?,
                    item: row.get(5)?,
                    amount: row.get(6)?,
                })
            },
        )?;
        let balances = collect(
            &books,
            "SELECT item, initial, current FROM balance",
            |row| {
                Ok(Balance {
                    item: row.get(0)?,
                    initial: row.get(1)?,
                    current: row.get(2)?,
                })
            },
        )?;
        Ok(Self {
            entries,
            balances,
            calls: Calls::read(&books)?,
        })
    }
}

impl Calls {
    fn read(books: &Connection) -> rusqlite::Result<Self> {
        let (total, checks, refused) = books.query_row(
            "SELECT count(*), count(*) FILTER (WHERE purpose = 'check'),
                    count(*) FILTER (WHERE outcome = 'refused')
             FROM call",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let faults = collect(
            books,
            "SELECT fault, count(*) FROM call WHERE fault IS NOT NULL GROUP BY fault
             UNION ALL
             SELECT 'too_late', count(*) FROM call WHERE outcome = 'too_late' HAVING count(*) > 0",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Self {
            total,
            checks,
            refused,
            faults: faults.into_iter().collect(),
        })
    }
}

fn collect<T>(
    books: &Connection,
    query: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    books.prepare(query)?.query_map([], read)?.collect()
}
