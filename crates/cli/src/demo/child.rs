//! One process that the demo starts: this same executable under another subcommand.
//!
//! Never outlives the demo: dropping a child kills it, and a demo that is itself killed closes
//! the child's standard input (see [`crate::lifeline`]).

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::DemoError;
use crate::lifeline;

/// What a ready process prints before its address; the same for services and coordinator.
const READY: &str = "listening on ";

/// How long a process may take to be ready. A coordinator reads its journal in this time.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The executable, and where its processes put their files.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) executable: PathBuf,
    pub(super) directory: PathBuf,
}

/// A running process.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts a process and waits until it is ready; returns it with its base URL.
    pub(super) async fn start(
        program: &Program,
        name: &'static str,
        arguments: &[String],
    ) -> Result<(Self, String), DemoError> {
        let log = program.directory.join(format!("{name}.log"));
        let (process, ready) =
            spawn(program, arguments, &log).map_err(|source| DemoError::Start { name, source })?;
        let mut child = Self { name, process, log };
        match tokio::time::timeout(READY_WITHIN, ready).await {
            Ok(Ok(address)) => Ok((child, address)),
            Ok(Err(_)) => {
                // Its standard output is closed, so it has ended or is about to.
                let status = child
                    .process
                    .wait()
                    .map_or_else(|e| e.to_string(), |s| s.to_string());
                Err(child.died(status))
            }
            Err(_) => Err(DemoError::NotReady {
                name,
                seconds: READY_WITHIN.as_secs(),
                log: child.log.clone(),
            }),
        }
    }

    /// An error if the process has ended by itself.
    pub(super) fn must_live(&mut self) -> Result<(), DemoError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.died(status.to_string())),
            Err(error) => Err(self.died(error.to_string())),
        }
    }

    /// Ends the process at once: SIGKILL, which it can neither see coming nor refuse.
    pub(super) fn kill(&mut self) {
        // Fails only for a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn died(&self, status: String) -> DemoError {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last_words = text.lines().rev().find(|line| !line.trim().is_empty());
        DemoError::Died {
            name: self.name,
            status,
            last_words: last_words.unwrap_or("it said nothing").to_owned(),
            log: self.log.clone(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(
    program: &Program,
    arguments: &[String],
    log: &Path,
) -> io::Result<(Process, oneshot::Receiver<String>)> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(&program.executable);
    // The user's own settings are for the user's own coordinator.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SETTLED_") {
            command.env_remove(name);
        }
    }
    // Ctrl-C in a terminal is for the demo alone, which then ends its children; otherwise their
    // ends and the signal would race to be the reason for stopping.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut process = command
        .args(arguments)
        .current_dir(&program.directory)
        .env(lifeline::VARIABLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()?;
    let (tell, ready) = oneshot::channel();
    if let Some(output) = process.stdout.take() {
        std::thread::spawn(move || listen(output, log, tell));
    }
    Ok((process, ready))
}

/// Reads standard output to its end, so that the process can always write; tells the address.
fn listen(output: ChildStdout, mut log: File, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix(READY)
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(address.trim().to_owned());
        }
        // The log is a courtesy; the demo goes on without it.
        let _ = writeln!(log, "{line}");
    }
}
