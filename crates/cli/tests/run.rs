//! `settled run`: every end has its status, and a saga goes on where it was left.

mod support;

use serde_json::Value;
use support::{Participant, run, write};

#[test]
fn every_end_has_its_status() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    for (paths, status, state) in [
        (&["/a", "/b"][..], 0, "completed"),
        (&["/a", "/refuse"], 3, "compensated"),
        (&["/a", "/broken"], 4, "stuck"),
    ] {
        write(at, "saga.json", &participant.saga("order-1", paths));
        let (code, out, err) = run(at, &["run", "saga.json", "--format", "json"]);
        assert_eq!(code, status, "{out} {err}");
        let saga: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (saga["id"].as_str(), saga["state"].as_str()),
            (Some("order-1"), Some(state))
        );
        assert_eq!(saga["steps"].as_array().unwrap().len(), 2);
        let (code, out, err) = run(at, &["run", "saga.json"]);
        assert_eq!(code, status, "{out} {err}");
        assert!(out.contains("order-1") && out.contains(state), "{out}");
        assert!(err.contains("s0: done") && !err.contains('\u{1b}'), "{err}");
    }
    assert!(!at.join("settled.db").exists());
}

#[test]
fn yaml_on_standard_input_will_do() {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let mut child = support::settled(directory.path())
        .args(["run", "-", "--id", "from-stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let yaml = format!(
        "name: yaml\ninput: {{user: 7}}\nsteps:\n  - name: a\n    action:\n      url: {}/a\n",
        participant.url
    );
    child
        .stdin
        .take()
        .unwrap()
        .write_all(yaml.as_bytes())
        .unwrap();
    let (code, out, _) = support::outcome(child.wait_with_output().unwrap());
    assert_eq!(code, 0);
    assert!(out.contains("from-stdin"), "{out}");
}

#[test]
fn the_same_file_on_the_same_journal_is_the_same_saga() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    write(at, "saga.json", &participant.saga("order-1", &["/a", "/b"]));
    let arguments = [
        "run",
        "saga.json",
        "--journal",
        "sqlite:j.db",
        "--format",
        "json",
    ];
    let (code, first, err) = run(at, &arguments);
    assert_eq!(code, 0, "{err}");
    let calls = participant.calls();
    let (code, second, err) = run(at, &arguments);
    assert_eq!((code, second), (0, first), "{err}");
    assert_eq!(participant.calls(), calls, "nothing was called again");
    write(at, "other.json", &participant.saga("order-1", &["/a"]));
    let (code, _, err) = run(at, &["run", "other.json", "--journal", "sqlite:j.db"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("other content"), "{err}");
}

#[test]
fn what_a_participant_says_cannot_steer_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    write(
        directory.path(),
        "saga.json",
        &participant.saga("order-1", &["/nasty"]),
    );
    for format in ["text", "json"] {
        let (code, out, err) = run(directory.path(), &["run", "saga.json", "--format", format]);
        assert_eq!(code, 3, "{err}");
        for sign in ['\u{1b}', '\u{7}'] {
            assert!(
                !out.contains(sign) && !err.contains(sign),
                "{out:?} {err:?}"
            );
        }
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_says_how_it_goes_on() {
    use std::process::Stdio;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let participant = Participant::start();
    write(
        at,
        "saga.json",
        &participant.saga("order-1", &["/slow", "/b"]),
    );
    let child = support::settled(at)
        .args(["run", "saga.json", "--journal", "sqlite:j.db"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while participant.calls() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = child.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(kill.unwrap().success());
    let (code, _, err) = support::outcome(child.wait_with_output().unwrap());
    assert_eq!(code, 130, "{err}");
    let again = "settled run saga.json --journal sqlite:j.db --id order-1";
    assert!(err.contains(again), "{err}");
    let arguments: Vec<&str> = again.split(' ').skip(1).collect();
    let (code, out, err) = run(at, &arguments);
    assert_eq!(code, 0, "{out} {err}");
    assert_eq!(participant.calls(), 2, "no call was made twice");
}
