//! The journal within somebody else's database: it leaves theirs alone, and gets along with others
//! who write to it.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rusqlite::Connection;
use settled_protocol::SagaState;

use super::names::{Names, Texts};
use super::search::Way;
use super::{OpenError, SqliteJournal, schema};
use crate::support;
use crate::{
    Append, Appended, CommitError, Committer, Journal, Keeper, SagaFilter, SagaKey, SagaNo,
};

struct Fixture {
    folder: tempfile::TempDir,
    path: PathBuf,
    random: Rng,
}

impl Fixture {
    /// A service's database, with a header and a table of its own.
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.db");
        let service = Connection::open(&path).unwrap();
        service
            .execute_batch(
                "PRAGMA application_id = 77; PRAGMA user_version = 12;
                 CREATE TABLE saga (mine TEXT); CREATE INDEX saga_wake ON saga (mine);
                 INSERT INTO saga VALUES ('a row of the service');",
            )
            .unwrap();
        Self {
            folder,
            path,
            random: Rng::with_seed(seed),
        }
    }

    fn service(&self) -> Connection {
        let service = Connection::open(&self.path).unwrap();
        service.busy_timeout(Duration::from_secs(10)).unwrap();
        service
    }

    fn new_saga(&mut self, no: i64) -> Append {
        let plan = support::plans().remove(0);
        support::new_saga(&mut self.random, SagaNo(no), format!("saga-{no}"), plan)
    }
}

