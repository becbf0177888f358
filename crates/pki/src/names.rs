//! Names in certificates: which are possible, and which one belongs to the gateway alone.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::DnsName;

/// The common name and first alternative name of the gateway's certificates. Every profile asks for
/// it with `verify-x509-name`, and no other certificate may carry it: that is how a subscriber
/// tells the gateway from any other server of the same CA.
pub const RESERVED_GATEWAY_NAME: &str = "gateway.handfast.internal";

/// Whether a name is kept for the gateway: the reserved zone and everything below it, however its
/// letters are cased and with or without the dot of the root.
pub fn is_reserved_name(name: &str) -> bool {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    name == RESERVED_ZONE
        || name.strip_suffix(RESERVED_ZONE).is_some_and(|rest| rest.ends_with('.'))
}

/// An alternative name of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostName {
    Dns(String),
    Ip(IpAddr),
}

impl HostName {
    /// An IP address, a DNS name, or a DNS name whose first label is `*`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse() {
            return Some(Self::Ip(ip));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let host = name.strip_prefix("*.").unwrap_or(&name);
        // A wildcard over one label would stand for everything below a top-level domain.
        let wildcard_too_wide = name.starts_with('*') && !host.contains('.');
        let good = DnsName::try_from(host).is_ok() && !host.contains('_') && !wildcard_too_wide;
        good.then_some(Self::Dns(name))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

const RESERVED_ZONE: &str = "handfast.internal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_name_is_reserved_in_every_spelling() {
        for name in [
            RESERVED_GATEWAY_NAME,
            "GATEWAY.Handfast.Internal",
            "gateway.handfast.internal.",
            " gateway.handfast.internal ",
            "handfast.internal",
            "*.handfast.internal",
            "x.gateway.handfast.internal",
        ] {
            assert!(is_reserved_name(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_free() {
        for name in ["vpn.example.com", "internal", "nothandfast.internal", "handfast.example"] {
            assert!(!is_reserved_name(name), "{name}");
        }
    }

    #[test]
    fn addresses_names_and_narrow_wildcards_are_hosts() {
        assert_eq!(HostName::parse("192.0.2.1"), Some(HostName::Ip("192.0.2.1".parse().unwrap())));
        assert_eq!(
            HostName::parse("2001:db8::1").map(|h| matches!(h, HostName::Ip(_))),
            Some(true)
        );
        assert_eq!(
            HostName::parse("VPN.Example.com."),
            Some(HostName::Dns("vpn.example.com".into()))
        );
        assert_eq!(HostName::parse("*.example.com"), Some(HostName::Dns("*.example.com".into())));
    }

    #[test]
    fn what_cannot_be_a_host_is_refused() {
        for name in ["", "*", "*.com", "a..b", "a b", "a_b.example", "-a.example", "\u{e9}.example"]
        {
            assert_eq!(HostName::parse(name), None, "{name:?}");
        }
    }
}
