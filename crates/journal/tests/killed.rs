//! A process that is killed gives its lock up, and what it was told is stored is there.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use settled_journal::{
    Appended, Committer, Journal, Keeper, OpenError, SagaKey, SagaNo, SqliteJournal,
};

const CHILD: &str = "SETTLED_JOURNAL_TEST_CHILD";

/// Not a test by itself: what the other one starts as a process of its own.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let journal = SqliteJournal::open(Path::new(&path)).unwrap();
    let mut random = Rng::with_seed(1);
    let first = journal.opened().next_saga.0;
    let mut committer = Committer::new(Box::new(journal));
    for no in first.. {
        let plan = support::plans().remove(0);
        let append = support::new_saga(&mut random, SagaNo(no), format!("saga-{no}"), plan);
        committer.push(no, append);
        while !committer.is_idle() {
            for (ticket, fate) in committer.step().answers {
                assert!(
                    matches!(fate, Ok(Appended::Stored { .. })),
                    "{ticket}: {fate:?}"
                );
            }
        }
        println!("stored {no}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_leaves_what_it_acknowledged_and_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut random = Rng::with_seed(2);
    let mut acknowledged = 0;
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = random.u32(1..40);
        for line in lines {
            // The first one stands behind the test's name.
            let line = line.unwrap();
            let Some((_, no)) = line.split_once("stored ") else {
                continue;
            };
            acknowledged = no.parse().unwrap();
            if left == 20 {
                let error = SqliteJournal::open(&path).unwrap_err();
                assert!(matches!(error, OpenError::InUse { .. }), "{error}");
            }
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let journal = SqliteJournal::open(&path).unwrap();
        let mut reader = journal.keeper().reader().unwrap();
        for no in 1..=acknowledged {
            assert!(
                reader.load(SagaKey::No(SagaNo(no))).unwrap().is_some(),
                "saga {no}"
            );
        }
        // At most the one that was not told any more.
        let next = journal.opened().next_saga.0;
        assert!(
            next == acknowledged + 1 || next == acknowledged + 2,
            "{next} {acknowledged}"
        );
    }
}
