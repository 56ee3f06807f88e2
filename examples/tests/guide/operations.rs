//! One call that cannot be rolled back, and the program's own database.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use settled::local::{self, OperationOptions, OutboxOptions};
use settled::transaction::{Error, Transactions};
use settled::{Call, CallError, OnRefusal, Operation, OperationPolicy, Operations, Settled};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

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
        call.state().record(call.key(), &goods, &listing)
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
    fn record(&self, key: &str, goods: &str, listing: &str) -> Result<(), CallError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = local::rusqlite::once(&mut database, key, |tx| {
            tx.execute(
                "UPDATE goods SET listing = ? WHERE name = ?",
                [listing, goods],
            )?;
            Ok::<_, rusqlite::Error>(())
        });
        // Nothing was committed, or nobody knows: either way the key tells when it is done again.
        recorded.map_err(CallError::unknown)
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

async fn run(shop: Shop, journal: &Path) -> Result<(), Box<dyn std::error::Error>> {
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

async fn with_the_write(settled: &Settled, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut database = Connection::open(path)?;
    local::rusqlite::create_tables(&mut database)?;
    // Once, when the program starts; kept for as long as it runs.
    let store = local::rusqlite::OutboxFile::open(path)?;
    let outbox = settled.outbox(store, OutboxOptions::default());

    let row = settled.start("shelve", "lamp").id("shelve-4712").row()?;
    let tx = database.transaction()?;
    tx.execute("INSERT INTO goods (name) VALUES ('lamp')", [])?;
    let position = local::rusqlite::enqueue(&tx, &row)?;
    tx.commit()?;
    outbox.handle().pending(position).committed();

    outbox.stop().await;
    Ok(())
}

/// The business action around the call: what it writes commits together with the operation's result.
async fn sell(
    books: &Transactions<SqlitePool>,
    operations: &Operations<SqlitePool>,
    platform: &Platform,
) -> Result<(), Error> {
    // On SQLite the start record comes before the transaction's first write.
    let scope = books.required().deferred();
    scope
        .run(async |tx| {
            let listing: String = operations
                .start("shelve", "lamp")
                .number("shelve-4713")
                .perform(async |key| platform.auto_shelve(key, "lamp").await)
                .await?;
            let sql = "UPDATE goods SET listing = ? WHERE name = 'lamp'";
            sqlx::query(sql).bind(listing).execute(tx).await?;
            Ok(())
        })
        .await
}

fn database(path: &Path) -> Connection {
    let mut database = Connection::open(path).expect("a database can be opened");
    local::rusqlite::create_tables(&mut database).expect("tables can be made");
    let goods = "CREATE TABLE goods (name TEXT, listing TEXT);
                 INSERT INTO goods (name) VALUES ('lamp');";
    database.execute_batch(goods).expect("tables can be made");
    database
}

#[tokio::test]
async fn a_lost_answer_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop {
        platform: Platform::default(),
        database: Arc::new(Mutex::new(database(&folder.path().join("shop.db")))),
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

#[tokio::test]
async fn a_saga_is_started_with_the_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let shop = Shop {
        platform: Platform::default(),
        database: Arc::new(Mutex::new(database(&path))),
    };
    let settled = Settled::with_state(shop)
        .journal(folder.path().join("settled.db"))
        .operation("shelve", Shelve)
        .start()
        .unwrap();
    with_the_write(&settled, &path).await.unwrap();
    // The outbox may have ended before it came to the row: then the next one does.
    let store = local::rusqlite::OutboxFile::open(&path).unwrap();
    let outbox = settled.outbox(store, OutboxOptions::default());
    let shelved = async {
        while settled
            .coordinator()
            .saga("shelve-4712")
            .await
            .unwrap()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shelved)
        .await
        .unwrap();
    outbox.stop().await;
    settled.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_call_within_a_transaction_is_settled_when_its_answer_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let shop = Shop {
        platform: Platform::default(),
        database: Arc::new(Mutex::new(database(&path))),
    };
    let settled = Settled::with_state(shop.clone())
        .journal(folder.path().join("settled.db"))
        .operation("shelve", Shelve)
        .start()
        .unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let books = Transactions::new(pool.clone());
    let outbox = settled.outbox(pool, OutboxOptions::default());
    let operations = settled.operations(&books, &outbox, OperationOptions::default());
    let error = sell(&books, &operations, &shop.platform).await.unwrap_err();
    assert!(error.to_string().contains("is not known"), "{error}");
    let recorded = async {
        loop {
            let sql = "SELECT listing FROM goods";
            let listing: Option<String> = sqlx::query_scalar(sql).fetch_one(&books).await.unwrap();
            match listing {
                Some(listing) => return listing,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let listing = tokio::time::timeout(Duration::from_secs(30), recorded);
    assert_eq!(listing.await.unwrap(), "listing-1");
    assert_eq!(
        *shop.platform.0.lock().unwrap(),
        ["shelve-4713/call/action"]
    );
    outbox.stop().await;
    settled.shutdown(Duration::from_secs(1)).await;
}
