//! The servers start, and nothing of them is left.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use settled_test_servers::{MariaDb, NoServer, Postgres, skip};

fn started<T>(test: &str, started: Result<T, NoServer>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(NoServer::NotInstalled(why)) => {
            skip(test, &why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn postgres_starts_and_is_gone() {
    let Some(server) = started("postgres_starts_and_is_gone", Postgres::start()) else {
        return;
    };
    let (pid, folder) = (server.pid(), server.socket().to_owned());
    assert!(folder.exists() && !gone(pid));
    drop(server);
    assert!(gone(pid) && !folder.exists());
}

#[test]
fn mariadb_starts_and_is_gone_also_by_a_panic() {
    let Some(server) = started(
        "mariadb_starts_and_is_gone_also_by_a_panic",
        MariaDb::start(),
    ) else {
        return;
    };
    let pid = server.pid();
    assert!(!gone(pid));
    let panicked = std::panic::catch_unwind(move || {
        let _server = server;
        panic!("as a test that fails");
    });
    assert!(panicked.is_err() && gone(pid));
}

/// What is kept in a `static` is never dropped: this starts a server in a process of its own, which
/// then ends without a word.
#[test]
fn a_server_does_not_outlive_the_process_that_started_it() {
    const CHILD: &str = "SETTLED_SERVERS_TEST_CHILD";
    let test = "a_server_does_not_outlive_the_process_that_started_it";
    let Some(server) = started(test, Postgres::start()) else {
        return;
    };
    if std::env::var_os(CHILD).is_some() {
        println!("server {} {}", server.pid(), server.socket().display());
        std::process::abort();
    }
    drop(server);
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    let (_, said) = output.split_once("server ").unwrap();
    let mut words = said.split_whitespace();
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let folder = Path::new(words.next().unwrap());
    for _ in 0..300 {
        if gone(pid) && !folder.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{pid} or {} is still there", folder.display());
}
