//! A call that cannot be rolled back: a job puts goods on a platform's shelf. The platform loses
//! answers and does not answer at all, and the shop is killed between the call and its record. All
//! the same nothing is shelved twice, and the shop's own database ends right.
//!
//! `cargo run --release --example shelve`

mod platform;
mod shop;

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use platform::Platform;
use rusqlite::Connection;
use settled_examples::{Outcome, holds};

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        // The shop is a process of its own, so that it can be killed.
        [role, folder, platform] if role == "shop" => shop::run(Path::new(folder), platform),
        _ => story(),
    }
}

fn story() -> Outcome {
    let folder = tempfile::tempdir()?;
    let platform = Platform::open()?;
    shop::make_database(folder.path(), &["kettle", "lamp", "mug", "tray"])?;

    println!("the shop starts; the platform will kill it over the mug");
    let first = run_shop(folder.path(), &platform)?;
    println!("the shop is gone ({first}) and starts again");
    let second = run_shop(folder.path(), &platform)?;

    holds(
        "the shop was killed: it ended without a code",
        first.code(),
        None,
    )?;
    holds("the second time it came to its end", second.code(), Some(0))?;
    let books = platform.books();
    holds(
        "each of the goods is on the shelf once",
        books.shelf.join(" "),
        "kettle lamp mug tray".to_owned(),
    )?;
    holds(
        "called again was only the one for which the platform said no",
        books.calls.join(" "),
        "kettle lamp mug tray tray".to_owned(),
    )?;
    holds(
        "the platform was asked about the three others",
        books.asks,
        3,
    )?;
    let database = Connection::open(folder.path().join("shop.db"))?;
    let ended: (u32, u32) = database.query_row(
        "SELECT (SELECT count(*) FROM goods WHERE listing IS NOT NULL), on_shelf FROM shop",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    holds("the shop's own database knows of four", ended, (4, 4))
}

fn run_shop(folder: &Path, platform: &Platform) -> std::io::Result<ExitStatus> {
    let shop = Command::new(std::env::current_exe()?)
        .arg("shop")
        .arg(folder)
        .arg(platform.address().to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    platform.wait_for(shop)
}
