//! Single values of the settings that are more than text: public names and URLs.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A DNS name or an address by which the outside reaches the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicName(String);

/// The `http://` address under which CRL and OCSP are, or will be, found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// Why a text is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Neither name nor address.
    PublicName(String),
    /// Not a URL.
    Url(String),
    /// A URL that needs the certificate it is to check.
    UrlNotHttp(String),
}

impl PublicName {
    /// The text, without brackets around IPv6.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// As it stands in a URL: IPv6 in brackets.
    pub fn in_url(&self) -> String {
        match self.address() {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.0.clone(),
        }
    }
}

impl From<IpAddr> for PublicName {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

impl PublicUrl {
    /// The address on which `name` would publish.
    pub fn of(name: &PublicName) -> Self {
        Self(format!("http://{}", name.in_url()))
    }

    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() || is_dns_name(text) {
            return Ok(Self(bare.to_owned()));
        }
        Err(ValueError::PublicName(text.to_owned()))
    }
}

/// Letters, digits and inner hyphens; a name of digits alone would be a mistyped address.
fn is_dns_name(text: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last_is_no_number = text.rsplit('.').next().is_some_and(|l| l.parse::<u64>().is_err());
    text.len() <= 253 && text.split('.').all(label) && last_is_no_number
}

impl FromStr for PublicUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.starts_with("https://") {
            return Err(ValueError::UrlNotHttp(text.to_owned()));
        }
        let url = text.trim_end_matches('/');
        let rest = url.strip_prefix("http://").unwrap_or_default();
        let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&b));
        if rest.is_empty() || rest.starts_with('/') || !plain {
            return Err(ValueError::Url(text.to_owned()));
        }
        Ok(Self(url.to_owned()))
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicName(text) => {
                write!(f, "`{text}` is neither a host name nor an address; write one like ")?;
                f.write_str("`vpn.example.org` or `203.0.113.7`, without a port")
            }
            Self::Url(text) => {
                write!(f, "`{text}` is not a URL; write one like `http://vpn.example.org`")
            }
            Self::UrlNotHttp(text) => {
                write!(f, "`{text}` is https: a client would have to trust the certificate in ")?;
                f.write_str("order to learn whether it may; CRL and OCSP are signed, use http://")
            }
        }
    }
}

impl std::error::Error for ValueError {}

impl Display for PublicName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for PublicUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! serde_by_text {
    ($($value:ty),*) => {$(
        impl TryFrom<String> for $value {
            type Error = ValueError;
            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }
        impl From<$value> for String {
            fn from(value: $value) -> String {
                value.to_string()
            }
        }
    )*};
}
serde_by_text!(PublicName, PublicUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_mistyped_ones() {
        for good in ["vpn.example.org", "203.0.113.7", "fd00::1", "[fd00::1]", "localhost"] {
            assert!(good.parse::<PublicName>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "203.0.113.700", "x:1194", "http://x", "-a.b", "a..b"] {
            assert!(bad.parse::<PublicName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_must_be_plain_http() {
        let url: PublicUrl = "http://vpn.example.org/".parse().expect("a url");
        assert_eq!(url.as_str(), "http://vpn.example.org");
        for bad in ["https://x", "http://", "http:///x", "x", "http://a b"] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_name_is_bracketed_in_a_url() {
        let name: PublicName = "fd00::1".parse().expect("a name");
        assert_eq!(PublicUrl::of(&name).to_string(), "http://[fd00::1]");
    }
}
