//! The patterns of an allow-list: how they are written, and what one of them names.
//!
//! A pattern is understood whole or refused with the way to write it; none is guessed at.

use std::net::IpAddr;

use super::address::{self, Reserved};

/// A pattern that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the allow-list pattern {pattern:?} cannot be used: {problem}")]
pub struct AllowListError {
    /// The pattern as it was given.
    pub pattern: String,
    /// What is wrong with it, and how to put it right.
    pub problem: String,
}

/// One pattern, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) place: Place,
    port: Option<u16>,
}

/// What a pattern names, apart from the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Everything,
    Host(String),
    /// Every name that ends so; begins with the dot.
    Below(String),
    Address(IpAddr),
    /// All addresses that share the leading bits.
    Block(IpAddr, u8),
}

impl Rule {
    pub(super) fn parse(pattern: &str) -> Result<Self, AllowListError> {
        parse(pattern).map_err(|problem| AllowListError {
            pattern: pattern.to_owned(),
            problem,
        })
    }

    pub(super) fn meets_port(&self, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
    }

    /// Whether the rule permits whatever address this host stands for, reserved ones apart.
    pub(super) fn names_host(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.meets_port(port)
            && match &self.place {
                Place::Everything => true,
                Place::Host(name) => name.eq_ignore_ascii_case(host),
                Place::Below(suffix) => host
                    .len()
                    .checked_sub(suffix.len())
                    .and_then(|start| host.get(start..).filter(|_| start > 0))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
                Place::Address(_) | Place::Block(..) => false,
            }
    }

    /// Whether the rule is about addresses and this is one of them.
    pub(super) fn names_address(&self, address: IpAddr, port: u16) -> bool {
        self.meets_port(port)
            && match self.place {
                Place::Address(named) => named == address,
                Place::Block(base, bits) => first_of_block(address, bits) == base,
                _ => false,
            }
    }

    /// Whether the rule was written for this reserved address: a block that holds others as well
    /// was not.
    pub(super) fn names_reserved(&self, address: IpAddr, port: u16, kind: Reserved) -> bool {
        let meant = match self.place {
            Place::Block(base, bits) => {
                let (first, last) = (address::reserved(base), last_of_block(base, bits));
                let whole = first.is_some() && address::reserved(last) == first;
                // The metadata address lies inside the link-local block.
                whole && (first == Some(kind) || kind == Reserved::Metadata)
            }
            _ => true,
        };
        meant && self.names_address(address, port)
    }
}

fn parse(pattern: &str) -> Result<Rule, String> {
    if pattern.contains("://") {
        return Err("write the host only, without a scheme such as http://".to_owned());
    }
    if pattern.contains('/') {
        return Ok(Rule {
            place: block(pattern)?,
            port: None,
        });
    }
    if let Ok(address) = pattern.parse::<IpAddr>() {
        return Ok(Rule {
            place: Place::Address(address.to_canonical()),
            port: None,
        });
    }
    let (host, port) = split_port(pattern)?;
    Ok(Rule {
        place: place(host)?,
        port,
    })
}

/// Parts `host:port`; the brackets of an IPv6 address stay with the host.
fn split_port(pattern: &str) -> Result<(&str, Option<u16>), String> {
    let Some((host, port)) = pattern.rsplit_once(':').filter(|_| !pattern.ends_with(']')) else {
        return Ok((pattern, None));
    };
    match port.parse() {
        Ok(0) | Err(_) => Err(format!(
            "{port:?} is not a port; use a number from 1 to 65535"
        )),
        Ok(port) => Ok((host, Some(port))),
    }
}

fn place(host: &str) -> Result<Place, String> {
    if host == "*" {
        return Ok(Place::Everything);
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .and_then(|inner| inner.parse::<IpAddr>().ok());
        let address = address.filter(IpAddr::is_ipv6);
        return match address {
            Some(address) => Ok(Place::Address(address.to_canonical())),
            None => Err("the brackets must hold one IPv6 address, as in [fd12::7]:8080".to_owned()),
        };
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(_) => Ok(Place::Address(address)),
            IpAddr::V6(_) => {
                Err("an IPv6 address with a port needs brackets: [fd12::7]:8080".to_owned())
            }
        };
    }
    match host.strip_prefix("*.") {
        Some(parent) => Ok(Place::Below(format!(".{}", name(parent)?))),
        None => Ok(Place::Host(name(host)?)),
    }
}

