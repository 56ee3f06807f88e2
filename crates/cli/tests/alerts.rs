//! `settled serve` with alerts: the flags, and what a receiver gets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use support::{PATIENCE, Participant, Serve, log, outcome, run, settled, write};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Answers 204 to each request, and hands out its head and body.
fn receiver() -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let (send, got) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n");
            let _ = send.send((head, String::from_utf8(body).unwrap()));
        }
    });
    (url, got)
}

#[test]
fn an_incident_and_a_digest_reach_the_receiver_and_nobody_else_sees_the_secret() {
    let directory = tempfile::tempdir().unwrap();
    let participant = Participant::start();
    let (url, got) = receiver();
    write(directory.path(), "secret", &format!("{SECRET}\n"));
    write(
        directory.path(),
        "tokens",
        "admin 0123456789abcdef0123 ada\n",
    );
    let serve = Serve::start(
        directory.path(),
        &[
            "--allow-participant",
            participant.url.trim_start_matches("http://"),
            "--alert-url",
            &url,
            "--alert-secret-file",
            "secret",
            "--alert-digest",
            "0 * * * *",
            "--alert-timezone",
            "Asia/Shanghai",
            "--public-url",
            "https://settled.example.com/",
            "--log",
            "debug",
        ],
    );
    let next = || got.recv_timeout(PATIENCE).unwrap();
    let (head, digest) = next();
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    assert!(head.contains("webhook-id: settled.alert.digest."), "{head}");
    assert!(
        digest.contains(r#""source":"https://settled.example.com""#),
        "{digest}"
    );
    write(
        directory.path(),
        "saga.json",
        &participant.saga("stuck", &["/broken"]),
    );
    serve.ask(&["submit", "saga.json"]);
    let (_, opened) = next();
    assert!(opened.contains("dev.settled.incident.opened"), "{opened}");
    assert!(
        opened.contains("https://settled.example.com/console/incidents/stuck~1"),
        "{opened}"
    );
    let log = log(directory.path());
    assert!(log.contains("can be read by others"), "{log}");
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let is_its_own = path.ends_with("secret");
        assert_eq!(
            text.contains(&SECRET[6..]),
            is_its_own,
            "{}",
            path.display()
        );
        assert!(!text.contains(&url), "{}", path.display());
    }
    // The receiver's host is nobody's to call.
    let document = format!(
        r#"{{"id": "sneaky", "steps": [{{"name": "s", "action": {{"url": "{url}"}},
            "retry": {{"max_attempts": 1}}}}]}}"#
    );
    write(directory.path(), "sneaky.json", &document);
    assert_eq!(serve.ask(&["submit", "sneaky.json", "--wait", "10s"]).0, 3);
    let reserved = document.replace("sneaky", "settled.alert.x");
    write(directory.path(), "reserved.json", &reserved);
    let (code, _, err) = serve.ask(&["submit", "reserved.json"]);
    assert!(code != 0 && err.contains("Settled's own"), "{code} {err}");
    assert!(got.recv_timeout(Duration::from_millis(500)).is_err());
}

#[test]
fn what_cannot_be_meant_is_refused_by_the_name_of_its_flag() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "secret", SECRET);
    write(directory.path(), "short", "guess me");
    let url = ["--alert-url", "http://127.0.0.1:9/"];
    let file = ["--alert-secret-file", "secret"];
    for (arguments, expected) in [
        ([&url[..]].concat(), "SETTLED_ALERT_SECRET"),
        (
            [&url[..], &["--alert-secret-file", "none"]].concat(),
            "none",
        ),
        (
            [&url[..], &["--alert-secret-file", "short"]].concat(),
            "--alert-secret-file",
        ),
        ([&file[..]].concat(), "--alert-url"),
        (
            [&["--alert-url", "nowhere"], &file[..]].concat(),
            "--alert-url",
        ),
        (
            [&url[..], &file, &["--alert-digest", "at nine"]].concat(),
            "--alert-digest",
        ),
        (
            [
                &url[..],
                &file,
                &["--alert-digest", "@daily", "--alert-timezone", "Mars"],
            ]
            .concat(),
            "--alert-timezone",
        ),
        (
            [&url[..], &file, &["--alert-remind", "never"]].concat(),
            "--alert-remind",
        ),
    ] {
        let all = [&["serve", "--listen", "127.0.0.1:0"], &arguments[..]].concat();
        let (code, _, err) = run(directory.path(), &all);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
        assert!(!err.contains("guess me"), "{err}");
    }
    let mut command = settled(directory.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(url);
    let (code, _, err) = outcome(
        command
            .env("SETTLED_ALERT_SECRET", "guess me")
            .output()
            .unwrap(),
    );
    assert!(code == 2 && !err.contains("guess me"), "{err}");
}
