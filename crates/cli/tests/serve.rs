//! `settled serve` and the commands that ask it.

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Participant, Serve, log, run, write};

#[test]
fn limits_are_given_shown_and_changed() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let name = participant.url.trim_start_matches("http://").to_owned();
    let limit = format!("{name}=concurrent:3,per-second:0.01");
    let serve = Serve::start(directory.path(), &["--limit", &limit]);
    for id in ["a", "b"] {
        write(
            directory.path(),
            "saga.json",
            &participant.saga(id, &["/x"]),
        );
        assert_eq!(serve.ask(&["submit", "saga.json"]).0, 0);
    }
    let listed = || {
        let (code, out, err) = serve.ask(&["participants", "--format", "json"]);
        assert_eq!(code, 0, "{err}");
        let all: Value = serde_json::from_str(&out).unwrap();
        all["participants"][0].clone()
    };
    let began = std::time::Instant::now();
    while listed()["calls"] != 1 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let shown = listed();
    assert_eq!(shown["name"], name.as_str());
    assert_eq!(shown["max_concurrent"], 3);
    assert_eq!(shown["max_per_second"], 0.01);
    assert_eq!(participant.calls(), 1);
    let set = [
        "participants",
        "set",
        &name,
        "--max-per-second",
        "none",
        "--breaker",
        "off",
    ];
    let (code, out, err) = serve.ask(&set);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&name) && out.contains("off"), "{out}");
    assert_eq!(serve.ask(&["watch", "b"]).0, 0);
    assert_eq!(participant.calls(), 2);
    assert_eq!(serve.ask(&["participants", "set", &name]).0, 2);
    let wrong = ["participants", "set", &name, "--max-concurrent", "0"];
    assert_eq!(serve.ask(&wrong).0, 2);
}

#[test]
fn a_saga_goes_through_all_commands() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = Serve::start(directory.path(), &[]);
    for (id, paths) in [
        ("good", &["/a", "/b"][..]),
        ("back", &["/a", "/refuse"]),
        ("stuck", &["/a", "/broken"]),
    ] {
        write(
            directory.path(),
            &format!("{id}.json"),
            &participant.saga(id, paths),
        );
    }
    let json = |arguments: &[&str]| {
        let (code, out, err) = serve.ask(&[arguments, &["--format", "json"]].concat());
        let value: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {err}"));
        (code, value)
    };
    for (id, code, state) in [
        ("good", 0, "completed"),
        ("back", 3, "compensated"),
        ("stuck", 4, "stuck"),
    ] {
        let file = format!("{id}.json");
        let (status, saga) = json(&["submit", &file, "--wait", "20s"]);
        assert_eq!(
            (status, saga["state"].as_str()),
            (code, Some(state)),
            "{saga}"
        );
        let (status, saga) = json(&["show", id]);
        assert_eq!((status, saga["state"].as_str()), (0, Some(state)));
    }
    let (status, out, _) = serve.ask(&["list"]);
    assert_eq!(status, 0);
    assert_eq!(out.lines().count(), 4, "{out}");
    assert!(!out.contains('\u{1b}'), "no colours but on a terminal");
    assert_eq!(
        json(&["list", "--state", "completed"]).1["sagas"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        json(&["list", "--limit", "1"]).1["sagas"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        json(&["list", "--all", "--query", "STUCK"]).1["sagas"][0]["id"],
        "stuck"
    );

    let (status, out, _) = serve.ask(&["watch", "back"]);
    assert_eq!(status, 3);
    assert!(
        out.contains("turned") && out.contains("compensated"),
        "{out}"
    );
    let (status, _, err) = serve.ask(&["cancel", "good"]);
    assert_eq!(status, 1, "{err}");
    let (status, _, err) = serve.ask(&["show", "nobody"]);
    assert_eq!(status, 1);
    assert!(err.contains("nobody"), "{err}");

    let (_, incidents) = json(&["incidents", "list"]);
    let id = incidents["incidents"][0]["id"].as_str().unwrap().to_owned();
    let (status, out, _) = serve.ask(&["incidents", "show", &id]);
    assert_eq!(status, 0);
    assert!(
        out.contains("unknown_outcome") && out.contains("/broken"),
        "{out}"
    );
    let (status, out, err) = serve.ask(&[
        "incidents",
        "resolve",
        &id,
        "--decision",
        "not_done",
        "--by",
        "ann",
        "--note",
        "looked",
    ]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("by ann"), "{out}");
    let (status, _, _) = serve.ask(&["watch", "stuck"]);
    assert_eq!(status, 3, "it went back");
    let (status, out, _) = serve.ask(&["incidents", "--list"]);
    assert_eq!((status, out.lines().count()), (0, 1), "{out}");
    assert!(log(directory.path()).contains("settled"));
}

#[test]
fn cancelling_sends_a_saga_back() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    // One that asks to be left alone is left alone by compensations too: so it is another one.
    let busy = Participant::start();
    let serve = Serve::start(directory.path(), &[]);
    let saga = participant.saga("parked", &["/a", "/later"]);
    let (done, later) = (&participant.url, format!("{}/later", busy.url));
    let saga = saga.replace(&format!("{done}/later"), &later);
    write(directory.path(), "s.json", &saga);
    let (status, _, err) = serve.ask(&["submit", "s.json"]);
    assert_eq!(status, 0, "{err}");
    while busy.calls() < 1 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (status, _, err) = serve.ask(&["cancel", "parked", "--by", "ann"]);
    assert_eq!(status, 0, "{err}");
    assert_eq!(serve.ask(&["watch", "parked"]).0, 3);
    assert_eq!(
        serve.ask(&["submit", "s.json", "--wait", "5s"]).0,
        3,
        "the same saga"
    );
}

