//! One call that cannot be rolled back, and the program's own database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use settled::{Call, CallError, OnRefusal, Operation, OperationPolicy, Settled};

struct Shelve;

impl Operation<Shop> for Shelve {
    type Input = String;
    type Output = String;

    async fn call(&self, call: Call<Shop>, goods: String) -> Result<String, CallError> {
        call.state().platform.auto_shelve(call.key(), &goods).await
    }

    async fn ask(&self, call: Call<Shop>, _goods: String) -> Result<Option<String>, CallError> {
        call.state().platform.is_operated(call.key()).await
    }

    async fn record(
        &self,
        call: Call<Shop>,
        goods: String,
        listing: String,
    ) -> Result<(), CallError> {
        let recorded = call.state().record(call.key(), &goods, &listing);
        recorded.map_err(CallError::unknown)
    }

    fn policy(&self) -> OperationPolicy {
        OperationPolicy {
            timeout: Duration::from_secs(5),
            on_refusal: OnRefusal::Incident,
            participant: Some("platform".to_owned()),
            ..OperationPolicy::default()
        }
    }
}

#[derive(Clone)]
struct Shop {
    platform: Platform,
    database: Arc<Mutex<Connection>>,
}

impl Shop {
    fn record(&self, key: &str, goods: &str, listing: &str) -> rusqlite::Result<()> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = database.transaction()?;
        let known = tx
            .query_row("SELECT 1 FROM recorded WHERE key = ?", [key], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            tx.execute(
                "UPDATE goods SET listing = ? WHERE name = ?",
                [listing, goods],
            )?;
            tx.execute("INSERT INTO recorded (key) VALUES (?)", [key])?;
        }
        tx.commit()
    }
}

/// A platform that loses its first answer.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<Vec<String>>>);

impl Platform {
    async fn auto_shelve(&self, number: &str, _goods: &str) -> Result<String, CallError> {
        let mut shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelved.push(number.to_owned());
        Err(CallError::unknown("no answer"))
    }

    async fn is_operated(&self, number: &str) -> Result<Option<String>, CallError> {
        let shelved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shelved.iter().any(|done| done == number);
        Ok(found.then(|| "listing-1".to_owned()))
    }
}

async fn run(shop: Shop, journal: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let settled = Settled::with_state(shop)
        .journal(journal)
        .operation("shelve", Shelve)
        .start()?;
    let listing: String = settled
        .start("shelve", "lamp")
        .id("shelve-4711")
        .result()
        .await?;
    assert_eq!(listing, "listing-1");
    settled.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE goods (name TEXT, listing TEXT);
             CREATE TABLE recorded (key TEXT PRIMARY KEY);
             INSERT INTO goods (name) VALUES ('lamp');",
        )
        .unwrap();
    let shop = Shop {
        platform: Platform::default(),
        database: Arc::new(Mutex::new(database)),
    };
    run(shop.clone(), &folder.path().join("settled.db"))
        .await
        .unwrap();
    assert_eq!(
        *shop.platform.0.lock().unwrap(),
        ["shelve-4711/call/action"]
    );
    let listing: String = (shop.database.lock().unwrap())
        .query_row("SELECT listing FROM goods", [], |row| row.get(0))
        .unwrap();
    assert_eq!(listing, "listing-1");
}
