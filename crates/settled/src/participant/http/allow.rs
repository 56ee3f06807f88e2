//! Where calls may go: the allow-list, and the one question put to it before each connection.
//!
//! The list is asked with the very address that is about to be connected to, never with a name
//! that would be looked up a second time. It never resolves anything itself.

use std::net::{IpAddr, SocketAddr};

use super::address::{self, Reserved};
use super::pattern::{AllowListError, Place, Rule};

/// Which hosts and addresses may be called.
///
/// Whatever the list says, link-local, multicast and unspecified addresses and the metadata
/// services of clouds are refused unless a pattern names that very address, or a block that holds
/// nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList {
    /// No rules at all means that everything but the reserved addresses may be called.
    rules: Option<Vec<Rule>>,
}

/// Why a call may not go where it wants to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Nothing in the list names the host.
    #[error("calls to {0} are not allowed: no pattern of the allow-list names it")]
    NotNamed(String),
    /// The address is one of those that must be named themselves.
    #[error(
        "calls to {address} are not allowed: it is {kind}, and only a pattern of the allow-list \
         that names this address permits it"
    )]
    Reserved { address: IpAddr, kind: Reserved },
}

impl AllowList {
    /// Permits every address that is not reserved.
    #[must_use]
    pub const fn open() -> Self {
        Self { rules: None }
    }

    /// Permits only what one of `patterns` names; no patterns permit nothing.
    ///
    /// A pattern is a host name (`stock.example.com`), every name below one (`*.example.com`), an
    /// address (`10.1.2.3`, `[fd12::7]`), a block of addresses (`10.0.0.0/8`), or `*` for
    /// everything that is not reserved. All but a block may carry a port (`stock:8080`); without
    /// one every port is meant. Case and a final dot make no difference.
    ///
    /// # Errors
    ///
    /// Names the first pattern that cannot be understood, and how to write it.
    pub fn from_patterns<I>(patterns: I) -> Result<Self, AllowListError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let rules = patterns
            .into_iter()
            .map(|pattern| Rule::parse(pattern.as_ref()));
        Ok(Self {
            rules: Some(rules.collect::<Result<_, _>>()?),
        })
    }

    /// Whether any address of this host could be permitted, so that no name is looked up in vain.
    pub(super) fn may_permit(&self, host: &str, port: u16) -> Result<(), Refused> {
        let Some(rules) = &self.rules else {
            return Ok(());
        };
        let possible = rules.iter().any(|rule| match rule.place {
            Place::Address(_) | Place::Block(..) => rule.meets_port(port),
            _ => rule.names_host(host, port),
        });
        if possible {
            Ok(())
        } else {
            Err(not_named(host, port))
        }
    }

    /// Whether a connection may be made to `address`, which `host` stands for.
    pub(super) fn permits(&self, host: &str, address: SocketAddr) -> Result<(), Refused> {
        let port = address.port();
        let ip = address.ip().to_canonical();
        let rules = self.rules.as_deref().unwrap_or_default();
        if let Some(kind) = address::reserved(ip) {
            let named = rules.iter().any(|rule| rule.names_reserved(ip, port, kind));
            return if named {
                Ok(())
            } else {
                Err(Refused::Reserved { address: ip, kind })
            };
        }
        let named = |rule: &Rule| rule.names_host(host, port) || rule.names_address(ip, port);
        if self.rules.is_none() || rules.iter().any(named) {
            Ok(())
        } else {
            Err(not_named(host, port))
        }
    }
}

