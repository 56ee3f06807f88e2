//! Installing Debian's packages where that needs nobody's leave.
//!
//! It never asks and never fails a run: it says whether what was wanted is there now.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Installs those of these packages that are not there, quietly; false where that was tried in vain.
pub(crate) fn install(wanted: &[(&str, bool)], limit: Duration) -> bool {
    let packages: Vec<&str> = wanted
        .iter()
        .filter_map(|(package, is_there)| (!is_there).then_some(*package))
        .collect();
    if packages.is_empty() || !is_on_path("apt-get") {
        return true;
    }
    let Some(leave) = leave() else { return true };
    eprintln!("$ apt-get install {}", packages.join(" "));
    let until = Instant::now() + limit;
    let _ = apt(leave, &["update"], until);
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    apt(leave, &install, until)
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
        // Another may be at it.
        .chain(["-o".to_owned(), "DPkg::Lock::Timeout=120".to_owned()])
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

/// Whether a program is there.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    found || Path::new("/usr/sbin").join(program).is_file()
}
