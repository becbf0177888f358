//! Alternative names of servers: which are possible.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::DnsName;

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

#[cfg(test)]
mod tests {
    use super::*;

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
