//! The real binary in a directory of its own, and a participant that answers as its path says.
#![allow(dead_code, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The command, with nothing of this machine's settings.
pub(crate) fn settled(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_settled"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("SETTLED_") || name == "NO_COLOR" || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs it to its end: status, standard output, standard error.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    outcome(settled(directory).args(arguments).output().unwrap())
}

pub(crate) fn outcome(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A participant: `/refuse` is refused, `/slow` takes two seconds, `/later` says 429, `/broken` 500,
/// `/nasty` answers with escape sequences, everything else is done.
pub(crate) struct Participant {
    pub(crate) url: String,
    calls: Arc<AtomicUsize>,
}

impl Participant {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || drop(converse(stream, &counted)));
            }
        });
        Self { url, calls }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// A saga with a step for each path.
    pub(crate) fn saga(&self, id: &str, paths: &[&str]) -> String {
        let steps: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(index, path)| {
                serde_json::json!({
                    "name": format!("s{index}"),
                    "action": {"url": format!("{}{path}", self.url), "body": {"n": index}},
                    "compensation": {"url": format!("{}/undo", self.url)},
                    "on_unknown": "incident",
                    "retry": {"max_attempts": 2, "first_delay": "50ms", "max_delay": "50ms"},
                })
            })
            .collect();
        serde_json::json!({"id": id, "name": "test", "steps": steps}).to_string()
    }
}

fn converse(stream: TcpStream, calls: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        calls.fetch_add(1, SeqCst);
        if path == "/slow" {
            std::thread::sleep(Duration::from_secs(2));
        }
        let (status, body) = match path.as_str() {
            "/refuse" => ("409 Conflict", r#"{"error":"sold out"}"#),
            "/later" => ("429 Too Many Requests\r\nRetry-After: 3600", "{}"),
            "/broken" => ("500 Oops", "{}"),
            "/nasty" => ("409 Conflict", "\u{1b}[2Jgone\u{7}"),
            _ => ("200 OK", r#"{"ok":true}"#),
        };
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// A running `settled serve`, killed when dropped.
pub(crate) struct Serve {
    pub(crate) process: Child,
    pub(crate) url: String,
    pub(crate) directory: PathBuf,
}

impl Serve {
    pub(crate) fn start(directory: &Path, more: &[&str]) -> Self {
        let mut process = settled(directory)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--journal",
                "sqlite:j.db",
            ])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.join("serve.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let url = line
            .trim_end()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line:?}: {}", log(directory)));
        Self {
            url: url.to_owned(),
            process,
            directory: directory.to_owned(),
        }
    }

    /// A client's command.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = settled(&self.directory);
        command.args(arguments).env("SETTLED_SERVER", &self.url);
        outcome(command.output().unwrap())
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Its status once it has ended.
    pub(crate) fn ended(&mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it goes on: {}",
                log(&self.directory)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("serve.log")).unwrap_or_default()
}

pub(crate) fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}
