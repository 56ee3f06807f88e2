//! How the server serves: its limits, and who may come in.

use std::time::Duration;

use crate::access::Tokens;

/// How the server serves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The tokens that open the API; without any it is open to all who reach it.
    pub tokens: Option<Tokens>,
    /// Whether it may be open to other machines without tokens.
    pub insecure: bool,
    /// Whether people come in through TLS only, so that the console's cookie may keep to it.
    pub secure: bool,
    /// How many connections are served side by side.
    pub max_connections: usize,
    /// How long a request's head may take, counted from when the connection is free for it: an idle
    /// connection is closed after this time too.
    pub header_timeout: Duration,
    /// How long a request's whole body may take.
    pub body_timeout: Duration,
    /// The most bytes that a request's body may have.
    pub max_body: usize,
    /// The longest that `?wait` holds an answer; a longer wait is cut to this.
    pub max_wait: Duration,
    /// How often an event stream on which nothing happens says that it is there.
    pub keep_alive: Duration,
    /// How long requests may take to end once the server stops.
    pub grace: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            tokens: None,
            insecure: false,
            secure: false,
            max_connections: 8_192,
            header_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_secs(30),
            max_body: 1024 * 1024,
            max_wait: Duration::from_mins(5),
            keep_alive: Duration::from_secs(15),
            grace: Duration::from_secs(10),
        }
    }
}
