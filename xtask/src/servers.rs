//! The database servers that tests start: installs what is missing, where that needs nobody's leave.
//!
//! It never fails a run. Where it cannot install them, the tests that need them say that they were
//! skipped.

use std::time::Duration;

use crate::apt::{self, is_on_path};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Installs PostgreSQL and MariaDB with apt, quietly.
pub(crate) fn install() {
    let wanted = [
        ("postgresql", is_postgres_there()),
        ("mariadb-server", is_on_path("mariadbd")),
    ];
    if !apt::install(&wanted, LIMIT) {
        eprintln!("not installed; the tests that need a database server are skipped");
    }
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
