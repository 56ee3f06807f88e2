//! The real server on a disk that is full, that fails, and that dies with it at every sync.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod killed_support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hyper::Method;

use self::killed_support::disk::Disk;
use self::killed_support::document;
use self::killed_support::rig::{Rig, seed};
use self::killed_support::server::{Manner, Server};
use self::killed_support::skip::skip;
use self::killed_support::strace::{self, Tracer, injecting};
use self::killed_support::wire::ask;

const SYNCS: &str = "fsync,fdatasync";

/// The exit status for a journal that failed while sagas were driven.
const JOURNAL_FAILED: i32 = 5;

/// One at a time: they are about moments, and a busy machine blurs those.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(5));
    }
    is_so()
}

fn status(rig: &Rig, method: Method, path: &str, body: Option<&serde_json::Value>) -> u16 {
    let address = rig.server_address();
    let asked = rig.runtime().block_on(ask(address, method, path, body));
    asked.unwrap().status
}

/// Submits a saga of one's own; the status.
fn submit(rig: &Rig, id: &str) -> u16 {
    let mut rng = fastrand::Rng::with_seed(rig.seed);
    let document = document::random(id, rig.office.participant.address, &mut rng);
    status(rig, Method::POST, "/v1/sagas", Some(&document))
}

#[test]
fn on_a_full_disk_it_waits_and_goes_on_by_itself() {
    let name = "on_a_full_disk_it_waits_and_goes_on_by_itself";
    let _turn = turn();
    let seed = seed(name);
    let mut disk = Err(String::new());
    let mut rig = Rig::at(seed, |folder| {
        // Room for the journal and for its log, which grows to 16 MiB before it is moved.
        disk = Disk::mount(&folder.join("disk"), 48);
        folder.join("disk").join("settled.db")
    });
    let disk = match disk {
        Ok(disk) => disk,
        Err(why) => return skip(name, &why),
    };
    let mut server = rig.start();
    rig.open(12);
    sleep(Duration::from_millis(600));
    for round in 0..2 {
        disk.fill();
        let mut late = 0;
        let full = until(Duration::from_secs(20), || {
            late += 1;
            submit(&rig, &format!("late-{round}-{late}")) == 503
        });
        assert!(full, "seed {seed}: a full disk takes new sagas");
        // Who asks is answered.
        for path in ["/v1/sagas?limit=500", "/v1/incidents", "/healthz"] {
            assert_eq!(status(&rig, Method::GET, path, None), 200, "{path}");
        }
        let path = format!("/v1/sagas/late-{round}-{late}");
        assert_eq!(status(&rig, Method::GET, &path, None), 404);
        // And it stays so, for whoever comes.
        sleep(Duration::from_millis(1_500));
        assert_eq!(submit(&rig, "last"), 503);
        assert!(!server.has_ended(), "seed {seed}: {}", server.said());
        disk.empty();
        let ended = rig.office.book.notes().ended;
        let goes_on = until(Duration::from_secs(20), || {
            rig.office.book.notes().ended > ended + 12
        });
        assert!(goes_on, "seed {seed}: it does not go on: {}", server.said());
    }
    // The same server brings everything to its end.
    rig.office.participant.heal();
    rig.close(Duration::from_mins(1));
    let end = server.terminate();
    assert!(end.status.success(), "seed {seed}: {end:?}");
    rig.judge(true).must_be_clean(name, seed);
    drop(disk);
}

#[test]
fn without_room_for_single_writes_nothing_is_lost() {
    let name = "without_room_for_single_writes_nothing_is_lost";
    let _turn = turn();
    if let Some(why) = strace::missing() {
        return skip(name, &why);
    }
    let seed = seed(name);
    let mut rig = Rig::new(seed);
    rig.open(8);
    let mut server = rig.start();
    for n in [1, 2, 7, 30] {
        let what = format!("error=ENOSPC:when={n}..{}", n + 3);
        let tracer = Tracer::attach(server.id(), "pwrite64", &what);
        sleep(Duration::from_millis(700));
        drop(tracer);
        assert!(!server.has_ended(), "seed {seed}: {}", server.said());
    }
    server.kill();
    rig.gone();
    let turned_away = rig.office.book.notes().turned_away;
    println!("{name}: {turned_away} requests turned away");
    rig.settle().must_be_clean(name, seed);
}

