//! Which addresses no call may reach by accident, in every form they can be written in.
//!
//! These are the addresses that a machine answers on without being a service of anyone's: its own
//! link, the metadata of the cloud it runs in. A URL or a DNS record that points there is either a
//! mistake or an attempt to make the coordinator fetch somebody's credentials. Nothing here knows
//! about host names or patterns.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused unless it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    Unspecified,
    LinkLocal,
    Metadata,
    Multicast,
    Broadcast,
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
        })
    }
}

/// Metadata services that do not live on a link-local IPv4 address.
const METADATA_V4: [Ipv4Addr; 3] = [
    // Alibaba Cloud, Oracle Cloud and Azure's host agent.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// What makes `address` one that is always refused, if anything.
///
/// An IPv6 address that carries an IPv4 address is judged by that one too, because a translator
/// on the way delivers to it.
pub(super) fn reserved(address: IpAddr) -> Option<Reserved> {
    match address {
        IpAddr::V4(v4) => reserved_v4(v4),
        IpAddr::V6(v6) => reserved_v6(v6).or_else(|| embedded(v6).and_then(reserved_v4)),
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<Reserved> {
    if METADATA_V4.contains(&address) || address == Ipv4Addr::new(169, 254, 169, 254) {
        Some(Reserved::Metadata)
    } else if address.octets()[0] == 0 {
        // The whole of 0.0.0.0/8: systems connect some of it to themselves.
        Some(Reserved::Unspecified)
    } else if address.is_link_local() {
        Some(Reserved::LinkLocal)
    } else if address.is_multicast() {
        Some(Reserved::Multicast)
    } else if address.is_broadcast() {
        Some(Reserved::Broadcast)
    } else {
        None
    }
}

fn reserved_v6(address: Ipv6Addr) -> Option<Reserved> {
    let s = address.segments();
    // Amazon keeps several services in this block, Google one address.
    let metadata = (s[0] == 0xfd00 && s[1] == 0x0ec2)
        || address == Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254);
    if metadata {
        Some(Reserved::Metadata)
    } else if address.is_unspecified() {
        Some(Reserved::Unspecified)
    } else if s[0] & 0xffc0 == 0xfe80 {
        Some(Reserved::LinkLocal)
    } else if address.is_multicast() {
        Some(Reserved::Multicast)
    } else {
        None
    }
}

/// The IPv4 address that a translating or tunnelling IPv6 address stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let s = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match s {
        // Mapped, translated (SIIT), compatible, NAT64 by either of its prefixes, and 6to4, which
        // carries it in front.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        // Teredo carries it with every bit turned over.
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<Reserved> {
        reserved(text.parse().unwrap())
    }

    #[test]
    fn reserved_addresses_are_known_in_every_form() {
        for (text, expected) in [
            ("0.0.0.0", Reserved::Unspecified),
            ("0.1.2.3", Reserved::Unspecified),
            ("::", Reserved::Unspecified),
            ("169.254.0.1", Reserved::LinkLocal),
            ("169.254.169.254", Reserved::Metadata),
            ("::ffff:169.254.169.254", Reserved::Metadata),
            ("::169.254.169.254", Reserved::Metadata),
            ("::ffff:0:169.254.169.254", Reserved::Metadata),
            ("64:ff9b::169.254.169.254", Reserved::Metadata),
            ("64:ff9b:1::169.254.169.254", Reserved::Metadata),
            ("2002:a9fe:a9fe::1", Reserved::Metadata),
            ("2001:0:1:2:3:4:5601:5601", Reserved::Metadata),
            ("100.100.100.200", Reserved::Metadata),
            ("168.63.129.16", Reserved::Metadata),
            ("fd00:ec2::254", Reserved::Metadata),
            ("fd20:ce::254", Reserved::Metadata),
            ("fe80::1", Reserved::LinkLocal),
            ("febf::1", Reserved::LinkLocal),
            ("ff02::1", Reserved::Multicast),
            ("224.0.0.1", Reserved::Multicast),
            ("255.255.255.255", Reserved::Broadcast),
            ("::ffff:0.0.0.0", Reserved::Unspecified),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn addresses_of_services_are_not_reserved() {
        for text in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "fd00::1",
            "fec0::1",
            "2606:4700::1111",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
