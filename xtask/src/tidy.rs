//! House rules that no compiler checks.

use std::path::{Path, PathBuf};

use crate::run::{self, Failed};

/// A file longer than this is more than one thing; a list of tests may be longer.
const MAX_LINES: usize = 600;
const MAX_TEST_LINES: usize = 800;

/// Words that mark work which was put off.
const UNFINISHED: [&str; 4] = ["todo!(", "unimplemented!(", "#[ignore", "dbg!("];

/// Checks every Rust file of the repository.
pub(crate) fn check() -> Result<(), Failed> {
    let mut found = Vec::new();
    for folder in ["crates", "examples", "tests", "xtask"] {
        let mut look = |path: &Path, text: &str| look_at(path, text, &mut found);
        visit(&run::root().join(folder), &mut look)?;
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(Failed(found.join("\n")))
    }
}

fn look_at(path: &Path, text: &str, found: &mut Vec<String>) {
    let shown = path.strip_prefix(run::root()).unwrap_or(path).display();
    if !text.starts_with("//!") {
        found.push(format!(
            "{shown}: does not open with what it is for (`//! …`)"
        ));
    }
    let lines = text.lines().count();
    let is_test = path.components().any(|part| part.as_os_str() == "tests")
        || path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let most = if is_test { MAX_TEST_LINES } else { MAX_LINES };
    if lines > most {
        found.push(format!("{shown}: {lines} lines, more than {most}"));
    }
    if path.ends_with("xtask/src/tidy.rs") {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        for word in UNFINISHED {
            if line.contains(word) {
                found.push(format!("{shown}:{}: {word}", number + 1));
            }
        }
    }
}

fn visit(folder: &Path, look: &mut dyn FnMut(&Path, &str)) -> Result<(), Failed> {
    let failed = |path: &Path, error| Failed(format!("cannot read {}: {error}", path.display()));
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            visit(&path, look)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            look(&path, &text);
        }
    }
    Ok(())
}