#[test]
fn after_a_sync_that_failed_it_reads_back_or_ends() {
    let name = "after_a_sync_that_failed_it_reads_back_or_ends";
    let _turn = turn();
    if let Some(why) = strace::missing() {
        return skip(name, &why);
    }
    let seed = seed(name);
    let mut rig = Rig::new(seed);
    rig.open(8);
    let (mut went_on, mut ended) = (0, 0);
    // One failure alone, and a disk that has failed for good.
    for (n, for_good) in [
        (1, false),
        (1, true),
        (2, false),
        (4, true),
        (9, false),
        (15, true),
    ] {
        let mut server = rig.start();
        let plus = if for_good { "+" } else { "" };
        let what = format!("error=EIO:when={n}{plus}");
        let tracer = Tracer::attach(server.id(), SYNCS, &what);
        let gone = server.ends_within(Duration::from_secs(if for_good { 20 } else { 2 }));
        assert!(
            gone || !for_good,
            "seed {seed}: a journal that cannot be synced is still written: {}",
            server.said()
        );
        drop(tracer);
        if gone {
            let end = server.wait();
            assert_eq!(end.status.code(), Some(JOURNAL_FAILED), "{end:?}");
            let complaint = end.complaint();
            assert!(
                complaint.contains("the journal failed"),
                "seed {seed}: {end:?}"
            );
            ended += 1;
        } else {
            went_on += 1;
            server.kill();
        }
        rig.gone();
        rig.judge(false).must_be_clean(name, seed);
    }
    println!("{name}: read back and went on {went_on} times, ended {ended} times");
    rig.settle().must_be_clean(name, seed);
}

#[test]
fn killed_at_every_sync() {
    let name = "killed_at_every_sync";
    let _turn = turn();
    if let Some(why) = strace::missing() {
        return skip(name, &why);
    }
    let seed = seed(name);
    let at_start = (1..500).find(|n| !dies_at_start(seed, *n)).unwrap() - 1;
    let mut rig = Rig::new(seed);
    rig.office.participant.heal();
    let at_work = (1..500)
        .find(|n| {
            let died = dies_at_work(&mut rig, *n);
            rig.gone();
            rig.judge(false).must_be_clean(name, seed);
            !died
        })
        .unwrap()
        - 1;
    println!("{name}: {at_start} syncs at the start of a new journal, {at_work} at work");
    assert!(at_start > 1 && at_work > 5, "{at_start} {at_work}");
    rig.settle().must_be_clean(name, seed);
}

/// Whether a server that makes a new journal dies at its Nth sync; another must then make it.
fn dies_at_start(seed: u64, n: u32) -> bool {
    let mut rig = Rig::new(seed);
    let manner = Manner {
        under: injecting(SYNCS, &format!("signal=SIGKILL:when={n}")),
        ..Manner::default()
    };
    let mut server = rig.spawn(&manner);
    let died = server.wait_ready().is_err();
    server.let_go();
    rig.open_for(1);
    rig.settle().must_be_clean("the next server", seed);
    died
}

/// Whether a server dies at its Nth sync on the way through two sagas and to its end.
fn dies_at_work(rig: &mut Rig, n: u32) -> bool {
    let mut server: Server = rig.start();
    let tracer = Tracer::attach(server.id(), SYNCS, &format!("signal=SIGKILL:when={n}"));
    rig.open_for(2);
    until(Duration::from_secs(20), || {
        server.has_ended() || rig.is_done()
    });
    let end = if server.has_ended() {
        server.wait()
    } else {
        server.terminate()
    };
    drop(tracer);
    assert!(
        end.signal() == Some(9) || end.status.success(),
        "at sync {n}: {end:?}"
    );
    end.signal() == Some(9)
}
