//! A journal, participants, clients and a server that comes and goes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use settled::coordinator::Clock;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::Office;
use super::judge::{self, Verdict};
use super::participant::Participant;
use super::server::{End, Manner, Server};

/// See the module's text.
pub struct Rig {
    pub seed: u64,
    pub office: Arc<Office>,
    pub journal: PathBuf,
    runtime: Runtime,
    folder: TempDir,
    address: watch::Sender<Option<SocketAddr>>,
    clients: Vec<JoinHandle<()>>,
    starts: u32,
}

/// The seed: given, so that a run can be repeated, or drawn; and said in any case.
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("SETTLED_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!(
        "{test}: seed {seed}; to repeat it: SETTLED_SEED={seed} cargo test -p settled-cli {test} \
         -- --nocapture (the same sagas and faults, but not the same moments)"
    );
    seed
}

impl Rig {
    /// Everything but the server.
    pub fn new(seed: u64) -> Self {
        Self::at(seed, |folder| folder.join("settled.db"))
    }

    /// The same with the journal at another place.
    pub fn at(seed: u64, place: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = place(folder.path().to_owned());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (address, server) = watch::channel(None);
        let clock = Clock::start();
        let participant = runtime.block_on(Participant::start(seed, clock, server.clone()));
        let office = Office {
            participant,
            book: super::book::Book::default(),
            clock,
            server,
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            limit: AtomicU64::new(u64::MAX),
            forgets: AtomicBool::new(false),
            seed,
        };
        Self {
            seed,
            office: Arc::new(office),
            journal,
            runtime,
            folder,
            address,
            clients: Vec::new(),
            starts: 0,
        }
    }

    /// The runtime that participants and clients run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Starts a server that need not become ready.
    pub fn spawn(&mut self, manner: &Manner) -> Server {
        self.starts += 1;
        let log = self
            .folder
            .path()
            .join(format!("server-{}.log", self.starts));
        Server::spawn(&self.journal, log, manner)
    }

    /// Starts a server and tells everybody where it is.
    pub fn try_start(&mut self, manner: &Manner) -> Result<Server, End> {
        let mut server = self.spawn(manner);
        let address = server.wait_ready()?;
        self.address.send_replace(Some(address));
        Ok(server)
    }

    /// The same, where nothing is in the way.
    pub fn start(&mut self) -> Server {
        match self.try_start(&Manner::default()) {
            Ok(server) => server,
            Err(end) => panic!("seed {}: it does not start: {end:?}", self.seed),
        }
    }

    /// Waits for a server to become ready and tells everybody where it is.
    pub fn announce(&self, server: &mut Server) {
        match server.wait_ready() {
            Ok(address) => drop(self.address.send_replace(Some(address))),
            Err(end) => panic!("seed {}: it does not start: {end:?}", self.seed),
        }
    }

    /// Where the server is.
    pub fn server_address(&self) -> SocketAddr {
        self.address.borrow().unwrap()
    }

    /// The server is not there any more.
    pub fn gone(&self) {
        self.address.send_replace(None);
    }

    /// So many clients begin their work.
    pub fn open(&mut self, clients: usize) {
        self.office.closed.store(false, Ordering::SeqCst);
        for _ in 0..clients {
            let client = self.runtime.spawn(Arc::clone(&self.office).work());
            self.clients.push(client);
        }
    }

    /// One client begins on so many sagas.
    pub fn open_for(&mut self, sagas: u64) {
        let next = self.office.next.load(Ordering::SeqCst);
        self.office.limit.store(next + sagas, Ordering::SeqCst);
        self.open(1);
    }

    /// Whether every client has come to the end of its work.
    pub fn is_done(&self) -> bool {
        self.clients.iter().all(JoinHandle::is_finished)
    }

    /// Clients begin nothing new, and follow what they have to its end.
    pub fn close(&mut self, within: Duration) {
        self.office.closed.store(true, Ordering::SeqCst);
        let clients = std::mem::take(&mut self.clients);
        let seed = self.seed;
        self.runtime.block_on(async {
            let all = async {
                for client in clients {
                    client.await.unwrap();
                }
            };
            if tokio::time::timeout(within, all).await.is_err() {
                let awaited = self.office.book.notes().awaited.clone();
                println!("seed {seed}: after {within:?} clients still wait for {awaited:?}");
            }
        });
    }

    /// Nothing goes wrong any more: everything must come to its end, the server must end as it
    /// should, and all the notes must agree.
    pub fn settle(&mut self) -> Verdict {
        self.office.participant.heal();
        let mut server = self.start();
        self.close(Duration::from_mins(1));
        let end = server.terminate();
        self.gone();
        assert!(end.status.success(), "seed {}: {end:?}", self.seed);
        self.judge(true)
    }

    /// Judges while no server runs.
    pub fn judge(&self, healed: bool) -> Verdict {
        let mut verdict = judge::judge(&self.journal, &self.office, healed);
        for number in 1..=self.starts {
            let log = self.folder.path().join(format!("server-{number}.log"));
            let text = std::fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if let Some(line) = text.lines().find(|line| line.contains("panicked")) {
                verdict.found.push(format!("start {number}: {line}"));
            }
        }
        verdict
    }
}
