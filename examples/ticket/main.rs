//! Buying a ticket: check what is left, take a seat, charge an account at a bank, issue the ticket.
//! The program is aborted between any two of these, and started again. In the end every seat is
//! either free or issued, and nobody has paid for nothing.
//!
//! `cargo run --release --example ticket`

mod world;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use settled::transaction::Tx;
use settled::{Call, CallError, Failure, RunError, Saga, Settled};
use settled_examples::{Outcome, holds};
use sqlx::SqlitePool;
use world::{Trouble, World, make_databases};

const SEATS: u32 = 5;
const PRICE: u32 = 30;
/// Who wants a ticket, and has how much in the bank.
const BUYERS: [(&str, u32); 7] = [
    ("buyer-1", 100),
    ("buyer-2", 20),
    ("buyer-3", 100),
    ("buyer-4", 100),
    ("buyer-5", 100),
    ("buyer-6", 100),
    ("buyer-7", 100),
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
            let world = call.state();
            let take = async |tx: &Tx<SqlitePool>| {
                let left: u32 = sqlx::query_scalar("SELECT seats FROM train")
                    .fetch_one(tx)
                    .await?;
                if left == 0 {
                    return Err(Trouble::No("sold out"));
                }
                // Check and decrement are one local transaction: ending here, neither happened.
                world.passes(&buyer, "checked");
                sqlx::query("UPDATE train SET seats = seats - 1")
                    .execute(tx)
                    .await?;
                Ok(left)
            };
            world.railway(call.key(), take).await?;
            world.passes(&buyer, "seat taken");
            Ok::<_, CallError>(())
        })
        .compensation(async |call, _buyer, ()| {
            let give_back = async |tx: &Tx<SqlitePool>| {
                sqlx::query("UPDATE train SET seats = seats + 1")
                    .execute(tx)
                    .await?;
                Ok(1)
            };
            call.state().railway(call.key(), give_back).await?;
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
            let issue = async |tx: &Tx<SqlitePool>| {
                let sql = "INSERT INTO ticket (buyer) VALUES (?)";
                let issued = sqlx::query(sql).bind(&buyer).execute(tx).await?;
                Ok(issued.last_insert_rowid() as u32)
            };
            let number = call.state().railway(call.key(), issue).await?;
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
    for (buyer, _) in BUYERS {
        let sold: Result<u32, RunError> = settled.start("buy", buyer).id(buyer).result().await;
        match sold {
            Ok(number) => println!("    {buyer}: ticket {number}"),
            Err(RunError::Compensated { reason, .. }) => {
                println!("    {buyer}: {}", reason.message);
            }
            Err(error) => return Err(error.into()),
        }
    }
    settled.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn story() -> Outcome {
    let folder = tempfile::tempdir()?;
    make_databases(folder.path(), SEATS, &BUYERS)?;
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
