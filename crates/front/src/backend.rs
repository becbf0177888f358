//! Where a virtual server's bytes or requests go, as the settings write it.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starttls::Protocol;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use uplink::Target as Service;

use crate::listen;

/// Where the bytes or the requests of a virtual server go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// Bytes, to this address: `tcp:127.0.0.1:5432`.
    Tcp(Address),
    /// Bytes, to this service over TLS: `tls:db.example.org:5432`, or `imap://mail.example.org` where TLS begins by that
    /// protocol's words.
    Tls(Service),
    /// Requests, to a service that speaks HTTP/1.1 in the clear: `http://127.0.0.1:8080`.
    Http(Address),
    /// The same over TLS: `https://app.example.org`.
    Https(Address),
    /// Requests, answered from this folder: `files:/srv/www`.
    Files(PathBuf),
    /// Requests, sent before this with their path: `redirect:https://www.example.org`.
    Redirect(String),
}

/// A name or an address, with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why a text is no backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFault(String);

impl Address {
    /// Connects, within a few seconds.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = timeout(PATIENCE, self.first_that_answers());
        let stream = stream.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        listen::prepare(&stream);
        Ok(stream)
    }

    async fn first_that_answers(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            match timeout(PATIENCE_EACH, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                // Nothing comes back from there: another one may answer.
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    /// With this port, where none is named.
    fn of_url(text: &str, port: u16) -> Option<Self> {
        let text = text.trim_end_matches('/');
        Self::parse(text).or_else(|| Self::parse(&format!("{text}:{port}")))
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let odd = |c: char| c.is_whitespace() || "/@?#".contains(c);
        // Without brackets, the last part of an IPv6 address would pass for a port.
        if host.is_empty() || (bare.is_none() && host.contains(':')) || host.contains(odd) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl Target {
    /// Whether it is HTTP that is spoken inside TLS.
    pub fn is_http(&self) -> bool {
        !matches!(self, Self::Tcp(_) | Self::Tls(_))
    }

    /// Whether TLS is spoken on the way there.
    pub fn is_over_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Https(_))
    }

    /// Whether TLS begins on the way there by this protocol's own words.
    pub fn begins_by(&self, protocol: Protocol) -> bool {
        matches!(self, Self::Tls(service) if service.starttls() == Some(protocol))
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix("tcp:") {
            return Address::parse(address).map(Self::Tcp);
        }
        if let Some(address) = text.strip_prefix("tls:") {
            let begins_at_once = |service: &Service| service.starttls().is_none();
            return address.parse().ok().filter(begins_at_once).map(Self::Tls);
        }
        if let Some(address) = text.strip_prefix("http://") {
            return Address::of_url(address, 80).map(Self::Http);
        }
        if let Some(address) = text.strip_prefix("https://") {
            return Address::of_url(address, 443).map(Self::Https);
        }
        if let Some(folder) = text.strip_prefix("files:") {
            return folder.starts_with('/').then(|| Self::Files(folder.into()));
        }
        if let Some(url) = text.strip_prefix("redirect:") {
            let leads = url.parse::<web::Destination>().is_ok();
            return leads.then(|| Self::Redirect(url.to_owned()));
        }
        let begins_by_words = |service: &Service| service.starttls().is_some();
        text.parse().ok().filter(begins_by_words).map(Self::Tls)
    }
}

impl FromStr for Target {
    type Err = TargetFault;

    fn from_str(text: &str) -> Result<Self, TargetFault> {
        Self::parse(text).ok_or_else(|| TargetFault(text.to_owned()))
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Tls(service) if service.starttls().is_some() => service.fmt(f),
            Self::Tls(service) => write!(f, "tls:{service}"),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Files(folder) => write!(f, "files:{}", folder.display()),
            Self::Redirect(url) => write!(f, "redirect:{url}"),
        }
    }
}

impl Display for TargetFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no backend; write one like `tcp:127.0.0.1:5432`, `http://127.0.0.1:8080`, `tls:` and `https://` likewise, \
             `imap://127.0.0.1`, `files:/srv/www` or \
             `redirect:https://www.example.org`",
            self.0
        )
    }
}

impl std::error::Error for TargetFault {}

impl TryFrom<String> for Target {
    type Error = TargetFault;

    fn try_from(text: String) -> Result<Self, TargetFault> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

/// For a backend to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// For one of its addresses.
const PATIENCE_EACH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_written_as_it_was_read() {
        let good = ["tcp:127.0.0.1:8080", "tcp:[::1]:5432", "tcp:db.example.org:5432"];
        let http = [
            "http://[::1]:80",
            "https://a:443",
            "tls:[::1]:993",
            "imap://mail.example.org:143",
            "ftp://files.example.org:21",
            "mysql://db.example.org:3306",
            "files:/srv/www",
            "redirect:https://www.example.org/x",
        ];
        for good in good.into_iter().chain(http) {
            assert_eq!(good.parse::<Target>().unwrap().to_string(), good);
        }
        assert_eq!("http://web/".parse::<Target>().unwrap().to_string(), "http://web:80");
        for bad in [
            "http://",
            "http://a/b",
            "files:www",
            "redirect:/x",
            "redirect:https:///x",
            "https://a/b",
            "tls:a",
            "tls:imap://a",
            "imap://a:143/b",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
        for bad in ["", "127.0.0.1:80", "tcp:80", "tcp::80", "tcp:::1:80", "tcp:x:0", "tcp:x:99999"]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
