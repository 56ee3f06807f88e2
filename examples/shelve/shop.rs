//! The shop: a service with a database of its own, a job, and one operation on the platform.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use settled::{
    Call, CallError, Failure, Operation, OperationPolicy, Propagation, Saga, Settled, local,
};
use settled_examples::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The job: every few hours, whatever is new goes on the shelf. Each of the goods is an operation of
/// its own, and stays done whatever becomes of the job.
async fn shelve_job(saga: Saga<Shop>, (): ()) -> Result<usize, Failure> {
    let goods: Vec<String> = saga
        .step("new-goods")
        .action(async |call: Call<Shop>, ()| call.state().new_goods())
        .await?;
    for goods in &goods {
        saga.call("shelve", goods)
            .named(goods)
            .propagation(Propagation::RequiresNew)
            .await?;
    }
    Ok(goods.len())
}

/// Putting goods on the shelf. That it was started is on record before the platform is called.
struct Shelve;

impl Operation<Shop> for Shelve {
    type Input = String;
    type Output = String;

    async fn call(&self, call: Call<Shop>, goods: String) -> Result<String, CallError> {
        println!("    call the platform: put the {goods} on the shelf");
        let shelve = format!("shelve {} {goods}", call.key());
        call.state().tell(&shelve).await
    }

    async fn ask(&self, call: Call<Shop>, goods: String) -> Result<Option<String>, CallError> {
        let question = format!("isOperated {}", call.key());
        let answer = call.state().tell(&question).await?;
        let listing = Some(answer).filter(|answer| answer != "no");
        let found = listing.as_ref().map_or("no", |_| "yes");
        println!("    ask the platform: is the {goods} on the shelf? {found}");
        Ok(listing)
    }

    async fn record(
        &self,
        call: Call<Shop>,
        goods: String,
        listing: String,
    ) -> Result<(), CallError> {
        call.state().record(call.key(), &goods, &listing)?;
        println!("    record: the {goods} is on the shelf as {listing}");
        Ok(())
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            timeout: Duration::from_millis(500),
            participant: Some("platform".to_owned()),
            ..OperationPolicy::default()
        }
    }
}

/// Runs the shop until its job is done.
#[tokio::main]
pub(crate) async fn run(folder: &Path, platform: &str) -> Outcome {
    let shop = Shop {
        database: Arc::new(Mutex::new(Connection::open(folder.join("shop.db"))?)),
        platform: platform.into(),
    };
    let settled = Settled::with_state(shop)
        .journal(folder.join("settled.db"))
        .saga("shelve-job", shelve_job)
        .operation("shelve", Shelve)
        .start()?;
    let coordinator = settled.coordinator();
    let schedule = json!({"every": "4h", "saga": {"function": "shelve-job", "input": null}});
    let schedule = schedule.to_string();
    coordinator
        .put_schedule("shelve", schedule.as_bytes())
        .await?;
    // Nobody is to wait four hours here. The same id is the same run, also after a restart.
    let run = coordinator
        .trigger_schedule("shelve", Some("today"))
        .await?;
    let job = settled.start("shelve-job", &()).id(&*run.saga.id);
    let shelved: usize = job.result().await?;
    println!("  the job is done: {shelved} on the shelf");
    settled.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

/// What the job and the operation are given.
#[derive(Clone)]
struct Shop {
    database: Arc<Mutex<Connection>>,
    platform: Arc<str>,
}

impl Shop {
    fn new_goods(&self) -> Result<Vec<String>, CallError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || -> rusqlite::Result<_> {
            database
                .prepare("SELECT name FROM goods WHERE listing IS NULL ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        // Nothing was changed: it can be read again.
        read().map_err(CallError::not_sent)
    }

    /// The goods, how many are on the shelf, and the number under which this is recorded: all in one
    /// transaction, so that what runs again finds the number and does nothing.
    fn record(&self, number: &str, goods: &str, listing: &str) -> Result<(), CallError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = local::rusqlite::once(&mut database, number, |tx| {
            tx.execute(
                "UPDATE goods SET listing = ? WHERE name = ?",
                [listing, goods],
            )?;
            tx.execute("UPDATE shop SET on_shelf = on_shelf + 1", [])?;
            Ok::<_, rusqlite::Error>(())
        });
        recorded.map_err(CallError::unknown)
    }

    /// One line to the platform and one line back.
    async fn tell(&self, line: &str) -> Result<String, CallError> {
        // Whoever could not even connect has certainly not done anything.
        let connected = TcpStream::connect(&*self.platform).await;
        let mut platform = BufReader::new(connected.map_err(CallError::not_sent)?);
        // From here on nobody knows, unless there is an answer.
        let mut answer = String::new();
        let asked = async {
            platform.write_all(format!("{line}\n").as_bytes()).await?;
            platform.read_line(&mut answer).await
        };
        match asked.await {
            Ok(0) => Err(CallError::unknown("the platform hung up")),
            Ok(_) => Ok(answer.trim().to_owned()),
            Err(error) => Err(CallError::unknown(error)),
        }
    }
}

/// Makes the shop's database, with goods that are not on the shelf yet.
pub(crate) fn make_database(folder: &Path, goods: &[&str]) -> Outcome {
    let mut database = Connection::open(folder.join("shop.db"))?;
    database.execute_batch(
        "CREATE TABLE goods (name TEXT PRIMARY KEY, listing TEXT);
         CREATE TABLE shop (on_shelf INTEGER NOT NULL);
         INSERT INTO shop VALUES (0);",
    )?;
    local::rusqlite::create_tables(&mut database)?;
    for goods in goods {
        database.execute("INSERT INTO goods (name) VALUES (?)", [goods])?;
    }
    Ok(())
}