#[test]
#[cfg(unix)]
fn a_signal_lets_calls_end_and_the_next_start_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    for signal in ["-TERM", "-INT"] {
        let calls = participant.calls();
        let mut serve = Serve::start(at, &[]);
        let id = format!("order{signal}");
        write(at, "s.json", &participant.saga(&id, &["/slow", "/b"]));
        assert_eq!(serve.ask(&["submit", "s.json"]).0, 0);
        while participant.calls() == calls {
            std::thread::sleep(Duration::from_millis(10));
        }
        serve.signal(signal);
        assert_eq!(serve.ended(), 0, "{}", log(at));
        let serve = Serve::start(at, &[]);
        assert_eq!(serve.ask(&["watch", &id]).0, 0);
        assert_eq!(participant.calls(), calls + 2, "no call was made twice");
    }
}

#[test]
fn a_killed_coordinator_goes_on_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    let saga = participant.saga("order-1", &["/slow", "/b"]);
    write(at, "s.json", &saga.replace("\"incident\"", "\"retry\""));
    let serve = Serve::start(at, &[]);
    assert_eq!(serve.ask(&["submit", "s.json"]).0, 0);
    while participant.calls() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(serve);
    let serve = Serve::start(at, &[]);
    assert_eq!(serve.ask(&["watch", "order-1"]).0, 0);
}

#[test]
fn a_journal_that_cannot_be_used_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let serve = Serve::start(at, &[]);
    let second = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--journal",
        "sqlite:j.db",
    ];
    let (status, out, err) = run(at, &second);
    assert_eq!((status, out.as_str()), (6, ""), "{err}");
    assert!(err.contains("another process is using it"), "{err}");
    let taken = serve.url.trim_start_matches("http://");
    let (status, _, err) = run(
        at,
        &["serve", "--listen", taken, "--journal", "sqlite:k.db"],
    );
    assert_eq!(status, 6, "{err}");
    assert!(err.contains("choose another"), "{err}");
    write(
        at,
        "text.db",
        "this is no database, and longer than a header of one",
    );
    let (status, _, err) = run(
        at,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--journal",
            "sqlite:text.db",
        ],
    );
    assert_eq!(status, 6, "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn tokens_are_asked_for_and_calls_stay_within_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    write(at, "tokens", "admin 0123456789abcdef0123 ann\n");
    let serve = Serve::start(at, &["--token-file", "tokens"]);
    let (status, _, err) = serve.ask(&["list"]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("SETTLED_TOKEN"), "{err}");
    write(at, "s.json", &participant.saga("order-1", &["/a"]));
    let output = support::settled(at)
        .args(["submit", "s.json", "--wait", "20s"])
        .env("SETTLED_SERVER", &serve.url)
        .env("SETTLED_TOKEN", "0123456789abcdef0123")
        .output()
        .unwrap();
    let (status, out, err) = support::outcome(output);
    assert_eq!(status, 3, "{out} {err}");
    assert!(out.contains("allow"), "{out}");
    assert_eq!(participant.calls(), 0);
}
