//! A service that misbehaves, as a real HTTP server with its own books.
//!
//! It stands for somebody else's platform: it knows nothing of sagas, does not honour idempotency
//! keys (a repeated call takes effect again), and answers when it is asked whether an operation
//! happened. It acts at once or never.

mod answer;
mod books;
mod goods;
#[cfg(test)]
pub(super) mod tests;
mod writer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use self::answer::Desk;
use self::books::Books;
use self::writer::Writer;
use super::error::DemoError;
use super::faults::{Faults, Level};
use super::shop::Kind;
use crate::lifeline;

/// One of the demo's services. Ends when its standard input does.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoServiceArgs {
    /// Which service.
    #[arg(long)]
    pub(super) kind: Kind,
    /// The file for its books; made anew.
    #[arg(long)]
    pub(super) books: PathBuf,
    /// What its faults follow from.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How much goes wrong.
    #[arg(long, value_enum, default_value_t = Level::Some)]
    pub(super) faults: Level,
    /// How many orders are to come, which says how much there is of everything.
    #[arg(long, default_value_t = 1000)]
    pub(super) orders: usize,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
}

/// Serves until standard input ends.
pub(crate) async fn run(args: DemoServiceArgs) -> Result<ExitCode, DemoError> {
    lifeline::attach();
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|source| DemoError::Listen {
            address: args.listen,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| DemoError::Listen {
        address: args.listen,
        source,
    })?;
    let service =
        Service::open(&args.books, args.kind, args.orders).map_err(|source| DemoError::Books {
            path: args.books.clone(),
            source,
        })?;
    anstream::println!("listening on http://{address}");
    let Err(source) = service
        .serve(listener, Faults::new(args.seed, args.faults))
        .await;
    Err(DemoError::Books {
        path: args.books,
        source,
    })
}

/// A service whose books are open.
struct Service {
    kind: Kind,
    books: Books,
}

impl Service {
    fn open(books: &Path, kind: Kind, orders: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            kind,
            books: Books::create(books, kind, orders)?,
        })
    }

    /// Serves for as long as the books can be written.
    async fn serve(
        self,
        listener: TcpListener,
        faults: Faults,
    ) -> Result<Infallible, rusqlite::Error> {
        let (writer, broken) = Writer::start(self.books);
        let desk = Arc::new(Desk::new(self.kind, faults, writer));
        tokio::select! {
            never = accept(listener, desk) => match never {},
            // The writer only lets go of its end after an error, while the desk stands.
            error = broken => Err(error.unwrap_or(rusqlite::Error::InvalidQuery)),
        }
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&desk)))),
            // Out of file handles, most likely: others will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection, request by request.
async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    // Answers are one small packet each; without this they would wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer);
    // An error here is a cut, ours or the caller's: there is nobody left to tell.
    let _ = connection.await;
}
