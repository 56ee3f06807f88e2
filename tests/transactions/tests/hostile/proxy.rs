//! A wire that breaks at the worst moment: a TCP proxy that knows a COMMIT when it sees one.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What becomes of the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It never reaches the server.
    Before,
    /// It reaches the server, and the answer is lost.
    After,
    /// It reaches the server, and its answer never comes, on a wire that stays as it is.
    Silent,
}

pub(crate) struct Proxy {
    port: u16,
    next: Arc<Next>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Next {
    cut: Mutex<Option<Cut>>,
    done: Notify,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
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
        Self { port, next, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next COMMIT goes wrong, and only that one.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.next.cut.lock().unwrap() = Some(cut);
    }

    /// Waits until that has happened, and the server has done what reached it.
    pub(crate) async fn has_cut(&self) {
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
                let cut = if is_commit { next.cut.lock().unwrap().take() } else { None };
                let Some(cut) = cut else {
                    if server.write_all(bytes).await.is_err() {
                        return;
                    }
                    continue;
                };
                if cut != Cut::Before {
                    let _ = server.write_all(bytes).await;
                    let _ = server.read(&mut down).await;
                }
                next.done.notify_one();
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