fn name(host: &str) -> Result<String, String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.contains('*') {
        return Err("a * may only stand alone or in front, as in *.example.com".to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if let Some(odd) = host.chars().find(|&c| !plain(c)) {
        return Err(format!(
            "{odd:?} cannot be part of a host name; write international names in their xn-- form"
        ));
    }
    if host.split('.').any(str::is_empty) {
        return Err(
            "a host name, an address, a block such as 10.0.0.0/8, or * is needed".to_owned(),
        );
    }
    Ok(host.to_ascii_lowercase())
}

fn block(pattern: &str) -> Result<Place, String> {
    let (base, bits) = pattern.split_once('/').unwrap_or((pattern, ""));
    let Ok(base) = base.parse::<IpAddr>() else {
        return Err(
            "only an address may stand before a /, as in 10.0.0.0/8; paths have no place \
                    here"
                .to_owned(),
        );
    };
    let most = if base.is_ipv4() { 32 } else { 128 };
    let Some(bits) = bits.parse::<u8>().ok().filter(|&bits| bits <= most) else {
        return Err(format!(
            "the length after the / must be a number from 0 to {most}"
        ));
    };
    let first = first_of_block(base, bits);
    if first != base {
        return Err(format!(
            "the block of that length begins elsewhere: write {first}/{bits}"
        ));
    }
    Ok(Place::Block(base, bits))
}

fn first_of_block(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & mask4(bits)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & mask6(bits)).into()),
    }
}

fn last_of_block(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() | !mask4(bits)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() | !mask6(bits)).into()),
    }
}

fn mask4(bits: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(bits.into()))
        .unwrap_or(0)
}

fn mask6(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128_u32.saturating_sub(bits.into()))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_understood_is_named_with_the_remedy() {
        for (pattern, remedy) in [
            ("", "a host name"),
            ("http://stock", "without a scheme"),
            ("stock/path", "only an address"),
            ("stock:http", "not a port"),
            ("stock:0", "not a port"),
            ("stock:65536", "not a port"),
            ("a*b.com", "a * may only"),
            ("*.*.com", "a * may only"),
            ("*example.com", "a * may only"),
            ("*.", "a host name"),
            ("a..b", "a host name"),
            ("st ock", "' '"),
            ("bücher.de", "xn--"),
            ("user@stock", "'@'"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.1.0.0/8", "write 10.0.0.0/8"),
            ("fd12::/129", "from 0 to 128"),
            ("[10.0.0.1]:80", "brackets"),
            ("[::1", "brackets"),
        ] {
            let error = Rule::parse(pattern).unwrap_err();
            assert_eq!(error.pattern, pattern);
            assert!(error.to_string().contains(remedy), "{pattern}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(pattern in ".{0,40}") {
            let _ = Rule::parse(&pattern);
        }

        #[test]
        fn a_block_holds_exactly_what_shares_its_bits(
            base: u32, other: u32, bits in 0_u8..=32
        ) {
            let base = IpAddr::V4((base & mask4(bits)).into());
            let rule = Rule::parse(&format!("{base}/{bits}")).unwrap();
            let IpAddr::V4(first) = base else { unreachable!() };
            let shares = bits == 0 || (other ^ first.to_bits()) >> (32 - u32::from(bits)) == 0;
            prop_assert_eq!(rule.names_address(IpAddr::V4(other.into()), 1), shares);
        }

        #[test]
        fn an_address_names_only_itself(a: u128, b: u128) {
            let named = std::net::Ipv6Addr::from(a);
            let rule = Rule::parse(&named.to_string()).unwrap();
            prop_assert!(rule.names_address(IpAddr::V6(named).to_canonical(), 1));
            let other = IpAddr::V6(b.into());
            prop_assert_eq!(rule.names_address(other, 1), a == b);
        }

        #[test]
        fn no_host_rule_ever_names_a_reserved_address(host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}") {
            let rule = Rule::parse(&host).unwrap();
            let address: IpAddr = "169.254.169.254".parse().unwrap();
            prop_assert!(!rule.names_reserved(address, 80, Reserved::Metadata));
        }
    }
}
