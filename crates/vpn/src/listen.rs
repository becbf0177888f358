//! A socket to listen on, as the settings write it: `udp:[::]:1194`.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use admin::transport::Transport;
use serde::{Deserialize, Serialize};

/// A socket to listen on, `udp:[::]:1194`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen {
    /// What carries the packets.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// A text that is no listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenError(String);

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 1194);
        Self { transport: Transport::Udp, address }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let known = [Transport::Udp, Transport::Tcp].into_iter().find_map(|transport| {
            let address = text.strip_prefix(transport.word())?.strip_prefix(':')?;
            Some(Self { transport, address: address.parse().ok()? })
        });
        known.ok_or_else(|| ListenError(text.to_owned()))
    }
}

impl Display for Listen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.word(), self.address)
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl Display for ListenError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a listening address; write one like `udp:[::]:1194` ", self.0)?;
        f.write_str("or `tcp:[::]:1194`")
    }
}

impl std::error::Error for ListenError {}
