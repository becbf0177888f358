//! One preamble, read and written.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use proxy_header::{Error as HeaderError, ParseConfig, Protocol, ProxiedAddress, ProxyHeader, Tlv};

use crate::secured::Secured;

/// What a proxy says of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preamble {
    /// `None` where the proxy speaks for itself (its health checks), or knows no address: then those of the
    /// connection count.
    pub addresses: Option<Addresses>,
    /// The name that the client asked for by SNI.
    pub server_name: Option<String>,
    /// What it agreed on by ALPN.
    pub protocol: Option<Vec<u8>>,
    /// Its TLS, if it ended at the proxy.
    pub secured: Option<Secured>,
}

/// Where a connection comes from and where it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client's.
    pub client: SocketAddr,
    /// The one that it connected to.
    pub server: SocketAddr,
}

/// How far reading has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many more octets are part of it at least, so that whoever reads them takes none of what follows. There are
    /// at most [`LONGEST`] in all.
    Partial(usize),
    /// It is here, and took so many octets.
    Whole(Preamble, usize),
}

/// What came is no preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotProxied {
    /// It begins otherwise: the source is listed as a proxy and does not say who the client is.
    Missing,
    /// It begins so and goes on wrongly.
    Malformed,
    /// Longer than any honest one.
    TooLong,
    /// Of UDP, where a connection was taken.
    Datagrams,
    /// Its checksum is of other octets.
    Checksum,
}

/// A preamble that can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// One address is IPv4 and the other IPv6.
    MixedAddresses,
    /// Its names are too long.
    TooLong,
}

impl Preamble {
    /// Reads it from the first octets of a connection.
    ///
    /// # Errors
    /// As soon as they can be none.
    pub fn read(octets: &[u8]) -> Result<Progress, NotProxied> {
        if !may_begin(octets) {
            return Err(NotProxied::Missing);
        }
        let seen = &octets[..octets.len().min(LONGEST)];
        let (header, used) = match ProxyHeader::parse(seen, ParseConfig::default()) {
            Ok(read) => read,
            Err(HeaderError::BufferTooShort) => return unfinished(seen),
            Err(_) => return Err(NotProxied::Malformed),
        };
        // However it was cut on its way.
        if octets.starts_with(V1) && used > V1_LONGEST {
            return Err(NotProxied::TooLong);
        }
        if header.tlvs().any(|tlv| tlv.is_err()) {
            return Err(NotProxied::Malformed);
        }
        check_sum(&header, &octets[..used])?;
        Self::of(&header).map(|preamble| Progress::Whole(preamble, used))
    }

    fn of(header: &ProxyHeader<'_>) -> Result<Self, NotProxied> {
        let addresses = match header.proxied_address() {
            Some(address) if address.protocol == Protocol::Datagram => {
                return Err(NotProxied::Datagrams);
            }
            Some(address) => {
                Some(Addresses { client: address.source, server: address.destination })
            }
            None => None,
        };
        // What comes with none is of the proxy, or of nobody that can be told.
        if addresses.is_none() {
            return Ok(Self::default());
        }
        let secured = header.ssl();
        if secured.as_ref().is_some_and(|info| info.tlvs().any(|tlv| tlv.is_err())) {
            return Err(NotProxied::Malformed);
        }
        Ok(Self {
            addresses,
            server_name: header.authority().map(str::to_owned),
            protocol: header.alpn().map(<[u8]>::to_vec),
            secured: secured.as_ref().and_then(Secured::from_info),
        })
    }

    /// In version 1, which says no more than addresses.
    ///
    /// # Errors
    /// Where they are of two kinds.
    pub fn to_v1(&self) -> Result<Vec<u8>, NotWritten> {
        let header = match self.proxied()? {
            Some(address) => ProxyHeader::with_address(address),
            None => ProxyHeader::with_local(),
        };
        let mut octets = Vec::new();
        header.encode_v1(&mut octets).map_err(|_| NotWritten::MixedAddresses)?;
        Ok(octets)
    }

    /// In version 2, with all that it says.
    ///
    /// # Errors
    /// Where addresses are of two kinds, or it gets longer than [`LONGEST`].
    pub fn to_v2(&self) -> Result<Vec<u8>, NotWritten> {
        if self.longest_name() > LONGEST {
            return Err(NotWritten::TooLong);
        }
        let protocol = self.protocol.as_deref().map(|protocol| Tlv::Alpn(protocol.into()));
        let name = self.server_name.as_deref().map(|name| Tlv::Authority(name.into()));
        let secured = self.secured.as_ref().map(Secured::to_tlv);
        let said = [protocol, name, secured].into_iter().flatten();
        let mut octets = Vec::new();
        ProxyHeader::with_tlvs(self.proxied()?, said)
            .encode_v2(&mut octets)
            .map_err(|_| NotWritten::TooLong)?;
        if octets.len() > LONGEST { Err(NotWritten::TooLong) } else { Ok(octets) }
    }

