//! A disk without room, files that are not ours, files that are broken, and what a person sees.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use rusqlite::Connection;
use rusqlite::types::Value;
use settled_protocol::{
    AnswerRecord, Decision, Event, Evidence, IncidentKind, Json, LegId, Outcome, Record,
    RequestRecord, Resolution, SagaState, Timestamp,
};

use super::names::{Names, Texts};
use super::search::Way;
use super::{OpenError, SqliteJournal, schema};
use crate::support::{self, Known};
use crate::{
    Append, Appended, CommitError, Journal, Keeper, NewSaga, ReadError, Reader, SagaFilter,
    SagaKey, SagaNo, SagaRow,
};

struct Fixture {
    folder: tempfile::TempDir,
    path: PathBuf,
    random: Rng,
}

impl Fixture {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        Self {
            folder,
            path,
            random: Rng::with_seed(seed),
        }
    }

    fn new_saga(&mut self, no: i64) -> Append {
        let plan = support::plans().remove(0);
        support::new_saga(&mut self.random, SagaNo(no), format!("saga-{no}"), plan)
    }

    /// Stores a saga.
    fn store(&mut self, journal: &mut SqliteJournal, no: i64) -> Known {
        let append = self.new_saga(no);
        let mut known = Known {
            no: append.saga,
            id: format!("saga-{no}"),
            seq: 0,
            chain: 0,
            incidents: 0,
            plan: Arc::clone(&append.plan),
        };
        let answer = journal
            .commit(std::slice::from_ref(&append))
            .unwrap()
            .remove(0);
        let Ok(Appended::Stored { chain }) = answer else {
            panic!("{answer:?}")
        };
        support::stored(&mut known, &append, chain);
        known
    }
}

fn wal(path: &Path) -> PathBuf {
    format!("{}-wal", path.display()).into()
}

#[test]
fn without_room_nothing_is_written_and_with_room_it_goes_on() {
    let mut fixture = Fixture::new(1);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    for no in 1..20 {
        fixture.store(&mut journal, no);
    }
    let pages: i64 = journal
        .connection()
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    journal
        .connection()
        .pragma_update(None, "max_page_count", pages + 2)
        .unwrap();
    let batch: Vec<Append> = (20..200).map(|no| fixture.new_saga(no)).collect();
    for _ in 0..3 {
        let error = journal.commit(&batch).unwrap_err();
        assert!(matches!(error, CommitError::Full(_)), "{error:?}");
        assert!(journal.connection().is_autocommit());
    }
    let mut reader = journal.keeper().reader().unwrap();
    assert!(reader.load(SagaKey::Id("saga-19")).unwrap().is_some());
    assert!(reader.load(SagaKey::Id("saga-20")).unwrap().is_none());
    journal
        .connection()
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    let answers = journal.commit(&batch).unwrap();
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(Appended::Stored { .. })))
    );
    assert!(reader.load(SagaKey::Id("saga-199")).unwrap().is_some());
}

