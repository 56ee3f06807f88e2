//! The real server dies at each of its failpoints, at the first passage and at a later one; what it
//! leaves must be right at that very moment, and come to its end with the next server.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod killed_support;

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use settled::journal::failpoint::{FAILPOINTS, Failpoint};

use self::killed_support::judge::Verdict;
use self::killed_support::rig::{Rig, seed};
use self::killed_support::server::{End, Manner};
use self::killed_support::skip::skip;

/// SIGABRT: what a failpoint ends a process with.
const ABORT: i32 = 6;

/// How long a failpoint may take to be reached.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn killed_at_every_failpoint() {
    let name = "killed_at_every_failpoint";
    if cfg!(not(debug_assertions)) {
        return skip(name, "a release build has no failpoints");
    }
    let seed = seed(name);
    let mut rng = Rng::with_seed(seed);
    let mut deaths = 0;
    for point in FAILPOINTS {
        let mut rig = Rig::new(seed ^ rng.u64(..));
        let prunes = point.name.ends_with("-prune");
        rig.office.forgets.store(prunes, Ordering::SeqCst);
        rig.open(8);
        let later = later(point, &mut rng);
        for (round, passage) in [1, later].into_iter().enumerate() {
            if round > 0 {
                leave_a_backlog(&mut rig);
            }
            let end = die_at(&mut rig, point, passage);
            assert_eq!(
                end.signal(),
                Some(ABORT),
                "seed {seed}: {} was not reached {passage} times: {end:?}",
                point.name
            );
            deaths += 1;
            let label = format!("{name}: {}:{passage}", point.name);
            let verdict = rig.judge(false);
            verdict.must_be_clean(&label, seed);
            if round == 0 {
                check_first_death(point, &verdict);
            }
        }
        let label = format!("{name}: {}", point.name);
        rig.settle().must_be_clean(&label, seed);
    }
    println!("{name}: {} failpoints, {deaths} deaths", FAILPOINTS.len());
}

/// What there may be after the first death on an empty journal, where that is certain.
fn check_first_death(point: Failpoint, left: &Verdict) {
    let exact = match point.name {
        "start" | "due-found" | "before-append" | "before-commit" => {
            left.records == 0 && left.acks == 0 && left.arrivals == 0
        }
        "after-commit" | "written" => left.records > 0 && left.acks == 0 && left.arrivals == 0,
        "before-reply" => left.records > 0 && left.acks == 0,
        "before-send" => left.records > 0 && left.arrivals == 0,
        "answered" | "answer-taken" => left.arrivals > 0,
        _ => true,
    };
    assert!(exact, "{}: {left}", point.name);
}

/// Lets a server work for a moment, and kills it.
fn leave_a_backlog(rig: &mut Rig) {
    let mut server = rig.start();
    sleep(Duration::from_millis(150));
    server.kill();
    rig.gone();
}

/// A later passage: one that a start with a backlog, or some work, surely comes to.
fn later(point: Failpoint, rng: &mut Rng) -> u32 {
    match point.name {
        _ if point.once => 1,
        "due-found" | "before-prune" | "after-prune" => 2,
        "before-load" | "loaded" => rng.u32(2..5),
        _ => rng.u32(2..25),
    }
}

/// Starts a server that is to die there, and waits until it has.
fn die_at(rig: &mut Rig, point: Failpoint, passage: u32) -> End {
    let mut options = Vec::new();
    if point.name.ends_with("-prune") {
        options = ["--keep-settled", "300ms"].map(str::to_owned).to_vec();
    }
    let manner = Manner {
        options,
        failpoint: Some(format!("{}:{passage}", point.name)),
        under: Vec::new(),
    };
    let mut server = match rig.try_start(&manner) {
        Ok(server) => server,
        Err(end) => return end,
    };
    // What lies on the way out is reached by going there.
    if ["draining", "drained", "writer-closed"].contains(&point.name) {
        sleep(Duration::from_millis(200));
        server.signal("TERM");
    }
    let until = Instant::now() + PATIENCE;
    while !server.has_ended() && Instant::now() < until {
        sleep(Duration::from_millis(3));
    }
    let end = if server.has_ended() {
        server.wait()
    } else {
        server.kill()
    };
    rig.gone();
    end
}
