//! A PostgreSQL server.

use std::path::{Path, PathBuf};

use crate::process::{NoServer, Server, User, broken, find, free_port, run};

/// A PostgreSQL server that trusts everybody on this machine. Its user and database are `postgres`.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    socket: PathBuf,
}

impl Postgres {
    /// Starts one; it takes about a second.
    ///
    /// # Errors
    /// [`NoServer::NotInstalled`] where the machine has none.
    pub fn start() -> Result<Self, NoServer> {
        let bin = find(&candidates(), "postgresql")?;
        let user = User::lesser(&["postgres", "nobody"])?;
        let folder = tempfile::Builder::new()
            .prefix("settled-pg-")
            .tempdir()
            .map_err(broken)?;
        user.own(folder.path())?;
        let data = folder.path().join("data");
        let program = |name: &str| bin.with_file_name(name);
        run(user
            .command(&program("initdb"))
            .args(["--auth", "trust", "--username", "postgres"])
            .args(["--encoding", "UTF8", "--no-locale", "--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path()))?;
        let port = free_port()?;
        let mut command = user.command(&program("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        command.args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "shared_buffers=16MB",
            "max_connections=64",
            "autovacuum=off",
            "log_min_messages=fatal",
        ] {
            command.args(["-c", setting]);
        }
        command.current_dir(folder.path());
        let (socket, log) = (folder.path().to_owned(), folder.path().join("log"));
        let mut server = Server::start(command, folder, log, "QUIT")?;
        let ready = program("pg_isready");
        server.wait_until(|| {
            std::process::Command::new(&ready)
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
        })?;
        Ok(Self {
            server,
            port,
            socket,
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its main process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where to connect to, over TCP.
    pub fn url(&self) -> String {
        self.url_by(self.port)
    }

    /// The same by another port, such as a proxy's.
    pub fn url_by(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }
}

/// `postgres` of the newest version that is installed, or the one on the path.
fn candidates() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin/postgres")))
        })
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).map(|folder| folder.join("postgres"));
    versions
        .into_iter()
        .rev()
        .map(|(_, path)| path)
        .chain(on_path)
        .collect()
}
