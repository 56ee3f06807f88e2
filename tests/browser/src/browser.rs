//! The browser's process, and the people in it: each has cookies of their own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::page::Page;
use crate::wire::{Failed, Wire};

/// Why there is no browser.
#[derive(Debug)]
pub enum NoBrowser {
    /// It is not on this machine: a reason to skip a test.
    NotInstalled(String),
    /// It is there and does not work: a reason to fail.
    Broken(String),
}

impl std::fmt::Display for NoBrowser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInstalled(why) => f.write_str(why),
            Self::Broken(why) => write!(f, "the browser does not start: {why}"),
        }
    }
}

impl std::error::Error for NoBrowser {}

/// Keeps it to itself: no network of its own, no first-run pages, no sandbox where root runs it.
const FLAGS: [&str; 16] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
];

/// Runs the browser with its pipe where it looks for it, and outlives it to take its folder away. The
/// browser ends when the pipe does, and so with the process that holds its other end.
const GUARD: &str = r#"
    trap "" INT TERM HUP
    folder="$1"; shift
    "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$folder/log"
    rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
"#;

/// A browser that runs. Cheap to share; it ends with the process, or when it is dropped.
pub struct Browser {
    wire: Option<Arc<Wire>>,
    guard: Child,
    folder: PathBuf,
}

impl Browser {
    /// Starts Chromium with an empty profile.
    pub fn start() -> Result<Self, NoBrowser> {
        let broken = |why: &dyn std::fmt::Display| NoBrowser::Broken(why.to_string());
        let program = find().ok_or_else(|| {
            let why = "this machine has no browser (install the package chromium)";
            NoBrowser::NotInstalled(why.to_owned())
        })?;
        let folder = TempDir::with_prefix("settled-browser-").map_err(|error| broken(&error))?;
        // Its guard takes it away.
        let folder = folder.keep();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&folder)
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.display()))
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| broken(&error))?;
        let (Some(input), Some(output)) = (guard.stdin.take(), guard.stdout.take()) else {
            return Err(broken(&"it has no pipe"));
        };
        let wire = Wire::new(output, input).map_err(|error| broken(&error))?;
        let browser = Self {
            wire: Some(Arc::new(wire)),
            guard,
            folder,
        };
        match browser
            .wire()
            .map(|wire| wire.ask(None, "Browser.getVersion", json!({})))
        {
            Ok(Ok(_)) => Ok(browser),
            Ok(Err(failed)) | Err(failed) => {
                let log = browser.log();
                Err(broken(&format!("{failed}\n{log}")))
            }
        }
    }

    fn wire(&self) -> Result<&Arc<Wire>, Failed> {
        let gone = || Failed("the browser is gone".to_owned());
        self.wire.as_ref().ok_or_else(gone)
    }

    fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.join("log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// Somebody with cookies of their own, whose browser prefers a language such as `en` or `zh-CN`.
    pub fn person(&self, language: &str) -> Result<Person, Failed> {
        let wire = Arc::clone(self.wire()?);
        let made = wire.ask(None, "Target.createBrowserContext", json!({}))?;
        let context = made["browserContextId"].as_str().unwrap_or_default();
        Ok(Person {
            context: context.to_owned(),
            language: language.to_owned(),
            wire,
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(wire) = self.wire.take() {
            let _ = wire.ask(None, "Browser.close", json!({}));
        }
        let _ = self.guard.wait();
    }
}

/// Somebody at the browser, with cookies that nobody else has.
pub struct Person {
    wire: Arc<Wire>,
    context: String,
    language: String,
}

impl Person {
    /// A new page, in front and in use as far as it can tell.
    pub fn page(&self) -> Result<Page, Failed> {
        let wanted = json!({
            "url": "about:blank",
            "browserContextId": self.context,
            "newWindow": true,
            "width": 1280,
            "height": 800,
        });
        let made = self.wire.ask(None, "Target.createTarget", wanted)?;
        let target = made["targetId"].as_str().unwrap_or_default();
        Page::open(Arc::clone(&self.wire), target, &self.language)
    }

    /// The cookies that this person's browser keeps.
    pub fn cookies(&self) -> Result<Vec<serde_json::Value>, Failed> {
        let asked = json!({"browserContextId": self.context});
        let found = self.wire.ask(None, "Storage.getCookies", asked)?;
        Ok(found["cookies"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let context = json!({"browserContextId": self.context});
        let _ = self.wire.ask(None, "Target.disposeBrowserContext", context);
    }
}

/// The browser's program, under the names that it goes by.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(Path::new("/usr/bin").to_owned());
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}
