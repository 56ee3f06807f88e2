//! Errors and kills at exactly the Nth system call of a kind, by `strace`.

use std::process::{Child, Command, Stdio};

/// Why `strace` cannot be used here, if so.
pub fn missing() -> Option<String> {
    let works = |mut command: Command| {
        let done = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    };
    let try_it = || {
        let mut command = Command::new("strace");
        command.args(["-f", "-e", "trace=fsync", "true"]);
        works(command)
    };
    if try_it() {
        return None;
    }
    if is_root() {
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "strace"]);
        works(install);
        if try_it() {
            return None;
        }
    }
    Some("strace is missing, or may not trace".to_owned())
}

/// Whether this user may do everything.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The options that inject something.
pub fn injecting(calls: &str, what: &str) -> Vec<String> {
    [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={calls}"),
        "-e",
        "signal=none",
        "-e",
        &format!("inject={calls}:{what}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// `strace` at work on a process that runs already.
pub struct Tracer(Child);

impl Tracer {
    /// Begins, and returns when it holds every thread.
    pub fn attach(id: u32, calls: &str, what: &str) -> Self {
        let mut words = injecting(calls, what);
        words.extend(["-p".to_owned(), id.to_string()]);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..1_000 {
            if is_held(id) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Self(child)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Asked to end it lets go of what it holds; it may have ended with that.
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            let id = self.0.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
        }
        let _ = self.0.wait();
    }
}

fn is_held(id: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_none_or(|tracer| tracer.trim() != "0")
    })
}
