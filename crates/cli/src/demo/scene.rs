//! The processes of one demo: four services and a coordinator, in a directory of their own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use super::child::{Child, Program};
use super::error::DemoError;
use super::faults::Level;
use super::order::Addresses;
use super::shop::Kind;

/// Below the range from which systems take ports for outgoing connections. While the coordinator
/// is dead its port must not be given to a connection, least of all to one that tries to reach
/// it: such a connection would reach itself.
const PORTS: std::ops::Range<u16> = 18_000..30_000;

/// What the processes are started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) orders: usize,
    pub(super) seed: u64,
    pub(super) faults: Level,
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Scene {
    program: Program,
    port: u16,
    coordinator: Child,
    services: Vec<Child>,
    addresses: Addresses,
    url: String,
}

impl Scene {
    /// Starts everything and waits until it is ready.
    pub(super) async fn set(program: Program, setting: Setting) -> Result<Self, DemoError> {
        let mut services = Vec::new();
        let mut addresses = Addresses::default();
        for (kind, address) in Kind::ALL.into_iter().zip(&mut addresses) {
            let (child, base) = start_service(&program, kind, setting).await?;
            services.push(child);
            *address = base;
        }
        let port = free_port();
        let (coordinator, url) = start_coordinator(&program, port).await?;
        Ok(Self {
            program,
            port,
            coordinator,
            services,
            addresses,
            url,
        })
    }

    /// Where the coordinator listens, before and after every restart.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Where the services listen.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// An error if anything has ended by itself.
    pub(super) fn must_live(&mut self) -> Result<(), DemoError> {
        self.services
            .iter_mut()
            .chain([&mut self.coordinator])
            .try_for_each(Child::must_live)
    }

    /// Kills the coordinator with SIGKILL and starts it again, at the same address and on the
    /// same journal.
    pub(super) async fn kill_coordinator(&mut self) -> Result<(), DemoError> {
        self.coordinator.kill();
        let (coordinator, _) = start_coordinator(&self.program, self.port).await?;
        self.coordinator = coordinator;
        Ok(())
    }

    /// Ends everything, so that the books are at rest.
    pub(super) fn end(mut self) {
        self.coordinator.kill();
        self.services.iter_mut().for_each(Child::kill);
    }
}

/// Where a service's books are.
pub(super) fn books_path(program: &Program, kind: Kind) -> PathBuf {
    program.directory.join(format!("{}.db", kind.name()))
}

async fn start_service(
    program: &Program,
    kind: Kind,
    setting: Setting,
) -> Result<(Child, String), DemoError> {
    let books = books_path(program, kind);
    let arguments = [
        "demo-service".to_owned(),
        format!("--kind={}", kind.name()),
        format!("--books={}", books.display()),
        format!("--seed={}", setting.seed),
        format!("--faults={}", setting.faults.as_str()),
        format!("--orders={}", setting.orders),
        "--listen=127.0.0.1:0".to_owned(),
    ];
    Child::start(program, kind.name(), &arguments).await
}

async fn start_coordinator(program: &Program, port: u16) -> Result<(Child, String), DemoError> {
    let journal = program.directory.join("journal.db");
    let arguments = [
        "serve".to_owned(),
        format!("--listen=127.0.0.1:{port}"),
        format!("--journal=sqlite:{}", journal.display()),
    ];
    Child::start(program, "coordinator", &arguments).await
}

/// A port that nobody listens on; any that the system gives, if none of [`PORTS`] is to be had.
fn free_port() -> u16 {
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    (0..100)
        .map(|_| fastrand::u16(PORTS))
        .find(|port| listen(*port).is_ok())
        .or_else(|| {
            listen(0)
                .and_then(|socket| socket.local_addr())
                .ok()
                .map(|at| at.port())
        })
        .unwrap_or(PORTS.start)
}
