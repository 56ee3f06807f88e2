//! A MariaDB server, or MySQL's where that is what the machine has as `mysqld`.

use std::net::TcpStream;
use std::path::PathBuf;

use crate::process::{NoServer, Server, User, broken, find, free_port, run};

/// A MariaDB server. Its user is `root` without a password, its database `settled`.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    port: u16,
}

impl MariaDb {
    /// Starts one; it takes a few seconds.
    ///
    /// # Errors
    /// [`NoServer::NotInstalled`] where the machine has none.
    pub fn start() -> Result<Self, NoServer> {
        let package = "mariadb-server";
        let server = find(&on_path("mariadbd"), package)?;
        let install = find(&on_path("mariadb-install-db"), package)?;
        let user = User::lesser(&["mysql", "nobody"])?;
        let folder = tempfile::Builder::new()
            .prefix("settled-my-")
            .tempdir()
            .map_err(broken)?;
        user.own(folder.path())?;
        let place = |name: &str| folder.path().join(name);
        run(user
            .command(&install)
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--innodb-flush-method=nosync",
                "--innodb-log-file-size=8M",
            ])
            .arg(format!("--datadir={}", place("data").display()))
            .current_dir(folder.path()))?;
        let start = place("start.sql");
        std::fs::write(&start, "CREATE DATABASE IF NOT EXISTS settled;\n").map_err(broken)?;
        let port = free_port()?;
        let mut command = user.command(&server);
        command
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-flush-method=nosync",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=8M",
                "--performance-schema=off",
            ])
            .arg(format!("--datadir={}", place("data").display()))
            .arg(format!("--socket={}", place("socket").display()))
            .arg(format!("--pid-file={}", place("pid").display()))
            .arg(format!("--init-file={}", start.display()))
            .arg(format!("--port={port}"))
            .current_dir(folder.path());
        let log = place("log");
        let mut server = Server::start(command, folder, log, "KILL")?;
        server.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { server, port })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where to connect to, over TCP.
    pub fn url(&self) -> String {
        self.url_by(self.port)
    }

    /// The same by another port, such as a proxy's.
    pub fn url_by(&self, port: u16) -> String {
        format!("mysql://root@127.0.0.1:{port}/settled")
    }
}

fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(name))
        .collect()
}