    /// Longer than any field can be, writing it would be a mistake of ours.
    fn longest_name(&self) -> usize {
        let of = |name: &Option<String>| name.as_ref().map_or(0, String::len);
        let secured = self.secured.as_ref().map_or(0, |secured| {
            let names = [of(&secured.cipher), of(&secured.common_name), secured.version.len()];
            names.into_iter().sum()
        });
        of(&self.server_name) + self.protocol.as_ref().map_or(0, Vec::len) + secured
    }

    fn proxied(&self) -> Result<Option<ProxiedAddress>, NotWritten> {
        let Some(Addresses { client, server }) = self.addresses else { return Ok(None) };
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (client, server) = (plain(client), plain(server));
        if client.is_ipv4() == server.is_ipv4() {
            Ok(Some(ProxiedAddress::stream(client, server)))
        } else {
            Err(NotWritten::MixedAddresses)
        }
    }
}

/// Whether whoever begins so says that it is a proxy: an error from a source that is not listed. TLS, OpenVPN,
/// PostgreSQL and HTTP begin otherwise.
pub fn says_proxied(octets: &[u8]) -> bool {
    octets.starts_with(V1) || octets.starts_with(V2)
}

fn may_begin(octets: &[u8]) -> bool {
    [V1, V2].iter().any(|beginning| {
        let both = octets.len().min(beginning.len());
        octets[..both] == beginning[..both]
    })
}

/// Whether it may yet become one.
fn unfinished(octets: &[u8]) -> Result<Progress, NotProxied> {
    match announced(octets) {
        Some(length) if length > LONGEST => Err(NotProxied::TooLong),
        Some(length) if length <= octets.len() => Err(NotProxied::Malformed),
        Some(length) => Ok(Progress::Partial(length - octets.len())),
        None => Ok(Progress::Partial(sure(octets))),
    }
}

/// How many octets surely follow, where it does not say how long it is.
fn sure(octets: &[u8]) -> usize {
    let shortest = if octets.starts_with(V2) { V2.len() + 4 } else { V1_SHORTEST };
    shortest.saturating_sub(octets.len()).max(1)
}

/// How long it says it is, which version 2 does.
fn announced(octets: &[u8]) -> Option<usize> {
    let length = octets.strip_prefix(V2)?.get(2..4)?;
    Some(V2.len() + 4 + usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// Section 2.2.3: the sum is over the whole of it, with zeros where the sum stands.
fn check_sum(header: &ProxyHeader<'_>, octets: &[u8]) -> Result<(), NotProxied> {
    let Some(sum) = header.crc32c() else { return Ok(()) };
    let all: usize = header.tlvs().flatten().map(|tlv| encoded(&tlv).len()).sum();
    let mut at = octets.len().checked_sub(all).ok_or(NotProxied::Malformed)?;
    for tlv in header.tlvs().flatten() {
        let length = encoded(&tlv).len();
        if let Tlv::Crc32c(_) = tlv {
            let mut blank = octets.to_vec();
            blank.get_mut(at + 3..at + length).ok_or(NotProxied::Malformed)?.fill(0);
            return if crc32c::crc32c(&blank) == sum { Ok(()) } else { Err(NotProxied::Checksum) };
        }
        at += length;
    }
    Ok(())
}

fn encoded(tlv: &Tlv<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    tlv.encode(&mut octets);
    octets
}

impl fmt::Display for NotProxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "a source listed as a proxy does not say who its client is (PROXY protocol)"
            }
            Self::Malformed => "what a proxy says of its client is malformed (PROXY protocol)",
            Self::TooLong => "what a proxy says of its client is too long (PROXY protocol)",
            Self::Datagrams => "a proxy speaks of UDP on a TCP connection (PROXY protocol)",
            Self::Checksum => {
                "what a proxy says of its client has a wrong checksum (PROXY protocol)"
            }
        })
    }
}

impl Error for NotProxied {}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MixedAddresses => "a connection is of IPv4 or of IPv6 and not of both",
            Self::TooLong => "what is said of the client is too long for the PROXY protocol",
        })
    }
}

impl Error for NotWritten {}

const V1: &[u8] = b"PROXY ";
/// `PROXY UNKNOWN` and the line's end; version 2 is longer.
const V1_SHORTEST: usize = 15;
/// With its line's end.
const V1_LONGEST: usize = 107;
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Proxies say some hundred octets; nothing needs more than one segment of a generous kind.
pub const LONGEST: usize = 4096;

#[cfg(test)]
mod tests;
