//! The database servers that tests start: installs what is missing, where that needs nobody's leave.
//!
//! It never fails a run. Where it cannot install them, the tests that need them say that they were
//! skipped.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Installs PostgreSQL and MariaDB with apt, quietly.
pub(crate) fn install() {
    let packages: Vec<&str> = [
        ("postgresql", is_postgres_there()),
        ("mariadb-server", is_on_path("mariadbd")),
    ]
    .into_iter()
    .filter_map(|(package, is_there)| (!is_there).then_some(package))
    .collect();
    if packages.is_empty() || !is_on_path("apt-get") {
        return;
    }
    let Some(leave) = leave() else { return };
    eprintln!("$ apt-get install {}", packages.join(" "));
    let until = Instant::now() + LIMIT;
    let _ = apt(leave, &["update"], until);
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if !apt(leave, &install, until) {
        eprintln!("not installed; the tests that need a database server are skipped");
    }
}

/// How to become root without being asked: not at all, by `sudo`, or none.
fn leave() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    sudo.success().then_some(&["sudo", "-n"])
}

/// Runs it, and says whether it succeeded in time. `timeout` ends it with all that it has started.
fn apt(leave: &[&str], args: &[&str], until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now()).as_secs();
    if left == 0 {
        return false;
    }
    let words: Vec<String> = leave
        .iter()
        .map(ToString::to_string)
        .chain([
            "env".to_owned(),
            "DEBIAN_FRONTEND=noninteractive".to_owned(),
        ])
        .chain(["timeout".to_owned(), "--kill-after=5".to_owned()])
        .chain([left.to_string(), "apt-get".to_owned(), "-qq".to_owned()])
        .chain(args.iter().map(ToString::to_string))
        .collect();
    let Some((program, rest)) = words.split_first() else {
        return false;
    };
    Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Debian keeps its programs off the path, in a folder for each version.
fn is_postgres_there() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    is_on_path("postgres")
        || versions
            .into_iter()
            .flatten()
            .flatten()
            .any(|version| version.path().join("bin/postgres").is_file())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    found || Path::new("/usr/sbin").join(program).is_file()
}
