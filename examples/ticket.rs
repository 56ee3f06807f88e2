//! Buying a ticket: check what is left, take a seat, charge an account at a bank, issue the ticket.
//! The program is aborted between any two of these, and started again. In the end every seat is
//! either free or issued, and nobody has paid for nothing.
//!
//! `cargo run --release --example ticket`

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction};
use settled::{Call, CallError, Failure, RunError, Saga, Settled};
use settled_examples::{Outcome, holds};

const SEATS: u32 = 5;
const PRICE: u32 = 30;
const BUYERS: [&str; 7] = [
    "buyer-1", "buyer-2", "buyer-3", "buyer-4", "buyer-5", "buyer-6", "buyer-7",
];

/// Where the program is aborted: over whom, and after what.
const CRASHES: [(&str, &str); 4] = [
    ("buyer-1", "checked"),
    ("buyer-3", "seat taken"),
    ("buyer-4", "charged"),
    ("buyer-5", "issued"),
];

/// The business action. Taking the seat can be undone, charging is the point of no return.
async fn buy(saga: Saga<World>, buyer: String) -> Result<u32, Failure> {
    saga.step("seat")
        .input(&buyer)
        .action(async |call: Call<World>, buyer: String| {
            call.state().railway(call.key(), |tx| {
                let left: u32 = tx.query_row("SELECT seats FROM train", [], |row| row.get(0))?;
                if left == 0 {
                    return Err(Trouble::No("sold out"));
                }
                // Check and decrement are one local transaction: ending here, neither happened.
                call.state().passes(&buyer, "checked");
                tx.execute("UPDATE train SET seats = seats - 1", [])?;
                Ok(left)
            })?;
            call.state().passes(&buyer, "seat taken");
            Ok::<_, CallError>(())
        })
        .compensation(async |call, _buyer, ()| {
            call.state().railway(call.key(), |tx| {
                Ok(tx.execute("UPDATE train SET seats = seats + 1", [])? as u32)
            })?;
            Ok::<_, CallError>(())
        })
        .await?;

    saga.step("charge")
        .input(&buyer)
        .action(async |call: Call<World>, buyer: String| {
            call.state().bank().charge(call.key(), &buyer)?;
            call.state().passes(&buyer, "charged");
            Ok::<_, CallError>(())
        })
        .check(async |call, _buyer| call.state().bank().was_charged(call.key()))
        .pivot()
        .await?;

    let number = saga
        .step("issue")
        .input(&buyer)
        .action(async |call: Call<World>, buyer: String| {
            let number = call.state().railway(call.key(), |tx| {
                tx.execute("INSERT INTO ticket (buyer) VALUES (?)", [&buyer])?;
                Ok(tx.last_insert_rowid() as u32)
            })?;
            call.state().passes(&buyer, "issued");
            Ok::<_, CallError>(number)
        })
        .await?;
    Ok(number)
}

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        // The ticket office is a process of its own, so that it can end badly.
        [role, folder, crash @ ..] if role == "office" => office(Path::new(folder), crash),
        _ => story(),
    }
}

