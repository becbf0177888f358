//! Hosts: what a request asks for, and which of them a site answers for.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::uri::Authority;

/// A host that a request names: a name in lower case without a final dot, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

/// Which hosts a site answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This one.
    Exact(String),
    /// Those with one label before this.
    Wildcard(String),
}

/// It is no host's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl Host {
    /// Without port and brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// If one was named.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// With brackets where a URI needs them, without port.
    pub(crate) fn in_uri(&self) -> String {
        match self.name.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.name.clone(),
        }
    }
}

impl FromStr for Host {
    type Err = NotAName;

    /// `HOST[:PORT]` (RFC 9110 section 7.2), where HOST is a name of letters, digits, hyphens, underscores and
    /// dots, or an address.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let authority: Authority = text.parse().map_err(|_| NotAName)?;
        if authority.as_str().contains('@') {
            return Err(NotAName);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => Some(port.strip_prefix(':').and_then(port_of).ok_or(NotAName)?),
            None => return Err(NotAName),
        };
        let name = match authority.host().strip_prefix('[') {
            Some(rest) => {
                let address = rest.strip_suffix(']').ok_or(NotAName)?;
                IpAddr::V6(address.parse().map_err(|_| NotAName)?).to_string()
            }
            None => plain_name(authority.host())?,
        };
        Ok(Self { name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_uri())?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl NamePattern {
    /// Whether it covers this name, which is in lower case.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Wildcard(parent) => name
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        }
    }
}

impl FromStr for NamePattern {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        match text.strip_prefix("*.") {
            Some(parent) => plain_name(parent).map(Self::Wildcard),
            // A port would be taken for one that counts.
            None => match text.parse::<Host>()? {
                Host { name, port: None } => Ok(Self::Exact(name)),
                _ => Err(NotAName),
            },
        }
    }
}

fn port_of(digits: &str) -> Option<u16> {
    if digits.bytes().all(|octet| octet.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn plain_name(text: &str) -> Result<String, NotAName> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let ours = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
    if name.len() <= 253 && labels && name.bytes().all(ours) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(NotAName)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("that is no host's name")
    }
}

impl Error for NotAName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_with_more_in_it() {
        for (text, name, port) in [
            ("Www.Example.COM", "www.example.com", None),
            ("www.example.com.:8443", "www.example.com", Some(8443)),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[2001:DB8::1]:443", "2001:db8::1", Some(443)),
            ("a_b", "a_b", None),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        }
        let long = "a".repeat(64);
        for wrong in [
            "",
            ".",
            "a..b",
            "u@a",
            "u:p@a",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a/b",
            "a?b",
            "a b",
            "[::1",
            "[v1.a]",
            "2001:db8::1",
            "a,b",
            "a%00b",
            &long,
            "\u{e9}",
            "*.a",
        ] {
            assert_eq!(wrong.parse::<Host>(), Err(NotAName), "{wrong}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label_and_not_its_parent() {
        let wildcard: NamePattern = "*.Example.com".parse().unwrap();
        assert!(wildcard.covers("a.example.com"));
        assert!(!wildcard.covers("a.b.example.com") && !wildcard.covers("example.com"));
        let exact: NamePattern = "example.com".parse().unwrap();
        assert!(exact.covers("example.com") && !exact.covers("a.example.com"));
        assert_eq!("example.com:8443".parse::<NamePattern>(), Err(NotAName));
    }
}
