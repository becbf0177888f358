//! Where a virtual server's bytes go: a name or an address with a port, reached over TCP in the clear.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::listen;

/// A backend: `tcp:127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    host: String,
    port: u16,
}

/// Why a text is no backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFault(String);

impl Target {
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
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl FromStr for Target {
    type Err = TargetFault;

    fn from_str(text: &str) -> Result<Self, TargetFault> {
        let fault = || TargetFault(text.to_owned());
        let rest = text.strip_prefix("tcp:").ok_or_else(fault)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(fault)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // Without brackets, the last part of an IPv6 address would pass for a port.
        if host.is_empty()
            || (bare.is_none() && host.contains(':'))
            || host.contains(char::is_whitespace)
        {
            return Err(fault());
        }
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(fault)?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "tcp:[{}]:{}", self.host, self.port),
            false => write!(f, "tcp:{}:{}", self.host, self.port),
        }
    }
}

impl Display for TargetFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no backend; write one like `tcp:127.0.0.1:8080`", self.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_written_as_it_was_read() {
        for good in ["tcp:127.0.0.1:8080", "tcp:[::1]:5432", "tcp:db.example.org:5432"] {
            assert_eq!(good.parse::<Target>().unwrap().to_string(), good);
        }
        for bad in ["", "127.0.0.1:80", "tcp:80", "tcp::80", "tcp:::1:80", "tcp:x:0", "tcp:x:99999"]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
