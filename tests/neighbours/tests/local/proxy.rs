//! A wire that breaks at the worst moment: a TCP proxy that knows a COMMIT when it sees one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It never reaches the server.
    Before,
    /// It reaches the server, and the answer is lost.
    After,
    /// The caller loses the wire at once; the server gets the COMMIT this much later.
    Late(Duration),
}

pub(crate) struct Proxy {
    port: u16,
    cut: Arc<Mutex<Option<Cut>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Mutex::new(None));
        let next = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let next = Arc::clone(&next);
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await;
                    if let Ok(server) = server {
                        carry(client, server, &next).await;
                    }
                });
            }
        });
        Self { port, cut, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next COMMIT goes wrong, and only that one.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.cut.lock().unwrap().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, next: &Mutex<Option<Cut>>) {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &up[..count];
                let is_commit = bytes.windows(6).any(|word| word == b"COMMIT");
                let cut = if is_commit { next.lock().unwrap().take() } else { None };
                match cut {
                    None => {
                        if server.write_all(bytes).await.is_err() {
                            return;
                        }
                    }
                    Some(Cut::Before) => return,
                    Some(Cut::After) => {
                        let _ = server.write_all(bytes).await;
                        let _ = server.read(&mut down).await;
                        return;
                    }
                    Some(Cut::Late(pause)) => {
                        drop(client);
                        tokio::time::sleep(pause).await;
                        let _ = server.write_all(bytes).await;
                        let _ = server.read(&mut down).await;
                        return;
                    }
                }
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
