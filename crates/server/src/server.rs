//! The listener: an accept loop with limits, and an orderly end.
//!
//! axum's own loop installs no timer, so that hyper's time limit for headers is inert there; this
//! one installs it. A connection that the limit on connections leaves no room for waits in the
//! system's queue.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use settled::coordinator::Coordinator;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::access::{AccessError, check_access};
use crate::api::{Api, Phase};
use crate::connection::{self, ConnectionLimits};
use crate::console;
use crate::metrics::Metrics;
use crate::settings::ServerSettings;

/// How long to wait after a connection could not be accepted: the usual cause is that the process
/// may open no more files, which only time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It would be open to everybody.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The address is taken, not this machine's, or not allowed.
    #[error(
        "cannot listen on {address}: {error}; choose another address or port, 0 takes a free one"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
}

/// A server that listens and does not answer yet; see [`Server::serve`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    phase: watch::Sender<Phase>,
    settings: ServerSettings,
}

impl Server {
    /// Listens on an address. Whoever connects waits until [`Server::serve`] is called.
    ///
    /// # Errors
    /// [`BindError`]; it says what to do.
    pub async fn bind(
        address: SocketAddr,
        coordinator: Coordinator,
        metrics: Arc<Metrics>,
        settings: ServerSettings,
    ) -> Result<Self, BindError> {
        check_access(address, settings.tokens.as_ref(), settings.insecure)?;
        let failed = |error| BindError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (phase, seen) = watch::channel(Phase::Serving);
        tokio::spawn(Arc::clone(&metrics).begin(coordinator.clone()));
        let api = Api::new(coordinator, metrics, seen, &settings);
        let router = api.clone().router().merge(console::router(api));
        Ok(Self {
            listener,
            address,
            router,
            phase,
            settings,
        })
    }

    /// The address that it listens on; with port 0 the one that was free.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` ends; then takes no new connection, answers those who wait for a
    /// saga that it is still running, lets requests end for the time of grace, and returns. The
    /// coordinator goes on; drain it afterwards.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.settings.max_connections.max(1)));
        let limits = ConnectionLimits {
            head: self.settings.header_timeout,
        };
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, place)) = accepted else {
                continue;
            };
            let (router, phase) = (self.router.clone(), self.phase.subscribe());
            tokio::spawn(async move {
                connection::serve(stream, router, limits, phase).await;
                drop(place);
            });
        }
        drop(self.listener);
        self.phase.send_replace(Phase::Draining);
        let all = u32::try_from(self.settings.max_connections.max(1)).unwrap_or(u32::MAX);
        let ended = places.acquire_many(all);
        if tokio::time::timeout(self.settings.grace, ended)
            .await
            .is_err()
        {
            tracing::warn!("connections are cut off: their requests did not end in time");
            self.phase.send_replace(Phase::Over);
        }
    }
}

/// The next connection with its place; none where there was trouble that time may mend.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // An answer is small and complete; waiting to fill a packet would only delay it.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) if is_the_peers(&error) => None,
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Whether the trouble was with that one connection.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
