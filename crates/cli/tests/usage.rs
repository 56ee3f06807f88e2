//! What the command says to those who get it wrong: one line, and status 2.

mod support;

use support::{run, settled, write};

#[test]
fn a_wrong_command_line_is_one_line_and_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    write(at, "broken.json", "{");
    write(at, "no-steps.yaml", "id: a\n");
    write(
        at,
        "unknown-field.yaml",
        "steps: [{name: a, action: {url: http://x/}}]\nstepz: 1\n",
    );
    write(at, "bad-tokens", "owner x\n");
    for (arguments, hint) in [
        (&["serve", "--lisen", "x"][..], "--listen"),
        (&["serve", "--listen", "nowhere"], "127.0.0.1:7070"),
        (
            &["serve", "--journal", "postgres://db/x"],
            "not in this build",
        ),
        (&["serve", "--journal", "mysql://db/x"], "not in this build"),
        (&["serve", "--journal", "settled.db"], "sqlite:PATH"),
        (&["serve", "--listen", "0.0.0.0:0"], "--token-file"),
        (&["serve", "--token-file", "none"], "none"),
        (&["serve", "--token-file", "bad-tokens"], "line 1"),
        (
            &["serve", "--mask", "a b"],
            "--mask: \"a b\": expected the name of a field",
        ),
        (
            &["serve", "--allow-participant", "a b"],
            "--allow-participant",
        ),
        (&["serve", "--keep-settled", "7"], "7d"),
        (&["serve", "--log", "settled=loud"], "--log"),
        (&["run", "missing.yaml"], "missing.yaml"),
        (&["run", "broken.json"], "not JSON"),
        (&["run", "no-steps.yaml"], "steps"),
        (&["run", "unknown-field.yaml"], "stepz"),
        (&["run", "."], "name a file"),
        (&["submit", "missing.yaml"], "missing.yaml"),
        (
            &["show", "a", "--server", "localhost"],
            "http://127.0.0.1:7070",
        ),
        (&["list", "--state", "failed"], "compensating"),
        (
            &["incidents", "resolve", "a~1", "--decision", "maybe"],
            "not_done",
        ),
        (&["incidents", "resolve", "--decision", "done"], "--all"),
        (
            &["incidents", "resolve", "--decision", "done", "--step", "a"],
            "--all",
        ),
        (
            &["incidents", "resolve", "a~1", "--all", "--decision", "done"],
            "without ids",
        ),
        (
            &[
                "incidents",
                "resolve",
                "a~1",
                "--decision",
                "retry",
                "--body",
                "@gone.json",
            ],
            "gone.json",
        ),
        (&["incidents", "list", "--kind", "bad"], "contradiction"),
        (&["bench", "--fail-percent", "101"], "101"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let (status, out, err) = run(at, arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert_eq!(err.trim_end().lines().count(), 1, "{arguments:?}: {err}");
        assert!(
            err.starts_with("settled: ") && err.contains(hint),
            "{arguments:?}: {err}"
        );
    }
    assert!(
        !at.join("settled.db").exists(),
        "nothing is made for a wrong command line"
    );
}

#[test]
fn help_is_on_standard_output_and_lists_the_statuses() {
    let directory = tempfile::tempdir().unwrap();
    let (status, out, err) = run(directory.path(), &["--help"]);
    assert_eq!((status, err.as_str()), (0, ""));
    for word in [
        "serve",
        "run",
        "submit",
        "incidents",
        "Exit status",
        "stuck",
    ] {
        assert!(out.contains(word), "{word}: {out}");
    }
    assert!(!out.contains("bench-participant") && !out.contains('\u{1b}'));
    let (status, out, err) = run(directory.path(), &[]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("Usage: settled"));
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let (status, _, err) = run(
        directory.path(),
        &["list", "--server", "http://127.0.0.1:1"],
    );
    assert_eq!(status, 7, "{err}");
    assert!(err.contains("settled serve"), "{err}");
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let program = settled(directory.path()).get_program().to_owned();
    let script = format!(
        "'{}' --help | true; echo ${{PIPESTATUS[0]}}",
        program.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "0",
        "{err}"
    );
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn colours_are_for_those_who_want_them() {
    let directory = tempfile::tempdir().unwrap();
    let help = |variables: &[&str]| {
        let mut command = settled(directory.path());
        command.arg("--help");
        for variable in variables {
            command.env(variable, "1");
        }
        support::outcome(command.output().unwrap())
            .1
            .contains('\u{1b}')
    };
    assert!(!help(&[]));
    assert!(help(&["CLICOLOR_FORCE"]));
    assert!(!help(&["CLICOLOR_FORCE", "NO_COLOR"]));
}
