//! `settled schedules` against a real server, and what is left of a schedule when the server dies.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{PATIENCE, Participant, Serve, write};

fn json(serve: &Serve, arguments: &[&str]) -> Value {
    let (code, out, err) = serve.ask(&[arguments, &["--format", "json"]].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// Asks for a schedule until it is as it should be.
fn until(serve: &Serve, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let schedule = json(serve, &["schedules", "show", name]);
        if fits(&schedule) {
            return schedule;
        }
        assert!(began.elapsed() < PATIENCE, "{schedule}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn yaml(participant: &Participant, when: &str) -> String {
    format!(
        "{when}\nsaga:\n  name: shelve\n  steps:\n    - name: a\n      action: {{url: \"{}/a\"}}\n",
        participant.url
    )
}

#[test]
fn a_schedule_goes_through_all_commands() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    let serve = Serve::start(at, &[]);
    let (status, out, _) = serve.ask(&["schedules"]);
    assert_eq!((status, out.lines().count()), (0, 1), "{out}");
    let cron = "cron: \"0 */4 * * *\"\ntimezone: Asia/Shanghai\nmissed: once";
    write(at, "shelve.yaml", &yaml(&participant, cron));
    let (status, out, err) = serve.ask(&["schedules", "put", "shelve", "shelve.yaml"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("0 */4 * * * in Asia/Shanghai"), "{out}");
    write(at, "tick.yaml", &yaml(&participant, "every: 1s"));
    json(&serve, &["schedules", "put", "tick", "tick.yaml"]);
    let tick = until(&serve, "tick", |tick| {
        tick["last_run"]["state"] == "completed"
    });
    let (status, out, _) = serve.ask(&["schedules"]);
    assert_eq!((status, out.lines().count()), (0, 3), "{out}");
    let line = out.lines().find(|line| line.starts_with("tick")).unwrap();
    assert!(
        line.contains("every 1s") && line.contains("tick.20") && line.contains("active"),
        "{out}"
    );
    let id = tick["last_run"]["id"].as_str().unwrap();
    assert_eq!(json(&serve, &["show", id])["name"], "shelve");
    let trigger = ["schedules", "trigger", "shelve", "--id", "today"];
    for _ in 0..2 {
        let saga = json(&serve, &trigger);
        assert_eq!(saga["id"], "shelve.trigger.today");
    }
    let listed = json(&serve, &["schedules", "list"]);
    let names: Vec<&str> = listed["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|schedule| schedule["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["shelve", "tick"]);
    assert_eq!(
        listed["schedules"][0]["triggered_run"]["id"],
        "shelve.trigger.today"
    );

    write(at, "bad.yaml", &yaml(&participant, "cron: \"0 25 * * *\""));
    let (status, _, err) = serve.ask(&["schedules", "put", "bad", "bad.yaml"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("cron: expected five fields"), "{err}");
    write(at, "empty.yaml", "");
    let (status, _, err) = serve.ask(&["schedules", "put", "bad", "empty.yaml"]);
    assert_eq!(status, 2);
    assert!(err.contains("expected a schedule"), "{err}");
    let (status, out, _) = serve.ask(&["schedules", "delete", "tick"]);
    assert_eq!((status, out.as_str()), (0, "tick is no more\n"));
    for command in ["delete", "show", "trigger"] {
        let (status, _, err) = serve.ask(&["schedules", command, "tick"]);
        assert_eq!(status, 1);
        assert!(err.contains("no such schedule"), "{err}");
    }
}

/// The server is killed again and again while a schedule is at work: no due time is run twice, and
/// none is lost while the server was there.
#[test]
fn a_killed_server_runs_each_due_time_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    let mut serve = Serve::start(at, &[]);
    write(at, "tick.yaml", &yaml(&participant, "every: 1s"));
    json(&serve, &["schedules", "put", "tick", "tick.yaml"]);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5 {
        // Most deaths come close to a due time, which is a whole second.
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap();
        let rest = 1_000_000 - since_epoch.subsec_micros();
        let around = random.u32(0..30_000);
        std::thread::sleep(Duration::from_micros(u64::from(rest + around)));
        drop(serve);
        serve = Serve::start(at, &[]);
    }
    let before = json(&serve, &["schedules", "show", "tick"]);
    let runs = before["counts"]["runs"].as_u64().unwrap();
    let after = until(&serve, "tick", |tick| {
        tick["counts"]["runs"].as_u64() > Some(runs + 1)
    });
    // Each due time since the first has come to one thing, and to one only.
    let second = |field: &str| {
        let time: jiff::Timestamp = after[field].as_str().unwrap().parse().unwrap();
        time.as_second()
    };
    let decided = second("next_due_at") - second("created_at") - 1;
    let count = |what: &str| after["counts"][what].as_i64().unwrap();
    let came_to = count("runs") + count("missed") + count("overlapped");
    let waiting = i64::from(!after["waiting_due_at"].is_null());
    assert_eq!(came_to + waiting, decided, "{after}");
    let (status, _, err) = serve.ask(&["schedules", "delete", "tick"]);
    assert_eq!(status, 0, "{err}");
    let sagas = json(&serve, &["list", "--all"]);
    let sagas = sagas["sagas"].as_array().unwrap();
    let counted = after["counts"]["runs"].as_u64().unwrap();
    assert!(sagas.len() as u64 >= counted, "{after} {sagas:?}");
    assert!(sagas.len() as u64 <= counted + 1, "{after} {sagas:?}");
    assert!(participant.calls() >= sagas.len() - 1);
}
