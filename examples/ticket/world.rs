//! Two databases that no transaction reaches across: the railway's own, and the bank's.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use settled::CallError;
use settled::local::{self, OnceError};
use settled::transaction::{Transactions, Tx};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use settled_examples::Outcome;

use super::PRICE;

/// What the steps are given.
#[derive(Clone)]
pub(crate) struct World {
    railway: Transactions<SqlitePool>,
    bank: Arc<Mutex<Bank>>,
    crash: Arc<[String]>,
}

impl World {
    pub(crate) fn open(folder: &Path, crash: &[String]) -> rusqlite::Result<Self> {
        let railway = SqliteConnectOptions::new().filename(folder.join("railway.db"));
        let bank = Bank(Connection::open(folder.join("bank.db"))?);
        Ok(Self {
            railway: Transactions::new(SqlitePool::connect_lazy_with(railway)),
            bank: Arc::new(Mutex::new(bank)),
            crash: crash.into(),
        })
    }

    /// Something that happens once for each key: it and its record are one transaction.
    pub(crate) async fn railway<F>(&self, key: &str, work: F) -> Result<u32, Trouble>
    where
        F: AsyncFnOnce(&Tx<SqlitePool>) -> Result<u32, Trouble>,
    {
        let done = local::once(&self.railway, key, work).await;
        done.map_err(|error| match error {
            OnceError::Work(trouble) => trouble,
            OnceError::Local(error) => Trouble::Database(error.to_string()),
            OnceError::Unknown { why, .. } => Trouble::Database(why),
        })
    }

    pub(crate) fn bank(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program ends here and now, if this is where it is to.
    pub(crate) fn passes(&self, buyer: &str, point: &str) {
        if *self.crash == [buyer, point] {
            std::process::abort();
        }
    }
}

/// An outside account. To charge twice is to be charged twice; it can be asked by the number.
pub(crate) struct Bank(Connection);

impl Bank {
    pub(crate) fn charge(&self, number: &str, account: &str) -> Result<(), Trouble> {
        let sql = "SELECT balance FROM account WHERE name = ?";
        let balance: u32 = self.0.query_row(sql, [account], |row| row.get(0))?;
        if balance < PRICE {
            return Err(Trouble::No("there is not enough money in the account"));
        }
        let sql = "INSERT INTO charge (number, account) VALUES (?, ?)";
        self.0.execute(sql, [number, account])?;
        Ok(())
    }

    pub(crate) fn was_charged(&self, number: &str) -> Result<Option<()>, Trouble> {
        let sql = "SELECT 1 FROM charge WHERE number = ?";
        Ok(self.0.query_row(sql, [number], |_| Ok(())).optional()?)
    }
}

/// What can go wrong in a call, and what is certain then: said once, for all of them.
pub(crate) enum Trouble {
    No(&'static str),
    Database(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<Trouble> for CallError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::No(why) => Self::refused(why),
            Trouble::Database(error) => Self::unknown(error),
        }
    }
}

/// Makes both databases: seats, and what each buyer has in the bank.
pub(crate) fn make_databases(folder: &Path, seats: u32, accounts: &[(&str, u32)]) -> Outcome {
    let mut railway = Connection::open(folder.join("railway.db"))?;
    railway.execute_batch(
        "CREATE TABLE train (seats INTEGER NOT NULL);
         CREATE TABLE ticket (number INTEGER PRIMARY KEY, buyer TEXT NOT NULL);",
    )?;
    local::rusqlite::create_tables(&mut railway)?;
    railway.execute("INSERT INTO train VALUES (?)", [seats])?;
    let bank = Connection::open(folder.join("bank.db"))?;
    bank.execute_batch(
        "CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER NOT NULL);
         CREATE TABLE charge (number TEXT NOT NULL, account TEXT NOT NULL);",
    )?;
    for account in accounts {
        bank.execute("INSERT INTO account VALUES (?, ?)", *account)?;
    }
    Ok(())
}
