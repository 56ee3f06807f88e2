//! Values on the command line that clap has no reader for.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use settled::protocol::Span;

/// Reads a length of time, written as in a saga's document: `250ms`, `3s`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    Span::parse(text)
        .map(Span::to_std)
        .ok_or_else(|| "expected a duration such as 250ms, 3s, 10m, 1h30m or 7d".to_owned())
}

/// Reads an address to listen on: `127.0.0.1:7070`, `[::1]:0`, `localhost:7070`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    text.to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| "expected an address with a port, such as 127.0.0.1:7070".to_owned())
}

/// Reads a whole number of at least one.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=100_000_000).contains(&number) => Ok(number),
        _ => Err("expected a whole number of at least 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_of_time() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "1s1m",
            "36501d",
            "99999999999999999999s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_addresses() {
        assert_eq!(address("127.0.0.1:0").unwrap().port(), 0);
        assert!(address("localhost:7070").unwrap().ip().is_loopback());
        for text in ["", "7070", "127.0.0.1", "127.0.0.1:70700"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
