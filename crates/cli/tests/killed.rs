//! The real server, killed, stopped and asked to end at any moment: nothing is lost, nothing is
//! done twice, and what was said stays said.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod killed_support;

use std::thread::sleep;
use std::time::Duration;

use fastrand::Rng;
use hyper::Method;

use self::killed_support::document::{LIMIT_MILLIS, one_call};
use self::killed_support::faults::{FAULTS, Fault};
use self::killed_support::rig::{Rig, seed};
use self::killed_support::server::Manner;
use self::killed_support::skip::skip;

fn kills() -> u32 {
    let given = std::env::var("SETTLED_KILLS").ok();
    given.map_or(200, |text| text.parse().unwrap())
}

fn millis(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}

#[test]
fn killed_at_any_moment() {
    let name = "killed_at_any_moment";
    let (seed, kills) = (seed(name), kills());
    let mut rig = Rig::new(seed);
    let mut rng = Rng::with_seed(seed);
    rig.open(40);
    for _ in 0..kills {
        let mut server = rig.spawn(&Manner::default());
        if rng.f64() < 0.85 {
            rig.announce(&mut server);
            sleep(millis(&mut rng, 10, 150));
        } else {
            // In the middle of its start.
            sleep(millis(&mut rng, 0, 40));
        }
        let end = server.kill();
        assert_eq!(end.signal(), Some(9), "seed {seed}: {end:?}");
        rig.gone();
    }
    let verdict = rig.settle();
    let fired = rig.office.participant.books().fired.clone();
    println!("{name}: {kills} kills, faults {fired:?}");
    verdict.must_be_clean(name, seed);
    if kills >= 200 {
        for fault in FAULTS {
            assert!(fired.contains_key(&fault), "{fault:?} never struck");
        }
        assert!(verdict.lost_calls > 0, "no call was ever lost");
    }
}

#[test]
fn asked_to_end_under_load() {
    let name = "asked_to_end_under_load";
    let seed = seed(name);
    let mut rig = Rig::new(seed);
    let mut rng = Rng::with_seed(seed);
    rig.open(16);
    for round in 0..6 {
        let mut server = rig.start();
        sleep(millis(&mut rng, 100, 800));
        let end = server.terminate();
        rig.gone();
        assert!(end.status.success(), "seed {seed} round {round}: {end:?}");
        let verdict = rig.judge(false);
        verdict.must_be_clean(name, seed);
        // What was under way was let end.
        assert_eq!(verdict.lost_calls, 0, "seed {seed} round {round}");
    }
    rig.settle().must_be_clean(name, seed);
}

#[test]
fn stopped_for_seconds_under_load() {
    let name = "stopped_for_seconds_under_load";
    let seed = seed(name);
    let mut rig = Rig::new(seed);
    let mut rng = Rng::with_seed(seed);
    rig.open(16);
    let mut server = rig.start();
    for _ in 0..4 {
        sleep(millis(&mut rng, 200, 600));
        server.signal("STOP");
        sleep(millis(&mut rng, 1_200, 2_500));
        server.signal("CONT");
    }
    sleep(Duration::from_millis(300));
    assert!(!server.has_ended(), "seed {seed}: {}", server.said());
    server.kill();
    rig.gone();
    rig.settle().must_be_clean(name, seed);
}

#[test]
fn held_up_before_a_call() {
    let name = "held_up_before_a_call";
    if cfg!(not(debug_assertions)) {
        return skip(name, "a release build has no failpoints");
    }
    let seed = seed(name);
    let mut rig = Rig::new(seed);
    rig.office.participant.force(Fault::CutThenActs);
    let hold_up = LIMIT_MILLIS + 300;
    let manner = Manner {
        failpoint: Some(format!("before-send:1:{hold_up}")),
        ..Manner::default()
    };
    let mut server = rig.spawn(&manner);
    rig.announce(&mut server);
    let document = one_call("held-up", rig.office.participant.address);
    let path = "/v1/sagas?wait=20s";
    let asked = rig.office.insist(Method::POST, path, Some(&document));
    let answer = rig.runtime().block_on(asked).unwrap();
    assert_eq!(answer.body["state"], "completed", "{answer:?}");
    server.terminate();
    rig.gone();
    // Whatever is still on its way arrives.
    sleep(Duration::from_millis(300));
    let verdict = rig.judge(true);
    verdict.must_be_clean(name, seed);
    // "It did not happen" was believed no sooner than it could be known.
    assert_eq!((verdict.effects, verdict.late), (1, 0), "{verdict}");
}