/// Sells a ticket to each buyer, one after the other. What an earlier run left unfinished goes on.
#[tokio::main]
async fn office(folder: &Path, crash: &[String]) -> Outcome {
    let world = World::open(folder, crash)?;
    let settled = Settled::with_state(world)
        .journal(folder.join("settled.db"))
        .saga("buy", buy)
        .start()?;
    for buyer in BUYERS {
        let sold: Result<u32, RunError> = settled.start("buy", buyer).id(buyer).result().await;
        match sold {
            Ok(number) => println!("    {buyer}: ticket {number}"),
            Err(RunError::Compensated { reason, .. }) => {
                println!("    {buyer}: {}", reason.message)
            }
            Err(error) => return Err(error.into()),
        }
    }
    settled.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn story() -> Outcome {
    let folder = tempfile::tempdir()?;
    make_databases(folder.path())?;
    for (buyer, point) in CRASHES {
        println!("the office opens, and is aborted when {buyer} has come to {point:?}");
        let ended = run_office(folder.path(), &[buyer, point])?;
        holds("it ended without a code", ended, None)?;
    }
    println!("the office opens once more");
    holds(
        "it came to its end",
        run_office(folder.path(), &[])?,
        Some(0),
    )?;

    let (railway, bank) = (
        Connection::open(folder.path().join("railway.db"))?,
        Connection::open(folder.path().join("bank.db"))?,
    );
    let count = |books: &Connection, sql| books.query_row(sql, [], |row| row.get::<_, u32>(0));
    let seats = count(&railway, "SELECT seats FROM train")?;
    let issued = count(&railway, "SELECT count(*) FROM ticket")?;
    let charges = count(&bank, "SELECT count(*) FROM charge")?;
    println!("{seats} seats left, {issued} tickets issued, {charges} charges");
    holds(
        "seats left and tickets issued are what there was",
        seats + issued,
        SEATS,
    )?;
    holds("there are as many charges as tickets", charges, issued)?;
    let paid = bank
        .prepare("SELECT account FROM charge ORDER BY 1")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    holds(
        "paid has who could, once, while there were seats",
        paid.join(" "),
        "buyer-1 buyer-3 buyer-4 buyer-5 buyer-6".to_owned(),
    )
}

fn run_office(folder: &Path, crash: &[&str]) -> std::io::Result<Option<i32>> {
    let mut office = Command::new(std::env::current_exe()?);
    let status = office.arg("office").arg(folder).args(crash).status()?;
    Ok(status.code())
}

/// The railway's own database, and the bank's, which no transaction of the railway's reaches.
#[derive(Clone)]
struct World {
    railway: Arc<Mutex<Connection>>,
    bank: Arc<Mutex<Bank>>,
    crash: Arc<[String]>,
}

impl World {
    fn open(folder: &Path, crash: &[String]) -> rusqlite::Result<Self> {
        let bank = Bank(Connection::open(folder.join("bank.db"))?);
        Ok(Self {
            railway: Arc::new(Mutex::new(Connection::open(folder.join("railway.db"))?)),
            bank: Arc::new(Mutex::new(bank)),
            crash: crash.into(),
        })
    }

    /// Something that happens once for each key: it and its record are one transaction.
    fn railway(
        &self,
        key: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<u32, Trouble>,
    ) -> Result<u32, Trouble> {
        let mut database = self.railway.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = database.transaction()?;
        let known = tx
            .query_row("SELECT result FROM done WHERE key = ?", [key], |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(result) = known {
            return Ok(result);
        }
        let result = work(&tx)?;
        tx.execute("INSERT INTO done VALUES (?, ?)", (key, result))?;
        tx.commit()?;
        Ok(result)
    }

    fn bank(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program ends here and now, if this is where it is to.
    fn passes(&self, buyer: &str, point: &str) {
        if *self.crash == [buyer, point] {
            std::process::abort();
        }
    }
}

/// An outside account. To charge twice is to be charged twice; it can be asked by the number.
struct Bank(Connection);

impl Bank {
    fn charge(&self, number: &str, account: &str) -> Result<(), Trouble> {
        let sql = "SELECT balance FROM account WHERE name = ?";
        let balance: u32 = self.0.query_row(sql, [account], |row| row.get(0))?;
        if balance < PRICE {
            return Err(Trouble::No("there is not enough money in the account"));
        }
        let sql = "INSERT INTO charge (number, account) VALUES (?, ?)";
        self.0.execute(sql, [number, account])?;
        Ok(())
    }

    fn was_charged(&self, number: &str) -> Result<Option<()>, Trouble> {
        let sql = "SELECT 1 FROM charge WHERE number = ?";
        Ok(self.0.query_row(sql, [number], |_| Ok(())).optional()?)
    }
}

/// What can go wrong in a call, and what is certain then: said once, for all of them.
enum Trouble {
    No(&'static str),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
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

fn make_databases(folder: &Path) -> rusqlite::Result<()> {
    let railway = Connection::open(folder.join("railway.db"))?;
    railway.execute_batch(
        "CREATE TABLE train (seats INTEGER NOT NULL);
         CREATE TABLE ticket (number INTEGER PRIMARY KEY, buyer TEXT NOT NULL);
         CREATE TABLE done (key TEXT PRIMARY KEY, result INTEGER NOT NULL);",
    )?;
    railway.execute("INSERT INTO train VALUES (?)", [SEATS])?;
    let bank = Connection::open(folder.join("bank.db"))?;
    bank.execute_batch(
        "CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER NOT NULL);
         CREATE TABLE charge (number TEXT NOT NULL, account TEXT NOT NULL);",
    )?;
    for buyer in BUYERS {
        let balance = if buyer == "buyer-2" { PRICE - 1 } else { PRICE };
        bank.execute("INSERT INTO account VALUES (?, ?)", (buyer, balance))?;
    }
    Ok(())
}