fn not_named(host: &str, port: u16) -> Refused {
    if host.contains(':') {
        Refused::NotNamed(format!("[{host}]:{port}"))
    } else {
        Refused::NotNamed(format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> AllowList {
        AllowList::from_patterns(patterns).unwrap()
    }

    fn allowed(patterns: &[&str], host: &str, address: &str) -> bool {
        let list = list(patterns);
        let address: SocketAddr = address.parse().unwrap();
        let permitted = list.permits(host, address).is_ok();
        assert!(
            !permitted || list.may_permit(host, address.port()).is_ok(),
            "asked both ways"
        );
        permitted
    }

    #[test]
    fn patterns_permit_what_they_name_and_nothing_else() {
        for (pattern, host, address, expected) in [
            ("stock", "stock", "10.0.0.1:80", true),
            ("stock", "STOCK.", "10.0.0.1:8080", true),
            ("Stock.", "stock", "10.0.0.1:80", true),
            ("stock", "stock.evil.com", "10.0.0.1:80", false),
            ("stock", "mystock", "10.0.0.1:80", false),
            ("stock:8080", "stock", "10.0.0.1:8080", true),
            ("stock:8080", "stock", "10.0.0.1:80", false),
            ("*.example.com", "a.example.com", "8.8.8.8:443", true),
            ("*.example.com", "a.b.Example.COM", "8.8.8.8:443", true),
            ("*.example.com", "example.com", "8.8.8.8:443", false),
            ("*.example.com", "badexample.com", "8.8.8.8:443", false),
            ("*.example.com:443", "a.example.com", "8.8.8.8:80", false),
            ("10.1.2.3", "10.1.2.3", "10.1.2.3:80", true),
            ("10.1.2.3", "stock", "10.1.2.3:80", true),
            ("10.1.2.3", "10.1.2.4", "10.1.2.4:80", false),
            ("10.1.2.3:80", "10.1.2.3", "10.1.2.3:81", false),
            ("10.1.2.3", "::ffff:10.1.2.3", "[::ffff:10.1.2.3]:80", true),
            ("10.0.0.0/8", "stock", "10.9.9.9:80", true),
            ("10.0.0.0/8", "stock", "11.0.0.1:80", false),
            ("::/0", "stock", "11.0.0.1:80", false),
            ("0.0.0.0/0", "stock", "11.0.0.1:80", true),
            ("fd12::/16", "x", "[fd12::1]:80", true),
            ("[::1]:80", "::1", "[::1]:80", true),
            ("::1", "::1", "[::1]:81", true),
            ("*", "anything", "127.0.0.1:80", true),
            ("*:443", "anything", "127.0.0.1:80", false),
        ] {
            assert_eq!(
                allowed(&[pattern], host, address),
                expected,
                "{pattern} {host} {address}"
            );
        }
    }

    #[test]
    fn reserved_addresses_need_a_pattern_of_their_own() {
        let metadata = "169.254.169.254:80";
        for pattern in [
            "*",
            "0.0.0.0/0",
            "rebound",
            "128.0.0.0/1",
            "::/0",
            "169.254.169.254:81",
        ] {
            assert!(!allowed(&[pattern], "rebound", metadata), "{pattern}");
            assert!(
                !allowed(&[pattern], "rebound", "[::ffff:169.254.169.254]:80"),
                "{pattern}"
            );
            assert!(
                !allowed(&[pattern], "rebound", "[64:ff9b::a9fe:a9fe]:80"),
                "{pattern}"
            );
            assert!(!allowed(&[pattern], "rebound", "[fe80::1]:80"), "{pattern}");
        }
        for pattern in [
            "169.254.169.254",
            "169.254.169.254:80",
            "169.254.169.254/32",
        ] {
            assert!(
                allowed(&[pattern], "169.254.169.254", metadata),
                "{pattern}"
            );
            assert!(
                !allowed(&[pattern], "169.254.1.1", "169.254.1.1:80"),
                "{pattern}"
            );
        }
        assert!(allowed(&["169.254.0.0/16"], "x", "169.254.1.1:80"));
        assert!(allowed(&["fe80::/10"], "fe80::1", "[fe80::1]:80"));
        assert!(allowed(&["*", "fd00:ec2::254"], "x", "[fd00:ec2::254]:80"));
        let open = AllowList::open();
        assert!(open.permits("x", metadata.parse().unwrap()).is_err());
        assert!(open.permits("x", "127.0.0.1:80".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_block_that_mixes_kinds_of_link_local_names_its_metadata_address_too() {
        assert!(allowed(&["169.254.0.0/16"], "x", "169.254.169.254:80"));
    }

    #[test]
    fn an_empty_list_permits_nothing() {
        assert!(!allowed(&[], "localhost", "127.0.0.1:80"));
    }

    #[test]
    fn names_that_nothing_can_permit_are_not_looked_up() {
        assert!(list(&["stock"]).may_permit("points", 80).is_err());
        assert!(list(&["stock:81"]).may_permit("stock", 80).is_err());
        assert!(list(&["10.0.0.0/8"]).may_permit("points", 80).is_ok());
    }
}
