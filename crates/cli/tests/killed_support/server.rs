//! The real binary as a process: started, killed, stopped, asked to end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How to start it.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Further options of `settled serve`.
    pub options: Vec<String>,
    /// As `SETTLED_FAILPOINT`.
    pub failpoint: Option<String>,
    /// A program to start it under, with its options.
    pub under: Vec<String>,
}

/// A server that was started.
pub struct Server {
    child: Child,
    ready: mpsc::Receiver<SocketAddr>,
    log: PathBuf,
    /// It ends when this is closed, so that none is left behind.
    lifeline: Option<ChildStdin>,
}

/// How a server ended.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    pub said: String,
}

impl End {
    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The lines on standard error that are no log lines.
    pub fn complaint(&self) -> String {
        self.said.lines().last().unwrap_or_default().to_owned()
    }
}

impl Server {
    /// Starts it; it is not ready yet.
    pub fn spawn(journal: &Path, log: PathBuf, manner: &Manner) -> Self {
        let exe = env!("CARGO_BIN_EXE_settled");
        let mut words = manner.under.iter().map(String::as_str).chain([exe]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SETTLED_") {
                command.env_remove(name);
            }
        }
        if let Some(failpoint) = &manner.failpoint {
            command.env("SETTLED_FAILPOINT", failpoint);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .arg("--journal")
            .arg(format!("sqlite:{}", journal.display()))
            .args(&manner.options)
            .env("SETTLED_LIFELINE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take();
        let output = child.stdout.take().unwrap();
        let (tell, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let address = line.strip_prefix("listening on http://");
                if let Some(address) = address.and_then(|text| text.parse().ok()) {
                    let _ = tell.send(address);
                }
            }
        });
        Self {
            child,
            ready,
            log,
            lifeline,
        }
    }

    /// Waits until it listens; the end where it ends instead.
    pub fn wait_ready(&mut self) -> Result<SocketAddr, End> {
        match self.ready.recv_timeout(Duration::from_mins(1)) {
            Ok(address) => Ok(address),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.wait()),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("not ready: {}", self.said()),
        }
    }

    /// The process, which is not the server itself where it was started under another program.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> End {
        let _ = self.child.kill();
        self.wait()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// SIGTERM, and what came of it.
    pub fn terminate(&mut self) -> End {
        self.signal("TERM");
        self.wait()
    }

    /// Closes its lifeline, also of one that runs under another program, and waits for its end.
    pub fn let_go(mut self) {
        self.lifeline = None;
        self.wait();
    }

    /// Whether it has ended within this time.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if self.has_ended() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        self.has_ended()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> End {
        if !self.ends_within(Duration::from_mins(1)) {
            let _ = self.child.kill();
            panic!("it does not end: {}", self.said());
        }
        End {
            status: self.child.wait().unwrap(),
            said: self.said(),
        }
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lifeline = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process of ours.
pub fn signal(id: u32, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), id.to_string()])
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {id}");
}
