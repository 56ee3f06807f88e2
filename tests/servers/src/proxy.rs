//! A wire that breaks at the worst moment: a TCP proxy that knows a COMMIT when it sees one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What becomes of the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the server.
    Before,
    /// It reaches the server, and the answer is lost.
    After,
    /// The caller loses the wire at once; the server gets the COMMIT this much later.
    Late(Duration),
    /// It reaches the server, and its answer never comes, on a wire that stays as it is.
    Silent,
}

/// A wire to a server on the loopback address; cut when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    next: Arc<Next>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Next {
    cut: Mutex<Option<Cut>>,
    done: Notify,
}

impl Next {
    fn cut(&self) -> MutexGuard<'_, Option<Cut>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Opens a port that leads to the server's.
    ///
    /// # Errors
    /// Where there is none to be had.
    pub async fn start(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let next = Arc::new(Next::default());
        let shared = Arc::clone(&next);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let next = Arc::clone(&shared);
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await;
                    if let Ok(server) = server {
                        carry(client, server, &next).await;
                    }
                });
            }
        });
        Ok(Self { port, next, task })
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next COMMIT goes wrong, and only that one.
    pub fn cut(&self, cut: Cut) {
        *self.next.cut() = Some(cut);
    }

    /// Whether it has met that COMMIT.
    pub fn has_cut(&self) -> bool {
        self.next.cut().is_none()
    }

    /// Waits until the server has answered what reached it of that COMMIT.
    pub async fn until_cut(&self) {
        self.next.done.notified().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, next: &Next) {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &up[..count];
                let is_commit = bytes.windows(6).any(|word| word == b"COMMIT");
                let cut = if is_commit { next.cut().take() } else { None };
                let Some(cut) = cut else {
                    if server.write_all(bytes).await.is_err() {
                        return;
                    }
                    continue;
                };
                if let Cut::Late(pause) = cut {
                    drop(client);
                    tokio::time::sleep(pause).await;
                    hand_over(&mut server, bytes, next).await;
                    return;
                }
                if cut == Cut::Before {
                    next.done.notify_one();
                } else {
                    hand_over(&mut server, bytes, next).await;
                }
                if cut == Cut::Silent {
                    // Until the other side has had enough.
                    while let Ok(1..) = client.read(&mut up).await {}
                }
                return;
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Gives the server what it is to have, and waits for its answer, which goes nowhere.
async fn hand_over(server: &mut TcpStream, bytes: &[u8], next: &Next) {
    let _ = server.write_all(bytes).await;
    let _ = server.read(&mut [0; 1024]).await;
    next.done.notify_one();
}