fn names(connection: &Connection) -> Vec<String> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn what_is_the_services_is_left_alone() {
    let mut fixture = Fixture::new(1);
    let mut journal = SqliteJournal::open_within(&fixture.path).unwrap();
    let secret = journal.opened().secret;
    let batch = [fixture.new_saga(41)];
    journal.commit(&batch).unwrap();
    let service = fixture.service();
    let number = |pragma: &str| -> i64 {
        service
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    assert_eq!((number("application_id"), number("user_version")), (77, 12));
    let row: String = service
        .query_row("SELECT mine FROM saga", [], |row| row.get(0))
        .unwrap();
    assert_eq!(row, "a row of the service");
    let (ours, theirs): (Vec<String>, Vec<String>) = names(&service)
        .into_iter()
        .partition(|name| name.starts_with("settled_"));
    assert_eq!(theirs, ["saga", "saga_wake"]);
    for name in [
        "saga",
        "event",
        "incident",
        "attempt",
        "history",
        "submission",
    ] {
        assert!(ours.contains(&format!("settled_{name}")), "{ours:?}");
    }
    // What people look into.
    for (view, least) in [
        ("submission", 1),
        ("history", 2),
        ("attempt", 0),
        ("incident", 0),
    ] {
        let rows: i64 = service
            .query_row(&format!("SELECT count(*) FROM settled_{view}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(rows >= least, "{view}: {rows}");
    }
    drop(journal);
    let journal = SqliteJournal::open_within(&fixture.path).unwrap();
    assert_eq!(journal.opened().next_saga, SagaNo(42));
    assert_eq!(journal.opened().secret, secret);
}

#[test]
fn an_empty_place_becomes_a_database_with_a_journal_within() {
    let fixture = Fixture::new(2);
    let path = fixture.folder.path().join("new.db");
    drop(SqliteJournal::open_within(&path).unwrap());
    let service = Connection::open(&path).unwrap();
    let application: i64 = service
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .unwrap();
    assert_eq!(application, 0);
    service.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(SqliteJournal::open_within(&path).unwrap());
    assert!(matches!(
        SqliteJournal::open(&path),
        Err(OpenError::Foreign(_))
    ));
}

#[test]
fn what_it_cannot_share_is_refused_and_left_alone() {
    let fixture = Fixture::new(3);
    let refused = |path: &Path| SqliteJournal::open_within(path).unwrap_err();

    let alone = fixture.folder.path().join("alone.db");
    drop(SqliteJournal::open(&alone).unwrap());
    let error = refused(&alone);
    assert!(matches!(error, OpenError::Alone(_)), "{error}");
    assert!(!names(&Connection::open(&alone).unwrap()).contains(&"settled_meta".to_owned()));

    let text = fixture.folder.path().join("notes.txt");
    std::fs::write(&text, "do not lose me, I am no database at all").unwrap();
    assert!(matches!(refused(&text), OpenError::NotADatabase(_)));

    let service = fixture.service();
    service
        .execute_batch("CREATE TABLE settled_meta (mine TEXT)")
        .unwrap();
    assert!(matches!(refused(&fixture.path), OpenError::Taken(_)));
    service
        .execute_batch("DROP TABLE settled_meta; CREATE TABLE settled_event (mine TEXT)")
        .unwrap();
    let before = names(&service);
    let error = refused(&fixture.path);
    assert!(error.to_string().contains("settled_event"), "{error}");
    assert_eq!(names(&service), before, "all of it or nothing");
    service.execute_batch("DROP TABLE settled_event").unwrap();

    let journal = SqliteJournal::open_within(&fixture.path).unwrap();
    let error = refused(&fixture.path);
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(journal);
    let newer = (schema::VERSION + 1).to_string();
    service
        .execute(
            "UPDATE settled_meta SET value = ?1 WHERE name = 'version'",
            [newer],
        )
        .unwrap();
    let error = refused(&fixture.path);
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
}

#[test]
fn a_file_without_a_log_gets_one_unless_somebody_is_in_it() {
    let fixture = Fixture::new(4);
    let mut service = fixture.service();
    let transaction = service.transaction().unwrap();
    let _: i64 = transaction
        .query_row("SELECT count(*) FROM saga", [], |row| row.get(0))
        .unwrap();
    let error = SqliteJournal::open_within(&fixture.path).unwrap_err();
    assert!(matches!(error, OpenError::NoLog(_)), "{error}");
    drop(transaction);
    drop(SqliteJournal::open_within(&fixture.path).unwrap());
    let mode: String = fixture
        .service()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

/// To close a file gives up all locks that the process has on it. Whoever has the database open in
/// the same process must keep his.
#[cfg(target_os = "linux")]
#[test]
fn opening_takes_nobodys_locks_away() {
    use std::os::unix::fs::MetadataExt;

    let fixture = Fixture::new(5);
    drop(SqliteJournal::open_within(&fixture.path).unwrap());
    let service = fixture.service();
    let _: i64 = service
        .query_row("SELECT count(*) FROM saga", [], |row| row.get(0))
        .unwrap();
    let inode = format!(":{} ", std::fs::metadata(&fixture.path).unwrap().ino());
    let locks = || -> Vec<String> {
        let process = format!(" {} ", std::process::id());
        std::fs::read_to_string("/proc/locks")
            .unwrap()
            .lines()
            .filter(|line| line.contains("POSIX") && line.contains(&process))
            .filter(|line| line.contains(&inode))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        locks().len(),
        1,
        "it reads along a log: one lock on the file"
    );
    let mut journal = SqliteJournal::open_within(&fixture.path).unwrap();
    assert!(!locks().is_empty(), "opening took the service's lock away");
    SqliteJournal::open_within(&fixture.path).unwrap_err();
    SqliteJournal::open(&fixture.path).unwrap_err();
    assert!(
        !locks().is_empty(),
        "a second opening took the service's lock away"
    );
    journal.reopen().unwrap();
    assert!(
        !locks().is_empty(),
        "reopening took the service's lock away"
    );
}

/// A connection that writes all the time, one that holds the write lock for a second, and one that
/// changes the schema: every commit of the journal succeeds, and so does every one of theirs.
#[test]
fn others_write_to_the_same_file_at_the_same_time() {
    let mut fixture = Fixture::new(6);
    let journal = SqliteJournal::open_within(&fixture.path).unwrap();
    let keeper = journal.keeper();
    let done = Arc::new(AtomicBool::new(false));
    let busy = {
        let (service, done) = (fixture.service(), Arc::clone(&done));
        thread::spawn(move || {
            let mut rows = 0;
            while !done.load(Ordering::Relaxed) {
                service
                    .execute("INSERT INTO saga (mine) VALUES (?1)", [rows.to_string()])
                    .unwrap();
                rows += 1;
                // SQLite's lock is not a fair one: whoever takes it again at once starves the others.
                thread::sleep(Duration::from_micros(200));
            }
            rows
        })
    };
    let holder = {
        let service = fixture.service();
        thread::spawn(move || {
            service.execute_batch("BEGIN IMMEDIATE").unwrap();
            service
                .execute("INSERT INTO saga VALUES ('held')", [])
                .unwrap();
            thread::sleep(Duration::from_secs(1));
            service
                .execute_batch("COMMIT; CREATE TABLE later (x); ALTER TABLE saga ADD COLUMN more")
                .unwrap();
        })
    };
    let mut committer = Committer::new(Box::new(journal));
    let began = Instant::now();
    let mut stored = 0;
    for no in 1.. {
        committer.push(no, fixture.new_saga(no));
        let beginning = Instant::now();
        while !committer.is_idle() {
            for (no, fate) in committer.step().answers {
                assert!(
                    matches!(fate, Ok(Appended::Stored { .. })),
                    "{no}: {fate:?}"
                );
                stored = no;
            }
        }
        // The lock is free half of the time, so that nobody starves where syncing is slow.
        thread::sleep(beginning.elapsed().min(Duration::from_millis(200)));
        if holder.is_finished() && stored >= 10 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{stored}");
    }
    done.store(true, Ordering::Relaxed);
    holder.join().unwrap();
    let rows: i32 = busy.join().unwrap();
    println!("{stored} sagas beside {rows} rows");
    assert!(rows > 0);
    let mut reader = keeper.reader().unwrap();
    for no in 1..=stored {
        assert!(reader.load(SagaKey::No(SagaNo(no))).unwrap().is_some());
    }
    let count: i32 = fixture
        .service()
        .query_row("SELECT count(*) FROM saga", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, rows + 2);
}

/// Opening anew is how a commit in doubt is found out: it must not fail because the service reads or
/// writes.
#[test]
fn it_is_opened_anew_while_others_read_and_write() {
    let mut fixture = Fixture::new(7);
    let mut journal = SqliteJournal::open_within(&fixture.path).unwrap();
    journal.commit(&[fixture.new_saga(1)]).unwrap();
    let mut reading = fixture.service();
    let transaction = reading.transaction().unwrap();
    let _: i64 = transaction
        .query_row("SELECT count(*) FROM saga", [], |row| row.get(0))
        .unwrap();
    // He stands where the log ends: all of it can be moved, but it cannot be cut off.
    journal.reopen().unwrap();
    drop(transaction);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (service, done) = (fixture.service(), Arc::clone(&done));
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                service
                    .execute("INSERT INTO saga VALUES ('x')", [])
                    .unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        })
    };
    for _ in 0..10 {
        journal.reopen().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(journal.last_seq(SagaNo(1)).unwrap(), 2);
}

#[test]
fn a_lock_that_is_held_for_too_long_is_told_and_outlasted() {
    let mut fixture = Fixture::new(8);
    let mut journal = SqliteJournal::open_within(&fixture.path).unwrap();
    journal
        .connection()
        .busy_timeout(Duration::from_millis(20))
        .unwrap();
    let service = fixture.service();
    service.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = [fixture.new_saga(1)];
    assert!(matches!(journal.commit(&batch), Err(CommitError::Busy(_))));
    service.execute_batch("ROLLBACK").unwrap();
    assert!(journal.commit(&batch).is_ok());
}

#[test]
fn searches_walk_along_the_journals_own_indexes() {
    let fixture = Fixture::new(9);
    let journal = SqliteJournal::open_within(&fixture.path).unwrap();
    let running = SagaFilter {
        state: Some(SagaState::Running),
        ..SagaFilter::default()
    };
    let texts = Texts::new(Names::WITHIN);
    let plans = [
        (texts.due.as_str(), "settled_saga_wake"),
        (&texts.next_due, "settled_saga_wake"),
        (&texts.oldest, "settled_saga_settled"),
        (&texts.old, "settled_saga_settled"),
        (&texts.drop_definition, "settled_saga_definition"),
        (Way::of(&running).query(&texts), "settled_saga_settled"),
        (&texts.tail, "settled_event_saga"),
        (&texts.open_incidents, "settled_incident_open"),
    ];
    for (sql, index) in plans {
        let plan: Vec<String> = journal
            .connection()
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .raw_query()
            .mapped(|row| row.get(3))
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan.join("; ").contains(index), "{sql}: {plan:?}");
    }
}
