//! `settled incidents` in groups, from a real server.

mod support;

use support::{Participant, Serve, write};

#[test]

fn what_is_alike_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let serve = Serve::start(directory.path(), &[]);
    for id in ["a", "b", "c"] {
        let saga = participant.saga(id, &["/a", "/broken"]);
        write(directory.path(), "s.json", &saga);
        assert_eq!(serve.ask(&["submit", "s.json", "--wait", "20s"]).0, 4);
    }
    let (status, out, err) = serve.ask(&["incidents"]);
    assert_eq!(status, 0, "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    let host = participant.url.trim_start_matches("http://");
    assert!(lines[1].starts_with(host), "{out}");
    assert!(lines[1].contains("s1") && lines[1].contains(" 3 "), "{out}");
    let resolve = ["incidents", "resolve", "--all", "--kind", "unknown_outcome"];
    let decision = ["--name", "test", "--decision", "not_done", "--yes"];
    let (status, _, err) = serve.ask(&[&resolve[..], &decision].concat());
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("3 incidents decided"), "{err}");
    let (status, out, _) = serve.ask(&["incidents"]);
    assert_eq!((status, out.lines().count()), (0, 1), "{out}");
}