#[test]
fn somebody_elses_lock_is_waited_for_and_then_told() {
    let mut fixture = Fixture::new(2);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    journal
        .connection()
        .busy_timeout(std::time::Duration::from_millis(20))
        .unwrap();
    let other = Connection::open(&fixture.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = [fixture.new_saga(1)];
    assert!(matches!(journal.commit(&batch), Err(CommitError::Busy(_))));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(journal.commit(&batch).is_ok());
}

#[test]
fn a_second_coordinator_is_kept_out() {
    let fixture = Fixture::new(3);
    let first = SqliteJournal::open(&fixture.path).unwrap();
    let error = SqliteJournal::open(&fixture.path).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    let text = error.to_string();
    assert!(
        text.contains("journal.db.lock") && text.contains("stop that one"),
        "{text}"
    );
    drop(first);
    SqliteJournal::open(&fixture.path).unwrap();
}

#[test]
fn what_is_no_journal_of_ours_is_refused_and_left_alone() {
    let fixture = Fixture::new(4);
    let place = |name: &str| fixture.folder.path().join(name);
    let refused = |path: &Path| SqliteJournal::open(path).unwrap_err();

    assert!(matches!(
        refused(fixture.folder.path()),
        OpenError::Directory(_)
    ));
    assert!(matches!(
        refused(&place("missing/journal.db")),
        OpenError::NoDirectory(_)
    ));

    let text = place("notes.txt");
    std::fs::write(&text, "do not lose me").unwrap();
    assert!(matches!(refused(&text), OpenError::NotADatabase(_)));
    assert_eq!(std::fs::read(&text).unwrap(), b"do not lose me");

    let foreign = place("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(connection);
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(refused(&foreign), OpenError::Foreign(_)));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let newer = place("newer.db");
    drop(SqliteJournal::open(&newer).unwrap());
    let connection = Connection::open(&newer).unwrap();
    connection
        .pragma_update(None, "user_version", schema::VERSION + 1)
        .unwrap();
    drop(connection);
    let before = std::fs::read(&newer).unwrap();
    let error = refused(&newer);
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(std::fs::read(&newer).unwrap(), before);

    let readonly = place("readonly.db");
    drop(SqliteJournal::open(&readonly).unwrap());
    std::fs::set_permissions(&readonly, std::fs::Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(refused(&readonly), OpenError::ReadOnly { .. }));

    let broken = place("broken.db");
    drop(SqliteJournal::open(&broken).unwrap());
    let mut bytes = std::fs::read(&broken).unwrap();
    bytes[100..4_000].fill(0xff);
    std::fs::write(&broken, &bytes).unwrap();
    let error = refused(&broken);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_eq!(std::fs::read(&broken).unwrap(), bytes);
}

#[test]
fn an_empty_file_and_a_link_to_one_become_journals() {
    let fixture = Fixture::new(13);
    std::fs::write(&fixture.path, b"").unwrap();
    drop(SqliteJournal::open(&fixture.path).unwrap());
    let version: i64 = Connection::open(&fixture.path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, schema::VERSION);
    // Another name of the same file is locked like the file.
    let link = fixture.folder.path().join("link.db");
    std::os::unix::fs::symlink(&fixture.path, &link).unwrap();
    let first = SqliteJournal::open(&fixture.path).unwrap();
    assert!(matches!(
        SqliteJournal::open(&link),
        Err(OpenError::InUse { .. })
    ));
    drop(first);
    SqliteJournal::open(&link).unwrap();
}

#[test]
fn the_files_are_their_owners_only() {
    let mut fixture = Fixture::new(5);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    fixture.store(&mut journal, 1);
    for end in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{end}", fixture.path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[test]
fn the_settings_are_those_that_were_paid_for() {
    let fixture = Fixture::new(6);
    let journal = SqliteJournal::open(&fixture.path).unwrap();
    let pragma = |name: &str| -> String {
        journal
            .connection()
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
    assert_eq!(pragma("trusted_schema"), "Integer(0)");
    assert_eq!(
        pragma("user_version"),
        format!("Integer({})", schema::VERSION)
    );
    let version: String = journal
        .connection()
        .query_row("SELECT sqlite_version()", [], |row| row.get(0))
        .unwrap();
    let parts: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(
        parts >= vec![3, 51, 3],
        "{version}: before this, two connections can corrupt a log"
    );
}

#[test]
fn numbers_and_the_secret_outlive_what_is_removed() {
    let mut fixture = Fixture::new(7);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    let secret = journal.opened().secret;
    let mut append = fixture.new_saga(41);
    let row = append.row.as_mut().unwrap();
    (row.wake_at, row.settled_at) = (None, Some(Timestamp(0)));
    journal.commit(&[append]).unwrap();
    assert_eq!(journal.prune(Timestamp(1), 10).unwrap(), 1);
    let left: i64 = journal
        .connection()
        .query_row(
            "SELECT (SELECT count(*) FROM saga) + (SELECT count(*) FROM event)
                  + (SELECT count(*) FROM definition)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
    drop(journal);
    let journal = SqliteJournal::open(&fixture.path).unwrap();
    assert_eq!(journal.opened().next_saga, SagaNo(42));
    assert_eq!(journal.opened().secret, secret);
}

#[test]
fn one_damaged_saga_is_told_and_does_not_touch_the_others() {
    let edits = [
        "DELETE FROM event WHERE saga = 2 AND seq = 1",
        "DELETE FROM event WHERE saga = 2",
        "UPDATE event SET data = '{}' WHERE saga = 2 AND seq = 2",
        "UPDATE event SET seq = 9 WHERE saga = 2 AND seq = 2",
        "UPDATE event SET kind = 'other' WHERE saga = 2 AND seq = 2",
        "UPDATE event SET at = CAST(x'ff' AS TEXT) WHERE saga = 2 AND seq = 2",
        "UPDATE event SET hash = hash + 1 WHERE saga = 2 AND seq = 2",
        "UPDATE event SET attempt = -1 WHERE saga = 2 AND seq = 2",
        "UPDATE saga SET name = 'other' WHERE no = 2",
        "UPDATE saga SET state = 'other' WHERE no = 2",
        "UPDATE saga SET created_at = created_at || ' ' WHERE no = 2",
        "UPDATE saga SET deadline_at = '2026' WHERE no = 2",
        "UPDATE saga SET definition = 99 WHERE no = 2",
    ];
    for edit in edits {
        let mut fixture = Fixture::new(8);
        let mut journal = SqliteJournal::open(&fixture.path).unwrap();
        for no in 1..=3 {
            fixture.store(&mut journal, no);
        }
        let editor = Connection::open(&fixture.path).unwrap();
        editor.pragma_update(None, "foreign_keys", false).unwrap();
        assert!(editor.execute(edit, []).unwrap() > 0);
        let mut reader = journal.keeper().reader().unwrap();
        let error = reader.load(SagaKey::No(SagaNo(2))).unwrap_err();
        assert!(
            matches!(&error, ReadError::Damaged { saga, .. } if saga == "saga-2"),
            "{edit}"
        );
        let page = reader.list(&SagaFilter::default(), None, 10).unwrap();
        let fine = page.items.iter().filter(|item| item.is_ok()).count();
        assert_eq!((page.items.len(), fine), (3, 2), "{edit}");
    }
}

/// Whatever becomes of the end of the log: each saga's history is a prefix of what was acknowledged,
/// or the saga or the file is refused. None is shorter in the middle.
#[test]
fn a_torn_or_garbled_log_gives_a_prefix_or_a_refusal() {
    let mut fixture = Fixture::new(9);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    let mut running: Vec<Known> = (1..=10).map(|no| fixture.store(&mut journal, no)).collect();
    // What is in the database itself stays; the log begins anew.
    journal.reopen().unwrap();
    let mut acknowledged = vec![totals(&running)];
    for _ in 0..30 {
        let random = &mut fixture.random;
        let batch: Vec<Append> = running
            .iter()
            .map(|known| support::next(random, known))
            .collect();
        let answers = journal.commit(&batch).unwrap();
        for ((known, append), answer) in running.iter_mut().zip(&batch).zip(answers) {
            let Ok(Appended::Stored { chain }) = answer else {
                panic!("{answer:?}")
            };
            support::stored(known, append, chain);
        }
        acknowledged.push(totals(&running));
    }
    let database = std::fs::read(&fixture.path).unwrap();
    let log = std::fs::read(wal(&fixture.path)).unwrap();
    let mut whole = journal.keeper().reader().unwrap();
    let whole: Vec<_> = running
        .iter()
        .map(|known| whole.load(SagaKey::No(known.no)).unwrap().unwrap().records)
        .collect();

    let (mut prefixes, mut refusals) = (std::collections::BTreeSet::new(), 0);
    for round in 0..150 {
        let copy = fixture.folder.path().join(format!("torn-{round}.db"));
        let mut torn = log.clone();
        let place = fixture.random.usize(..torn.len());
        match round % 3 {
            0 => torn.truncate(place),
            1 => torn[place] ^= 1 << fixture.random.u8(0..8),
            _ => torn[place..].fill(0),
        }
        std::fs::write(&copy, &database).unwrap();
        std::fs::write(wal(&copy), &torn).unwrap();
        let Ok(journal) = SqliteJournal::open(&copy) else {
            refusals += 1;
            continue;
        };
        let mut reader = journal.keeper().reader().unwrap();
        let mut lengths = Vec::new();
        for (known, whole) in running.iter().zip(&whole) {
            let saga = reader.load(SagaKey::No(known.no)).unwrap().unwrap();
            assert!(whole.starts_with(&saga.records), "round {round}");
            lengths.push(saga.records.len());
        }
        let commit = acknowledged.iter().position(|totals| *totals == lengths);
        prefixes.insert(commit.unwrap_or_else(|| panic!("round {round}: half a transaction")));
        // It can be written to as before.
        drop(reader);
    }
    println!("prefixes {prefixes:?}, refusals {refusals}");
    assert!(prefixes.len() > 10);
}

fn totals(running: &[Known]) -> Vec<usize> {
    running.iter().map(|known| known.seq as usize).collect()
}

/// A database that lost a page, or has a bad one: some sagas are told to be damaged, the file is
/// refused, or the bad place was not in use; what is read is what was written.
#[test]
fn a_garbled_database_never_gives_another_history() {
    let mut fixture = Fixture::new(10);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    for no in 1..=40 {
        fixture.store(&mut journal, no);
    }
    let mut reader = journal.keeper().reader().unwrap();
    let load_all = |reader: &mut dyn Reader| -> Vec<_> {
        (1..=40)
            .map(|no| reader.load(SagaKey::No(SagaNo(no))))
            .collect()
    };
    let whole = load_all(&mut *reader);
    drop((reader, journal));
    let database = std::fs::read(&fixture.path).unwrap();
    let (mut read, mut told) = (0, 0);
    for round in 0..150 {
        let copy = fixture.folder.path().join(format!("garbled-{round}.db"));
        let mut garbled = database.clone();
        let place = fixture.random.usize(..garbled.len());
        let length = fixture.random.usize(1..200).min(garbled.len() - place);
        for byte in &mut garbled[place..place + length] {
            *byte = fixture.random.u8(..);
        }
        std::fs::write(&copy, &garbled).unwrap();
        let Ok(journal) = SqliteJournal::open(&copy) else {
            told += 1;
            continue;
        };
        let Ok(mut reader) = journal.keeper().reader() else {
            continue;
        };
        for (found, whole) in load_all(&mut *reader).iter().zip(&whole) {
            match (found, whole) {
                (Ok(Some(found)), Ok(Some(whole))) => {
                    assert_eq!(
                        (&found.records, &found.input),
                        (&whole.records, &whole.input)
                    );
                    assert_eq!((&found.id, &found.name), (&whole.id, &whole.name));
                    read += 1;
                }
                // The way to it may be what was lost.
                (Ok(None) | Err(_), _) => told += 1,
                (found, whole) => panic!("round {round}: {found:?} for {whole:?}"),
            }
        }
    }
    println!("read {read}, told {told}");
    assert!(read > 0 && told > 0);
}

#[test]
fn searches_walk_along_an_index() {
    let fixture = Fixture::new(11);
    let journal = SqliteJournal::open(&fixture.path).unwrap();
    let running = SagaFilter {
        state: Some(SagaState::Running),
        ..SagaFilter::default()
    };
    let compensated = SagaFilter {
        state: Some(SagaState::Compensated),
        ..SagaFilter::default()
    };
    let named = SagaFilter {
        name: Some("refund".to_owned()),
        ..compensated.clone()
    };
    let texts = Texts::new(Names::ALONE);
    let plans = [
        (texts.due.as_str(), "saga_wake"),
        (&texts.next_due, "saga_wake"),
        (&texts.oldest, "saga_settled"),
        (&texts.old, "saga_settled"),
        (&texts.drop_definition, "saga_definition"),
        (
            Way::of(&SagaFilter::default()).query(&texts),
            "saga_created",
        ),
        (Way::of(&running).query(&texts), "saga_settled"),
        (Way::of(&compensated).query(&texts), "saga_compensated"),
        (Way::of(&named).query(&texts), "saga_name"),
        (
            "SELECT count(*) FROM incident WHERE state = 'open'",
            "incident_open",
        ),
        (
            "SELECT * FROM incident WHERE no < ?1 AND state = 'open' ORDER BY no DESC",
            "incident_open",
        ),
    ];
    for (sql, index) in plans {
        let mut statement = journal
            .connection()
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = statement.raw_query();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>(3).unwrap();
            plan += "; ";
        }
        assert!(plan.contains(index), "{sql}: {plan}");
        let scans = plan.contains("SCAN saga") || plan.contains("TEMP B-TREE");
        assert!(!scans, "{sql}: {plan}");
    }
}

/// What a person finds who opens the file with `sqlite3`.
#[test]
fn the_tables_can_be_read_by_people() {
    let fixture = Fixture::new(12);
    let mut journal = SqliteJournal::open(&fixture.path).unwrap();
    let at = |seconds: i64| Timestamp(support::arbitrary::EPOCH + seconds * 1_000_000);
    let json = |text: &str| Json::parse(text).unwrap();
    let leg = LegId::compensation(0);
    let request = Arc::new(RequestRecord {
        method: "POST".to_owned(),
        url: "http://stock.local/add".to_owned(),
        headers: vec![("x-a".to_owned(), "b".to_owned())],
        body: Some(json(r#"{"items": ["A"]}"#)),
    });
    let answer = AnswerRecord {
        outcome: Outcome::Refused,
        status: Some(409),
        headers: Vec::new(),
        body: Some(json(r#"{"error": "no \"A\""}"#)),
        error: None,
    };
    let events = [
        Event::Submitted {
            deadline_at: Some(at(30)),
            trace: None,
        },
        Event::AttemptStarted {
            leg,
            attempt: 1,
            request: Arc::clone(&request),
        },
        Event::AttemptEnded {
            leg,
            attempt: 1,
            answer: answer.clone(),
            again_at: at(2),
            arrives_until: at(3),
        },
        Event::IncidentOpened {
            incident: 1,
            leg,
            kind: IncidentKind::Refused,
            evidence: Evidence {
                request: Some(request),
                answer: Some(answer),
                error: "the participant refused".to_owned(),
                attempts: 1,
            },
        },
        Event::IncidentResolved {
            incident: 1,
            leg,
            resolution: Resolution {
                decision: Decision::Done,
                note: "put back by hand".to_owned(),
                by: "ann".to_owned(),
                result: None,
                body: None,
            },
        },
    ];
    let records = (0..).zip(events).map(|(n, event)| Record {
        seq: n + 1,
        at: at(n.into()),
        event,
    });
    let (plan, definition) = support::plans().remove(0);
    let new = NewSaga {
        id: "order-1001".to_owned(),
        name: "create-order".to_owned(),
        input: json(r#"{"user": 7}"#),
        definition,
        definition_digest: [1; 32],
        fingerprint: [2; 32],
        submitted_by: None,
        created_at: at(0),
        deadline_at: Some(at(30)),
    };
    let row = SagaRow {
        state: SagaState::Compensating,
        wake_at: Some(at(0)),
        settled_at: None,
    };
    let append = Append {
        saga: SagaNo(1),
        plan,
        new: Some(Box::new(new)),
        records: records.collect(),
        chain: 0,
        row: Some(row),
    };
    journal.commit(&[append]).unwrap();
    let reader = Connection::open(&fixture.path).unwrap();
    let select = |sql: &str| -> Vec<String> {
        let mut statement = reader.prepare(sql).unwrap();
        let columns = statement.column_count();
        let line = |row: &rusqlite::Row<'_>| {
            (0..columns)
                .map(|column| row.get::<_, Value>(column).map(shown))
                .collect::<Result<Vec<_>, _>>()
                .map(|values| values.join("|"))
        };
        statement
            .query_map([], line)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    assert_eq!(
        select(
            "SELECT no, id, name, state, created_at, deadline_at, wake_at, settled_at FROM saga"
        ),
        [
            "1|order-1001|create-order|compensating|2020-01-01T00:00:00.000000Z|\
          2020-01-01T00:00:30.000000Z|2020-01-01T00:00:00.000000Z|"
        ],
    );
    assert_eq!(
        select("SELECT seq, at, kind, step, direction, attempt, outcome, data FROM history"),
        [
            r#"1|2020-01-01T00:00:00.000000Z|submitted|||||{"input":{"user": 7},"deadline_at":"2020-01-01T00:00:30.000000Z"}"#,
            r#"2|2020-01-01T00:00:01.000000Z|attempt_started|stock|compensation|1||{"method":"POST","url":"http://stock.local/add","headers":[["x-a","b"]],"body":{"items": ["A"]}}"#,
            r#"3|2020-01-01T00:00:02.000000Z|attempt_ended|stock|compensation|1|refused|{"status":409,"body":{"error": "no \"A\""},"arrives_until":"2020-01-01T00:00:03.000000Z"}"#,
            r#"4|2020-01-01T00:00:03.000000Z|incident_opened|stock|compensation||refused|{"incident":1,"attempts":1,"error":"the participant refused","request":{"method":"POST","url":"http://stock.local/add","headers":[["x-a","b"]],"body":{"items": ["A"]}},"answer":{"outcome":"refused","status":409,"body":{"error": "no \"A\""}}}"#,
            r#"5|2020-01-01T00:00:04.000000Z|incident_resolved|stock|compensation||done|{"incident":1,"by":"ann","note":"put back by hand"}"#,
        ],
    );
    assert_eq!(
        select(
            "SELECT id, saga, step, direction, kind, participant, request_url, request, response,
                    error, opened_at, state, decision, note, resolved_by, resolved_at FROM incident"
        ),
        [r#"order-1001~1|order-1001|stock|compensation|refused|stock.local:80|http://stock.local/add|{"method":"POST","headers":{"x-a":"b"},"body":{"items": ["A"]}}|{"status":409,"body":{"error": "no \"A\""}}|the participant refused|2020-01-01T00:00:03.000000Z|resolved|done|put back by hand|ann|2020-01-01T00:00:04.000000Z"#],
    );
    assert_eq!(
        select("SELECT * FROM attempt"),
        [
            r#"order-1001|stock|compensation|1|2020-01-01T00:00:01.000000Z|2020-01-01T00:00:02.000000Z|refused|POST|http://stock.local/add|{"items":["A"]}|409|{"error":"no \"A\""}|"#
        ],
    );
    assert_eq!(
        select("SELECT id, name, state, input FROM submission"),
        [r#"order-1001|create-order|compensating|{"user":7}"#],
    );
}

fn shown(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}
