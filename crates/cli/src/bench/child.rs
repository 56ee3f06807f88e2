//! One process of the benchmark: this same executable under another subcommand.
//!
//! It ends with the benchmark, however that ends: dropping it kills it, and its standard input is a
//! pipe that closes.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::BenchError;
use crate::lifeline;

const READY: &str = "listening on ";
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A running process.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(super) url: String,
    /// From the start of the process to the line that says that it is ready.
    pub(super) ready_in: Duration,
}

impl Child {
    /// Starts a process and waits until it is ready; what it says beside goes into `log`.
    pub(super) async fn start<A: AsRef<OsStr>>(
        what: &'static str,
        arguments: &[A],
        log: &Path,
    ) -> Result<Self, BenchError> {
        let failed = |why: String| BenchError::Start { what, why };
        let executable = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let said = File::create(log).map_err(|error| failed(error.to_string()))?;
        let began = Instant::now();
        let mut process = Command::new(executable)
            .args(arguments)
            .env(lifeline::VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let output = process.stdout.take();
        let mut child = Self {
            process,
            url: String::new(),
            ready_in: Duration::ZERO,
        };
        let line = tokio::task::spawn_blocking(move || output.and_then(first_line));
        let line = tokio::time::timeout(READY_WITHIN, line).await;
        child.ready_in = began.elapsed();
        let Ok(Ok(Some(url))) = line else {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let last = said.lines().last();
            let last = last.unwrap_or("it did not say that it is ready");
            return Err(failed(last.to_owned()));
        };
        child.url = url;
        Ok(child)
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails only for a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address in the first line; nothing else is ever printed.
fn first_line(output: ChildStdout) -> Option<String> {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).ok()?;
    Some(line.strip_prefix(READY)?.trim().to_owned())
}
