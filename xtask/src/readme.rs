//! Runs the commands that the README shows, so that it cannot promise what does not work.
//!
//! Every line that begins with `$ cargo run ` or `$ settled ` in a `console` block is run, from the
//! first to the last, with `settled` being the one that was just built.

use std::process::Command;

use crate::run::{self, Failed};

/// Runs them all.
pub(crate) fn run() -> Result<(), Failed> {
    run::cargo(&["build", "--release"])?;
    let path = run::root().join("README.md");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failed(format!("cannot read {}: {error}", path.display())))?;
    let commands = commands(&text);
    if commands.is_empty() {
        return Err(Failed("README.md shows no commands".to_owned()));
    }
    for line in commands {
        let mut command = shell(&line);
        command.current_dir(run::root());
        run::wait(command, &line)?;
    }
    Ok(())
}

/// The command lines in the README's `console` blocks that can be run by themselves.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.trim().strip_prefix("```") {
            inside = language == "console";
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            let runs = ["cargo run ", "settled "]
                .iter()
                .any(|begin| command.starts_with(begin));
            if runs {
                found.push(command.to_owned());
            }
        }
    }
    found
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    let bin = run::root().join("target").join("release");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![bin];
    folders.extend(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command.args(["-c", line]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_can_be_run() {
        let text = "```console\n$ cargo run --release -- demo\nout\n$ cargo xtask test\n```\n$ settled no\n```sh\n$ settled no\n```";
        assert_eq!(commands(text), ["cargo run --release -- demo"]);
    }
}
