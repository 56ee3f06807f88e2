//! Servers made of raw bytes, which count what they see.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An answer that says all is well.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a server does once it has read a request.
#[derive(Clone)]
enum Manner {
    Answer(String, Duration),
    Echo,
    Silent,
    Drip(String, Duration),
    CloseAfter(String, Duration),
    ResetAfter(String),
    Hasty(String),
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    closed: AtomicUsize,
    requests: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

/// A server on a port of its own; it ends with the value.
pub(crate) struct Server {
    port: u16,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                counting.accepted.fetch_add(1, SeqCst);
                let (counts, manner) = (Arc::clone(&counting), manner.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &manner, &counts).await;
                    counts.closed.fetch_add(1, SeqCst);
                });
            }
        });
        Self { port, counts, task }
    }

    pub(crate) async fn answering(answer: &str) -> Self {
        Self::slow(answer, Duration::ZERO).await
    }

    pub(crate) async fn slow(answer: &str, delay: Duration) -> Self {
        Self::start(Manner::Answer(answer.to_owned(), delay)).await
    }

    pub(crate) async fn echoing() -> Self {
        Self::start(Manner::Echo).await
    }

    pub(crate) async fn silent() -> Self {
        Self::start(Manner::Silent).await
    }

    pub(crate) async fn dripping(answer: &str, pause: Duration) -> Self {
        Self::start(Manner::Drip(answer.to_owned(), pause)).await
    }

    pub(crate) async fn closing_after(answer: &str) -> Self {
        Self::closing_after_one(answer, Duration::ZERO).await
    }

    pub(crate) async fn closing_after_one(answer: &str, pause: Duration) -> Self {
        Self::start(Manner::CloseAfter(answer.to_owned(), pause)).await
    }

    pub(crate) async fn resetting(answer: &str) -> Self {
        Self::start(Manner::ResetAfter(answer.to_owned())).await
    }

    /// Answers when it has seen a head, and reads no further.
    pub(crate) async fn hasty(answer: &str) -> Self {
        Self::start(Manner::Hasty(answer.to_owned())).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.counts.accepted.load(SeqCst)
    }

    /// How many whole requests were read.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    pub(crate) fn latest(&self) -> String {
        self.counts
            .seen
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) async fn wait_for_closed(&self, at_least: usize) {
        for _ in 0..500 {
            if self.counts.closed.load(SeqCst) >= at_least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "only {} connections were closed",
            self.counts.closed.load(SeqCst)
        );
    }
}

async fn serve(mut stream: TcpStream, manner: &Manner, counts: &Counts) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        if let Manner::Hasty(answer) = manner {
            stream.read_u8().await?;
            stream.write_all(answer.as_bytes()).await?;
            // Nothing is read, so the closing shows as a failing write only.
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                stream.write_all(b" ").await?;
            }
        }
        let Some(request) = next_request(&mut stream, &mut buffer).await? else {
            return Ok(());
        };
        counts.requests.fetch_add(1, SeqCst);
        counts
            .seen
            .lock()
            .unwrap()
            .push(String::from_utf8_lossy(&request).into_owned());
        match manner {
            Manner::Answer(answer, delay) => {
                if !delay.is_zero() {
                    tokio::time::sleep(*delay).await;
                }
                stream.write_all(answer.as_bytes()).await?;
            }
            Manner::Echo => {
                let body = &request[end_of_head(&request).unwrap()..];
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(body).await?;
            }
            Manner::Silent | Manner::Hasty(_) => {}
            Manner::Drip(answer, pause) => {
                for byte in answer.as_bytes() {
                    stream.write_all(&[*byte]).await?;
                    tokio::time::sleep(*pause).await;
                }
            }
            Manner::CloseAfter(answer, pause) => {
                stream.write_all(answer.as_bytes()).await?;
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
                return Ok(());
            }
            Manner::ResetAfter(answer) => {
                stream.write_all(answer.as_bytes()).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.set_zero_linger()?;
                return Ok(());
            }
        }
    }
}

/// One whole request by its content-length; `None` when the other side closed.
async fn next_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(head) = end_of_head(buffer) {
            let whole = head + content_length(&buffer[..head]);
            if buffer.len() >= whole {
                let rest = buffer.split_off(whole);
                return Ok(Some(std::mem::replace(buffer, rest)));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    line.map_or(0, |length| length.parse().unwrap())
}
