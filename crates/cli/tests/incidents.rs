//! `settled incidents` against a running server: listed, shown and decided, one or many.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use support::{Participant, Serve, outcome, settled, write};

/// A server with so many sagas that are stuck at their second step.
fn stuck(directory: &std::path::Path, participant: &Participant, ids: &[&str]) -> Serve {
    let serve = Serve::start(directory, &[]);
    for id in ids {
        let saga = participant.saga(id, &["/a", "/broken", "/b"]);
        write(directory, "s.json", &saga);
        assert_eq!(serve.ask(&["submit", "s.json", "--wait", "20s"]).0, 4);
    }
    serve
}

/// Waits for an incident to come up.
fn until_open(serve: &Serve, id: &str) {
    let began = std::time::Instant::now();
    while serve.ask(&["incidents", "show", id]).0 != 0 {
        assert!(began.elapsed() < support::PATIENCE, "{id}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn an_incident_shows_what_is_needed_to_decide_it() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = stuck(directory.path(), &participant, &["order-1"]);
    let show = |columns: Option<&str>| {
        let mut command = settled(directory.path());
        command.args(["incidents", "show", "order-1~1"]);
        command.env("SETTLED_SERVER", &serve.url);
        command.env_remove("COLUMNS");
        if let Some(columns) = columns {
            command.env("COLUMNS", columns);
        }
        let (status, out, err) = outcome(command.output().unwrap());
        assert_eq!(status, 0, "{err}");
        out
    };
    let wide = show(Some("120"));
    for line in [
        "  s0 done → [s1 unknown] → s2 waiting",
        "idempotency key order-1/s1/action",
        "  retry     calls `s1` again (action) with the same idempotency key",
        "  done      `s1` counts as done; calls `s2`",
        "  not_done  `s1` counts as not done; the saga goes back: `s0` is compensated",
        "  settled incidents resolve 'order-1~1' --decision abandon --note WHY",
    ] {
        assert!(wide.lines().any(|one| one == line), "{line}\n{wide}");
    }
    assert!(wide.contains(" │ 500"), "{wide}");
    assert!(wide.contains("attempt 1"), "{wide}");
    let narrow = show(None);
    assert!(
        !narrow.contains('│') && narrow.contains("\nresponse\n500\n"),
        "{narrow}"
    );
}

#[test]
fn an_edited_body_comes_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = stuck(directory.path(), &participant, &["order-1"]);
    write(directory.path(), "edited.json", "{\"n\": \"mended\"}\n");
    let (status, out, err) = serve.ask(&[
        "incidents",
        "resolve",
        "order-1~1",
        "--decision",
        "retry",
        "--body",
        "@edited.json",
    ]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("resolved as retry"), "{out}");
    until_open(&serve, "order-1~2");
    let (_, out, _) = serve.ask(&["incidents", "show", "order-1~2", "--format", "json"]);
    let incident = json(&out);
    assert_eq!(incident["request"]["body"]["n"], "mended");
    assert_eq!(incident["earlier_decisions"][0]["decision"], "retry");
}

#[test]
fn many_are_decided_by_their_ids() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = stuck(directory.path(), &participant, &["a", "b", "c"]);
    let resolve = [
        "incidents",
        "resolve",
        "--decision",
        "not_done",
        "--by",
        "ann",
    ];
    let (status, out, err) = serve.ask(&[&resolve[..], &["a~1", "none~1", "b~1"]].concat());
    assert_eq!(status, 1, "one could not be decided: {err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(
        lines[1].contains("a~1") && lines[1].ends_with("not_done by ann"),
        "{out}"
    );
    assert!(
        lines[2].contains("none~1") && lines[2].contains("no such incident"),
        "{out}"
    );
    assert!(err.contains("2 incidents decided, 1 not"), "{err}");
    let again = [&resolve[..], &["a~1", "c~1", "--format", "json"]].concat();
    let (status, out, err) = serve.ask(&again);
    assert_eq!((status, err.as_str()), (1, ""));
    let answer = json(&out);
    let statuses: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [409, 200]);
    for id in ["a", "b", "c"] {
        assert_eq!(serve.ask(&["watch", id]).0, 3);
    }
}

#[test]
fn all_that_match_are_decided_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let (participant, other) = (Participant::start(), Participant::start());
    let serve = stuck(directory.path(), &participant, &["a", "b"]);
    write(directory.path(), "s.json", &other.saga("o", &["/broken"]));
    assert_eq!(serve.ask(&["submit", "s.json", "--wait", "20s"]).0, 4);
    let host = participant.url.trim_start_matches("http://");
    let resolve = ["incidents", "resolve", "--all", "--decision", "retry"];
    let mine = [&resolve[..], &["--participant", host, "--yes"]].concat();
    let (status, out, err) = serve.ask(&mine);
    assert_eq!(status, 0, "{err}");
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(err.contains("2 incidents decided"), "{err}");
    // They fail again: what came up since is for another time.
    for id in ["a~2", "b~2"] {
        until_open(&serve, id);
    }
    let (_, out, _) = serve.ask(&["incidents", "list", "--format", "json"]);
    let open = json(&out);
    let mut ids: Vec<&str> = open["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a~2", "b~2", "o~1"]);
    let none = [&resolve[..], &["--step", "nothing", "--format", "json"]].concat();
    let (status, out, _) = serve.ask(&none);
    assert_eq!(status, 0);
    assert_eq!(json(&out)["results"].as_array().unwrap().len(), 0);
}

/// Somebody at a terminal is asked before many are decided. `script` is what gives a terminal.
#[test]
#[cfg(target_os = "linux")]
fn somebody_at_a_terminal_is_asked_first() {
    let mut script = std::process::Command::new("script");
    if script.arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = stuck(directory.path(), &participant, &["a", "b"]);
    let program = settled(directory.path()).get_program().to_owned();
    let resolve = format!(
        "'{}' incidents resolve --all --decision not_done --server {}",
        program.display(),
        serve.url
    );
    let asked = |typed: &str| {
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &resolve, "/dev/null"]);
        command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut keys = process.stdin.take().unwrap();
        std::io::Write::write_all(&mut keys, typed.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        drop(keys);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (status, text) = asked("n\n");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("not_done 2 incidents:"), "{text}");
    assert!(text.contains("2 × unknown_outcome, action of s1"), "{text}");
    assert!(text.contains("nothing was decided"), "{text}");
    let open = serve.ask(&["incidents", "list"]).1;
    assert_eq!(open.lines().count(), 3, "{open}");
    let (status, text) = asked("y\n");
    assert_eq!(status, Some(0), "{text}");
    let open = serve.ask(&["incidents", "list"]).1;
    assert_eq!(open.lines().count(), 1, "{open}");
}
