//! What tests of the console need: Chromium, a font with Chinese signs, and axe-core. Installs and
//! fetches what is missing, where that needs nobody's leave.
//!
//! It never fails a run. Where something cannot be had, the tests that need it say that they were
//! skipped.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::apt::{self, is_on_path};
use crate::run;

/// How long the browser may take: it is a hundred megabytes.
const LIMIT: Duration = Duration::from_mins(5);

/// How long axe-core may take, in seconds.
const AXE_LIMIT: &str = "60";

/// Pinned: a newer one finds other things.
const AXE: (&str, &str) = ("axe-core", "4.14.1");

/// Where fonts with Chinese signs are kept, by the names that their packages go by.
const FONTS: [&str; 4] = ["wqy", "noto-cjk", "arphic", "droid"];

/// Installs the browser and the font with apt, and fetches axe-core with npm.
pub(crate) fn install() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let wanted = [
        ("chromium", browsers.iter().any(|name| is_on_path(name))),
        ("fonts-wqy-zenhei", is_font_there()),
    ];
    if !apt::install(&wanted, LIMIT) {
        eprintln!("not installed; the tests that need a browser are skipped");
    }
    fetch_axe();
}

/// Without one, pages in Chinese are pictures of boxes.
fn is_font_there() -> bool {
    ["truetype", "opentype"].iter().any(|kind| {
        let folder = Path::new("/usr/share/fonts").join(kind);
        FONTS.iter().any(|name| folder.join(name).is_dir())
    })
}

/// Fetches axe-core into `target/npm`, from whichever registry npm is set up for. Nothing of it is run
/// here: pages run it.
fn fetch_axe() {
    let (name, version) = AXE;
    let folder = run::root().join("target").join("npm");
    let kept = folder.join("node_modules").join(name).join("package.json");
    let is_there = std::fs::read_to_string(&kept)
        .is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")));
    if is_there || !is_on_path("npm") || std::fs::create_dir_all(&folder).is_err() {
        return;
    }
    let package = format!("{name}@{version}");
    eprintln!("$ npm install {package}");
    let done = Command::new("timeout")
        .args(["--kill-after=5", AXE_LIMIT, "npm", "install"])
        .args([
            "--prefix",
            ".",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .arg(package)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!("not fetched; the tests that need axe-core are skipped");
    }
}
