//! One end of conversations, which a reader asks for in a capture of many.
//!
//! A capture holds addresses and no names, so an end is named by its numbers.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::layers::Carried;

/// An address, a port or both, at either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl Endpoint {
    pub(super) fn is_of(self, carried: &Carried<'_>) -> bool {
        self.is(carried.from) || self.is(carried.to)
    }

    fn is(self, end: SocketAddr) -> bool {
        self.address.is_none_or(|address| address == end.ip())
            && self.port.is_none_or(|port| port == end.port())
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    /// `192.0.2.1`, `:443`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`.
    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { address: Some(address), port: None });
        }
        if let Some(port) = text.strip_prefix(':') {
            let port = port.parse().map_err(|_| NotAnEndpoint::Port)?;
            return Ok(Self { address: None, port: Some(port) });
        }
        let both: SocketAddr = text.parse().map_err(|_| NotAnEndpoint::Neither)?;
        Ok(Self { address: Some(both.ip()), port: Some(both.port()) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (Some(address), Some(port)) => SocketAddr::new(address, port).fmt(f),
            (Some(address), None) => address.fmt(f),
            (None, Some(port)) => write!(f, "port {port}"),
            (None, None) => f.write_str("any address"),
        }
    }
}

/// What was written is no end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnEndpoint {
    /// No port stands behind the colon.
    Port,
    /// It is neither an address nor one with a port.
    Neither,
}

impl fmt::Display for NotAnEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port is a number up to 65535",
            Self::Neither => "it is neither an address nor an address with a port",
        })
    }
}

impl Error for NotAnEndpoint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_address_a_port_or_both() {
        let (v4, v6) = ("192.0.2.1:443".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap());
        let others: [SocketAddr; 2] =
            ["192.0.2.1:80".parse().unwrap(), "[2001:db8::2]:443".parse().unwrap()];
        for (written, is) in [
            ("192.0.2.1", [true, false, true, false]),
            ("192.0.2.1:443", [true, false, false, false]),
            (":443", [true, true, false, true]),
            ("2001:db8::1", [false, true, false, false]),
            ("[2001:db8::1]", [false, true, false, false]),
            ("[2001:db8:0::1]:443", [false, true, false, false]),
            ("[2001:db8::2]:443", [false, false, false, true]),
        ] {
            let end: Endpoint = written.parse().unwrap();
            assert_eq!([v4, v6, others[0], others[1]].map(|at| end.is(at)), is, "{written}");
        }
    }

    #[test]
    fn what_is_no_end_is_refused_with_the_reason() {
        for (written, why) in [
            ("", NotAnEndpoint::Neither),
            ("443", NotAnEndpoint::Neither),
            ("vpn.example.net", NotAnEndpoint::Neither),
            ("vpn.example.net:443", NotAnEndpoint::Neither),
            ("192.0.2.1:", NotAnEndpoint::Neither),
            ("192.0.2.1:65536", NotAnEndpoint::Neither),
            ("[2001:db8::1]:https", NotAnEndpoint::Neither),
            ("[192.0.2.1", NotAnEndpoint::Neither),
            (":", NotAnEndpoint::Port),
            (":https", NotAnEndpoint::Port),
            (":65536", NotAnEndpoint::Port),
        ] {
            assert_eq!(written.parse::<Endpoint>(), Err(why), "{written:?}");
        }
    }
}
