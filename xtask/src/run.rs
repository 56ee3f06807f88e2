//! Running a command as a person would, and saying what failed.

use std::path::PathBuf;
use std::process::Command;

/// A task that did not succeed, in words.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed: {}", self.0)
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

/// The cargo that runs this task, in the repository's root.
pub(crate) fn cargo_command(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root());
    command
}

/// Runs cargo and waits for it.
pub(crate) fn cargo(args: &[&str]) -> Result<(), Failed> {
    wait(cargo_command(args), &format!("cargo {}", args.join(" ")))
}

/// Runs a command and waits for it.
pub(crate) fn wait(mut command: Command, shown: &str) -> Result<(), Failed> {
    eprintln!("$ {shown}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("{shown} ({status})"))),
        Err(error) => Err(Failed(format!("{shown}: {error}"))),
    }
}
