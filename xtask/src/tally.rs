//! Runs every test and counts what happened, tests that could not run included.
//!
//! A test that cannot run on this machine says so by a file in the folder that `SETTLED_SKIPS`
//! names, and counts as skipped, not as passed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use crate::run::{self, Failed};

/// How many tests came to which end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: Vec<String>,
}

/// Runs all tests of the workspace, doc tests included.
pub(crate) fn tests() -> Result<Tally, Failed> {
    let skips = run::root().join("target").join("skips");
    clear(&skips)?;
    let args = ["test", "--workspace", "--no-fail-fast"];
    let shown = format!("cargo {}", args.join(" "));
    eprintln!("$ {shown}");
    let mut child = run::cargo_command(&args)
        .env("SETTLED_SKIPS", &skips)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failed(format!("{shown}: {error}")))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            tally.read(&line);
        }
    }
    let status = child
        .wait()
        .map_err(|error| Failed(format!("{shown}: {error}")))?;
    tally.read_skips(&skips);
    if status.success() && tally.failed == 0 {
        Ok(tally)
    } else {
        tally.print();
        Err(Failed(format!("{shown} ({status})")))
    }
}

fn clear(folder: &PathBuf) -> Result<(), Failed> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)
        .map_err(|error| Failed(format!("cannot make {}: {error}", folder.display())))
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn read(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            match (
                words.next().and_then(|word| word.parse::<u64>().ok()),
                words.next(),
            ) {
                (Some(count), Some("passed")) => self.passed += count,
                (Some(count), Some("failed")) => self.failed += count,
                _ => {}
            }
        }
    }

    fn read_skips(&mut self, folder: &PathBuf) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let why = std::fs::read_to_string(entry.path()).unwrap_or_default();
            self.skipped.push(format!(
                "{}: {}",
                entry.file_name().to_string_lossy(),
                why.trim()
            ));
        }
        self.skipped.sort();
        self.passed = self.passed.saturating_sub(self.skipped.len() as u64);
    }

    /// Prints the closing lines.
    pub(crate) fn print(&self) {
        for skipped in &self.skipped {
            println!("skipped {skipped}");
        }
        let skipped = self.skipped.len();
        println!(
            "{} passed, {} failed, {skipped} skipped",
            self.passed, self.failed
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_the_runner_says() {
        let mut tally = Tally::default();
        tally.read("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; finished in 1.2s");
        tally.read("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        tally.read("test something ... ok");
        assert_eq!((tally.passed, tally.failed), (15, 2));
    }
}
