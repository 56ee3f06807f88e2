//! The real server over files that are torn, locked, read-only or from the future: it starts on what
//! is whole, or says on one line why not, and changes nothing.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod killed_support;

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::Connection;

use self::killed_support::disk::Disk;
use self::killed_support::judge;
use self::killed_support::rig::{Rig, seed};
use self::killed_support::server::{End, Manner, Server};
use self::killed_support::skip::skip;
use self::killed_support::strace::is_root;

/// The exit status for a journal that cannot be opened.
const CANNOT_START: i32 = 6;

/// A journal with some work in it, left by a server that was asked to end.
fn worked_on(rig: &mut Rig) {
    let mut server = rig.start();
    rig.open_for(3);
    sleep(Duration::from_millis(400));
    assert!(server.terminate().status.success());
    rig.gone();
}

/// The end of a server that must not start.
fn refused(rig: &mut Rig) -> End {
    match rig.try_start(&Manner::default()) {
        Ok(_) => panic!("it started"),
        Err(end) => end,
    }
}

fn must_say(end: &End, words: &str) {
    assert_eq!(end.status.code(), Some(CANNOT_START), "{end:?}");
    assert_eq!(end.said.trim().lines().count(), 1, "{end:?}");
    assert!(end.complaint().contains(words), "{end:?}");
}

#[test]
fn a_second_server_is_kept_out() {
    let mut rig = Rig::new(seed("a_second_server_is_kept_out"));
    let mut first = rig.start();
    rig.open_for(3);
    must_say(&refused(&mut rig), "another process is using it");
    assert!(!first.has_ended());
    rig.close(Duration::from_secs(30));
    assert!(first.terminate().status.success());
    rig.judge(true)
        .must_be_clean("a_second_server_is_kept_out", rig.seed);
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let mut rig = Rig::new(seed("a_journal_of_a_newer_version_is_left_alone"));
    worked_on(&mut rig);
    let journal = rig.journal.clone();
    let connection = Connection::open(&journal).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    let before = std::fs::read(&journal).unwrap();
    must_say(&refused(&mut rig), "its schema is version 99");
    assert!(std::fs::read(&journal).unwrap() == before);
}

#[test]
fn a_journal_that_cannot_be_written_is_left_alone() {
    let name = "a_journal_that_cannot_be_written_is_left_alone";
    let mut disk = None;
    let mut rig = Rig::at(seed(name), |folder| {
        // For root no file is read-only, but a disk can be.
        disk = Some(Disk::mount(&folder.join("disk"), 8));
        folder.join("disk").join("settled.db")
    });
    let disk = match disk {
        Some(Ok(disk)) => Some(disk),
        Some(Err(why)) if is_root() => return skip(name, &why),
        _ => None,
    };
    worked_on(&mut rig);
    let journal = rig.journal.clone();
    let before = std::fs::read(&journal).unwrap();
    match &disk {
        Some(disk) => disk.make_read_only(),
        None => std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o400)).unwrap(),
    }
    must_say(&refused(&mut rig), "it cannot be written to");
    assert!(std::fs::read(&journal).unwrap() == before);
}

#[test]
fn a_torn_log_gives_a_prefix_or_a_refusal() {
    let name = "a_torn_log_gives_a_prefix_or_a_refusal";
    let seed = seed(name);
    let mut rng = Rng::with_seed(seed);
    let mut rig = Rig::new(seed);
    rig.open(12);
    let mut server = rig.start();
    sleep(Duration::from_millis(1_200));
    server.kill();
    rig.gone();
    let killed_at = rig.office.clock.now();
    let folder = tempfile::tempdir().unwrap();
    let copies: Vec<PathBuf> = (0..10)
        .map(|case| {
            torn_copy(
                &rig.journal,
                &folder.path().join(case.to_string()),
                &mut rng,
            )
        })
        .collect();
    let mut found = Vec::new();
    let whole: HashMap<String, _> = judge::read(&rig.journal, &mut found)
        .into_iter()
        .map(|one| (one.saga.id.clone(), one.saga.records))
        .collect();
    assert!(found.is_empty(), "{found:?}");
    assert!(whole.len() > 12, "{} sagas", whole.len());
    let mut outcomes = Vec::new();
    for copy in copies {
        // Nobody is called: this is about what is read.
        let manner = Manner {
            options: ["--allow-participant", "nowhere.invalid"]
                .map(str::to_owned)
                .to_vec(),
            ..Manner::default()
        };
        let mut server = Server::spawn(&copy, copy.with_extension("log"), &manner);
        if let Err(end) = server.wait_ready() {
            must_say(&end, "damaged");
            outcomes.push("refused".to_owned());
            continue;
        }
        sleep(Duration::from_millis(150));
        let end = server.terminate();
        assert!(end.status.success(), "seed {seed}: {end:?}");
        assert!(!end.said.contains("panicked"), "seed {seed}: {end:?}");
        let mut found = Vec::new();
        let torn = judge::read(&copy, &mut found);
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        let mut kept = 0;
        for one in &torn {
            let whole = &whole[&one.saga.id];
            let old = one.saga.records.iter();
            let old: Vec<_> = old.filter(|record| record.at <= killed_at).collect();
            assert!(
                old.len() <= whole.len() && old.iter().zip(whole).all(|(a, b)| *a == b),
                "seed {seed}: {} is no prefix of what it was",
                one.saga.id
            );
            kept += old.len();
        }
        outcomes.push(format!("{} sagas, {kept} records", torn.len()));
    }
    let all: usize = whole.values().map(Vec::len).sum();
    println!(
        "{name}: of {} sagas, {all} records: {outcomes:?}",
        whole.len()
    );
}

/// A copy of a journal with its log cut, or with a bit turned in the later half of it.
fn torn_copy(journal: &Path, to: &Path, rng: &mut Rng) -> PathBuf {
    std::fs::create_dir_all(to).unwrap();
    let copy = to.join("settled.db");
    std::fs::copy(journal, &copy).unwrap();
    let mut log = std::fs::read(journal.with_extension("db-wal")).unwrap();
    assert!(log.len() > 8_192, "{} bytes of log", log.len());
    if rng.bool() {
        log.truncate(rng.usize(0..log.len()));
    } else {
        let at = rng.usize(log.len() / 2..log.len());
        log[at] ^= 1 << rng.u8(0..8);
    }
    std::fs::write(copy.with_extension("db-wal"), log).unwrap();
    copy
}
