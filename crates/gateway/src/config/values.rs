//! Single values of the settings that are more than text: public names and URLs.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use admin::transport::Transport;
use http::Uri;
use http::uri::Scheme;
use serde::{Deserialize, Serialize};

/// A DNS name or an address by which the outside reaches the gateway; with the port, and what carries
/// the packets, where they are other than those that are listened on: `vpn.example.org`,
/// `vpn.example.org:443`, `tcp:[2001:db8::1]:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicName {
    transport: Option<Transport>,
    host: String,
    port: Option<NonZeroU16>,
}

/// The `http://` address under which CRL and OCSP are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// Where events are posted. It may hold a secret, as many services have it in the path: only its host is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(Uri);

/// Why a text is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Neither name nor address.
    PublicName(String),
    /// Not a URL.
    Url(String),
    /// A URL that needs the certificate it is to check.
    UrlNotHttp(String),
    /// Nothing that could be posted to.
    Webhook,
    /// Not a number with its unit.
    Life(String),
}

impl PublicName {
    /// The name or address alone, without brackets around IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The only transport that is reached by it, where it says one.
    pub fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// The port that the outside sees, where it says one.
    pub fn port(&self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }

    /// As it stands in a URL: IPv6 in brackets.
    pub fn in_url(&self) -> String {
        match self.address() {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        }
    }

    fn of_host(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        let is_host = bare.parse::<IpAddr>().is_ok() || is_dns_name(text);
        is_host.then(|| Self { transport: None, host: bare.to_owned(), port: None })
    }

    fn of_host_and_port(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // Without brackets, the last part of an IPv6 address would pass for a port.
        let named = Self::of_host(host).filter(|_| !host.contains(':') || host.ends_with(']'))?;
        Some(Self { port: Some(port.parse().ok()?), ..named })
    }
}

impl From<IpAddr> for PublicName {
    fn from(address: IpAddr) -> Self {
        Self { transport: None, host: address.to_string(), port: None }
    }
}

impl PublicUrl {
    /// The address at which `name` publishes.
    pub fn of(name: &PublicName) -> Self {
        Self(format!("http://{}", name.in_url()))
    }

    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl WebhookUrl {
    /// Whether it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host's name or address, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Host and port as they were written.
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", |target| target.as_str())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookUrl").field(&self.host()).finish_non_exhaustive()
    }
}

impl FromStr for WebhookUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let uri: Uri = text.parse().map_err(|_| ValueError::Webhook)?;
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        let url = Self(uri);
        // A user and a password would have to go into a header.
        match is_http && !url.host().is_empty() && !url.authority().contains('@') {
            true => Ok(url),
            false => Err(ValueError::Webhook),
        }
    }
}

impl FromStr for PublicName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let prefixed = [Transport::Udp, Transport::Tcp].into_iter().find_map(|transport| {
            let rest = text.strip_prefix(transport.word())?.strip_prefix(':')?;
            Some((Some(transport), rest))
        });
        let (transport, rest) = prefixed.unwrap_or((None, text));
        let named = Self::of_host(rest).or_else(|| Self::of_host_and_port(rest));
        let named = named.ok_or_else(|| ValueError::PublicName(text.to_owned()))?;
        Ok(Self { transport, ..named })
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
                f.write_str("`vpn.example.org`, `203.0.113.7` or `[2001:db8::1]`, where clients ")?;
                f.write_str(
                    "need another port than the listening one with it, `vpn.example.org:443`, ",
                )?;
                f.write_str("and for one transport alone as `tcp:vpn.example.org:443`")
            }
            Self::Url(text) => {
                write!(f, "`{text}` is not a URL; write one like `http://vpn.example.org`")
            }
            Self::UrlNotHttp(text) => {
                write!(f, "`{text}` is https: a client would have to trust the certificate in ")?;
                f.write_str("order to learn whether it may; CRL and OCSP are signed, use http://")
            }
            Self::Webhook => f.write_str(
                "that is no address to post to; write one like `https://ops.example.org/handfast`",
            ),
            Self::Life(text) => {
                write!(f, "`{text}` is no length of time; write one like `90d`, `12h` or `10m`")
            }
        }
    }
}

impl std::error::Error for ValueError {}

impl Display for PublicName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(transport) = self.transport {
            write!(f, "{}:", transport.word())?;
        }
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.in_url()),
            None => f.write_str(&self.host),
        }
    }
}

impl Display for PublicUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for WebhookUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
serde_by_text!(PublicName, PublicUrl, WebhookUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_mistyped_ones() {
        for good in ["vpn.example.org", "203.0.113.7", "fd00::1", "[fd00::1]", "localhost"] {
            assert!(good.parse::<PublicName>().is_ok(), "{good}");
        }
        let ports =
            ["x:", "x:0", "x:65536", ":443", "udp:1194", "[fd00::1]443", "x:443:443", "icmp:x"];
        let hosts = ["", "a b", "203.0.113.700", "http://x", "-a.b", "a..b", "tcp:"];
        for bad in ports.into_iter().chain(hosts) {
            assert!(bad.parse::<PublicName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_and_a_transport_may_stand_beside_the_name_and_are_written_as_they_were_read() {
        let parts = |text: &str| {
            let name: PublicName = text.parse().expect("a name");
            assert_eq!(name.to_string().parse(), Ok(name.clone()));
            (name.transport(), name.host().to_owned(), name.port())
        };
        let (udp, tcp) = (Some(Transport::Udp), Some(Transport::Tcp));
        assert_eq!(parts("vpn.example.org:443"), (None, "vpn.example.org".into(), Some(443)));
        assert_eq!(parts("tcp:203.0.113.7:443"), (tcp, "203.0.113.7".into(), Some(443)));
        assert_eq!(parts("udp:[fd00::1]:53"), (udp, "fd00::1".into(), Some(53)));
        assert_eq!(parts("tcp:fd00::1:443"), (tcp, "fd00::1:443".into(), None));
        assert_eq!(parts("tcp.example.org"), (None, "tcp.example.org".into(), None));
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
    fn a_webhook_is_an_address_over_http_or_https_whose_path_stays_out_of_debug_output() {
        let url: WebhookUrl = "https://[fd00::1]:8443/hook?token=s3cret".parse().expect("a url");
        assert_eq!((url.host(), url.port(), url.is_https()), ("fd00::1", 8443, true));
        assert_eq!((url.authority(), url.target()), ("[fd00::1]:8443", "/hook?token=s3cret"));
        assert!(!format!("{url:?}").contains("s3cret"));
        let plain: WebhookUrl = "http://127.0.0.1".parse().expect("a url");
        assert_eq!((plain.port(), plain.target()), (80, "/"));
        for bad in ["ftp://x/y", "x", "/x", "https://", "https://u:p@x/", "https://a b/"] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_name_is_bracketed_in_a_url() {
        let name: PublicName = "fd00::1".parse().expect("a name");
        assert_eq!(PublicUrl::of(&name).to_string(), "http://[fd00::1]");
    }
}
