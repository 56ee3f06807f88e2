//! `rusqlite`, which blocks: the same promises without `async`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use settled::local::rusqlite as local;
use settled::local::{LocalError, OnceError, Outbox, OutboxOptions, OutboxRow, SubmitError};
use settled::protocol::Json;

const KEY: &str = "order-1001/stock/action";

struct Service {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Service {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.db");
        let service = Self {
            _folder: folder,
            path,
        };
        let mut connection = service.connection();
        connection
            .execute_batch(
                "PRAGMA journal_mode = wal; CREATE TABLE business (what TEXT);
                 CREATE TABLE parent (id INTEGER PRIMARY KEY);
                 CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);",
            )
            .unwrap();
        local::create_tables(&mut connection).unwrap();
        local::create_tables(&mut connection).unwrap();
        service
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        connection
    }

    fn count(&self, table: &str) -> i64 {
        self.connection()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap()
    }
}

fn write(tx: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    tx.execute("INSERT INTO business VALUES ('x')", [])
        .map(drop)
}

#[test]
fn what_was_done_is_done_once() {
    let service = Service::new();
    let mut connection = service.connection();
    let failed = local::once(&mut connection, KEY, |tx| {
        write(tx).unwrap();
        Err::<u32, _>("no stock")
    });
    assert!(matches!(failed, Err(OnceError::Work("no stock"))));
    assert_eq!(service.count("business"), 0);
    for _ in 0..3 {
        let done = local::once(&mut connection, KEY, |tx| write(tx).map(|()| 7));
        assert_eq!(done.unwrap(), 7);
    }
    assert_eq!(service.count("business"), 1);
    let second = connection.transaction().unwrap();
    assert_eq!(
        local::recorded(&second, KEY).unwrap().unwrap().as_str(),
        "7"
    );
    let error = local::record(&second, KEY, &Json::null()).unwrap_err();
    assert!(
        matches!(error, LocalError::AlreadyRecorded { .. }),
        "{error}"
    );
}

#[test]
fn of_threads_that_race_one_does_it() {
    let service = Arc::new(Service::new());
    let threads: Vec<_> = (0..4)
        .map(|no| {
            let service = Arc::clone(&service);
            std::thread::spawn(move || {
                let mut connection = service.connection();
                local::once(&mut connection, KEY, |tx| write(tx).map(|()| no)).unwrap()
            })
        })
        .collect();
    let mut results: Vec<i32> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    results.dedup();
    assert_eq!(results.len(), 1);
    assert_eq!(service.count("business"), 1);
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let service = Service::new();
    let mut connection = service.connection();
    for _ in 0..2 {
        let done = local::once(&mut connection, KEY, |tx| {
            write(tx)?;
            tx.execute("INSERT INTO child VALUES (1)", []).map(drop)
        });
        assert!(matches!(done, Err(OnceError::Local(_))), "{done:?}");
        assert!(connection.is_autocommit());
        assert_eq!(
            (service.count("business"), service.count("settled_record")),
            (0, 0)
        );
    }
}

#[test]
fn missing_tables_are_told_and_old_records_removed() {
    let service = Service::new();
    let mut connection = service.connection();
    for no in 0..600 {
        local::once(&mut connection, &format!("{no}"), |_| {
            Ok::<_, LocalError>(no)
        })
        .unwrap();
    }
    connection
        .execute_batch("UPDATE settled_record SET recorded_at = '2020-01-01T00:00:00.000Z'")
        .unwrap();
    local::once(&mut connection, KEY, |_| Ok::<_, LocalError>(1)).unwrap();
    assert_eq!(
        local::prune(&connection, Duration::from_hours(1)).unwrap(),
        600
    );
    assert_eq!(service.count("settled_record"), 1);
    connection
        .execute_batch("DROP TABLE settled_record")
        .unwrap();
    let done = local::once(&mut connection, KEY, |_| Ok::<_, LocalError>(1));
    assert!(
        matches!(done, Err(OnceError::Local(LocalError::NoTables(_)))),
        "{done:?}"
    );
    connection
        .execute_batch("UPDATE settled_local SET version = 2")
        .unwrap();
    let error = local::create_tables(&mut connection).unwrap_err();
    assert!(matches!(error, LocalError::Newer { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_submitted_at_once_and_nothing_else() {
    let service = Service::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ids = Arc::clone(&seen);
    let submit = move |row: OutboxRow| {
        ids.lock().unwrap().push(row.id.clone());
        let refused = row.id == "order-0";
        async move {
            if refused {
                return Err(SubmitError::Refused("no".to_owned()));
            }
            Ok(())
        }
    };
    let store = local::OutboxFile::open(&service.path).unwrap();
    let options = OutboxOptions {
        sweep: Duration::from_mins(10),
        ..OutboxOptions::default()
    };
    let outbox = Outbox::start(store, submit, options);
    let mut connection = service.connection();
    for no in 0..4 {
        let tx = connection.transaction().unwrap();
        let row = OutboxRow {
            id: format!("order-{no}"),
            document: Json::parse("{}").unwrap(),
        };
        let position = local::enqueue(&tx, &row).unwrap();
        let token = outbox.handle().pending(position);
        if no == 2 {
            tx.rollback().unwrap();
            token.rolled_back();
        } else {
            tx.commit().unwrap();
            token.committed();
        }
    }
    for _ in 0..5_000 {
        if seen.lock().unwrap().len() == 3 && service.count("settled_outbox") == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    outbox.stop().await;
    assert_eq!(*seen.lock().unwrap(), ["order-0", "order-1", "order-3"]);
    assert_eq!(service.count("settled_outbox WHERE error = 'no'"), 1);
}
