//! A server's process and folder: under whose name it runs, that it ends, and that nothing is left,
//! however the test ends.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Why there is no server.
#[derive(Debug)]
pub enum NoServer {
    /// Its programs are not on this machine: a reason to skip a test.
    NotInstalled(String),
    /// It is there and does not work: a reason to fail.
    Broken(String),
}

impl std::fmt::Display for NoServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled(what) => f.write_str(what),
            Self::Broken(what) => write!(f, "the server does not start: {what}"),
        }
    }
}

impl std::error::Error for NoServer {}

pub(crate) fn broken(what: impl std::fmt::Display) -> NoServer {
    NoServer::Broken(what.to_string())
}

/// Who runs the server: this process's user, or a lesser one where that is root, as whom no server
/// wants to be started.
#[derive(Clone, Debug)]
pub(crate) struct User(Option<String>);

impl User {
    /// The first of `names` that there is, where this process is root's.
    pub(crate) fn lesser(names: &[&str]) -> Result<Self, NoServer> {
        let id = Command::new("id").arg("-u").output().map_err(broken)?;
        if id.stdout.trim_ascii() != b"0" {
            return Ok(Self(None));
        }
        let known = |name: &&&str| {
            let found = Command::new("id").args(["-u", name]).output();
            found.is_ok_and(|found| found.status.success())
        };
        let name = names.iter().find(known);
        let none = || broken("this is root, and there is no other user to run a server");
        Ok(Self(Some((*name.ok_or_else(none)?).to_owned())))
    }

    /// A command of that user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(name) = &self.0 else {
            return Command::new(program);
        };
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", name, "--regid", name_of_group(name).as_str()])
            .args(["--clear-groups", "--"])
            .arg(program);
        command
    }

    /// Gives a folder to that user.
    pub(crate) fn own(&self, folder: &Path) -> Result<(), NoServer> {
        if let Some(name) = &self.0 {
            run(Command::new("chown").arg(name).arg(folder))?;
        }
        Ok(())
    }
}

/// The number of the user's own group: its name may be another one.
fn name_of_group(user: &str) -> String {
    let id = Command::new("id").args(["-g", user]).output();
    id.map(|id| String::from_utf8_lossy(&id.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), NoServer> {
    let output = command.stdin(Stdio::null()).output().map_err(broken)?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(broken(format!(
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )))
}

/// The first of these programs that is there.
pub(crate) fn find(candidates: &[PathBuf], package: &str) -> Result<PathBuf, NoServer> {
    let found = candidates.iter().find(|path| path.is_file());
    found.cloned().ok_or_else(|| {
        NoServer::NotInstalled(format!(
            "this machine has no such server (install the package {package})"
        ))
    })
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> Result<u16, NoServer> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(broken)?;
    Ok(listener.local_addr().map_err(broken)?.port())
}

/// A server that runs; killed when dropped. It lives in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    guard: Child,
    folder: Option<TempDir>,
    log: PathBuf,
    stop: &'static str,
}

impl Server {
    /// Starts it. Its output goes to `log`; the signal `stop` ends it at once, and tidily.
    pub(crate) fn start(
        mut command: Command,
        folder: TempDir,
        log: PathBuf,
        stop: &'static str,
    ) -> Result<Self, NoServer> {
        let output = std::fs::File::create(&log).map_err(broken)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(broken)?)
            .stderr(output)
            .spawn()
            .map_err(broken)?;
        let guard = guard(child.id(), stop, folder.path()).map_err(broken)?;
        Ok(Self {
            child,
            guard,
            folder: Some(folder),
            log,
            stop,
        })
    }

    /// Waits until `ready` says so.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<(), NoServer> {
        let began = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().map_err(broken)?;
            if ended.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                return Err(broken(format!("{ended:?}\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Outlives this process by a moment, and ends the server where nobody else has done so: a server in a
/// `static` is never dropped, and a process that is killed drops nothing.
fn guard(server: u32, stop: &str, folder: &Path) -> std::io::Result<Child> {
    let script = r#"
        trap "" INT TERM HUP
        cat
        kill -s "$1" "$2"
        for wait in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$2" || break; sleep 0.1; done
        kill -s KILL "$2"
        rm -rf "$3" || { sleep 1; rm -rf "$3"; }
    "#;
    // Its input ends with this process, however that ends.
    Command::new("sh")
        .args(["-c", script, "sh", stop, &server.to_string()])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is asked first, so that it gives back what it shares with its other processes. Its data is
        // thrown away: nothing more is waited for.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", self.stop, &pid]).status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Err(error) = self.child.kill() {
            let _ = writeln!(std::io::stderr(), "a test's server is not gone: {error}");
        }
        let _ = self.child.wait();
        // Before its number can be another's.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        if let Some(folder) = self.folder.take() {
            // Its last processes may still be writing.
            let path = folder.keep();
            for _ in 0..50 {
                if std::fs::remove_dir_all(&path).is_ok() || !path.exists() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
