//! From a host and port to an open stream: look up, check, connect, shake hands.
//!
//! The address that is checked is the address that is connected to; a name is looked up once per
//! connection and never again after the check. No proxy is ever used, whatever the environment
//! says. Whatever fails here, nothing of a request has been sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use settled_protocol::Span;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;

use super::allow::{AllowList, Refused};
use super::target::Target;
use super::tls::Tls;
use super::wire::{Tcp, Wire};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the name {host} could not be looked up: {why}")]
    Lookup { host: String, why: String },
    #[error("the name {0} has no address")]
    NoAddress(String),
    #[error("connection refused by {0}")]
    TurnedAway(SocketAddr),
    #[error("no connection to {to}: {why}")]
    Failed { to: SocketAddr, why: String },
    #[error("no connection to {to} within {}", Span::from(*.limit))]
    Slow { to: String, limit: Duration },
    #[error("no secure connection to {host}: {why}")]
    Handshake { host: String, why: String },
}

/// Opens streams as far as the allow-list permits.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) allow: AllowList,
    pub(super) limit: Duration,
    pub(super) tls: Tls,
}

impl Connector {
    /// One open stream, ready for the first byte of a request.
    pub(super) async fn open(&self, target: &Target<'_>) -> Result<Wire, ConnectError> {
        let until = Instant::now() + self.limit;
        timeout_at(until, self.open_until(target, until))
            .await
            .unwrap_or_else(|_| {
                Err(ConnectError::Slow {
                    to: target.authority().to_owned(),
                    limit: self.limit,
                })
            })
    }

    async fn open_until(&self, target: &Target<'_>, until: Instant) -> Result<Wire, ConnectError> {
        self.allow.may_permit(target.host(), target.port())?;
        let addresses = look_up(target).await?;
        let tcp = Tcp::new(self.connect_any(target, &addresses, until).await?);
        if target.is_https() {
            self.shake_hands(target, tcp).await
        } else {
            Ok(Wire::Plain(tcp))
        }
    }

    /// Tries the addresses in turn; the last failure is the one told.
    async fn connect_any(
        &self,
        target: &Target<'_>,
        addresses: &[SocketAddr],
        until: Instant,
    ) -> Result<TcpStream, ConnectError> {
        let mut failure = ConnectError::NoAddress(target.host().to_owned());
        for (tried, &address) in addresses.iter().enumerate() {
            if let Err(refused) = self.allow.permits(target.host(), address) {
                failure = refused.into();
                continue;
            }
            // One address that swallows everything must not use up the time of the others.
            let left = until.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            match timeout_at(Instant::now() + share, connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = failed(address, &error),
                Err(_) => {
                    failure = ConnectError::Slow {
                        to: address.to_string(),
                        limit: self.limit,
                    };
                }
            }
        }
        Err(failure)
    }

    async fn shake_hands(&self, target: &Target<'_>, tcp: Tcp) -> Result<Wire, ConnectError> {
        let failed = |why: String| ConnectError::Handshake {
            host: target.host().to_owned(),
            why,
        };
        let connector = self.tls.connector().await.map_err(failed)?;
        let name = ServerName::try_from(target.host().to_owned())
            .map_err(|_| failed("its name cannot stand in a certificate".to_owned()))?;
        match connector.connect(name, tcp).await {
            Ok(stream) => Ok(Wire::Tls(Box::new(stream))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

async fn look_up(target: &Target<'_>) -> Result<Vec<SocketAddr>, ConnectError> {
    let (host, port) = (target.host(), target.port());
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(ConnectError::Lookup {
            host: host.to_owned(),
            why: error.to_string(),
        }),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // Where nobody listens on a local port, the system may pick that very port for our own side
    // and connect the socket to itself.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

fn failed(to: SocketAddr, error: &io::Error) -> ConnectError {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        ConnectError::TurnedAway(to)
    } else {
        ConnectError::Failed {
            to,
            why: error.to_string(),
        }
    }
}
