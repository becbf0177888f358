//! Where a connection comes from: as its socket says, or as a listed proxy says before the first byte.
//!
//! Invariant: not one byte of what follows is taken here.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use proxied::{NotProxied, Preamble, Progress};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::refused::Refused;
use crate::settings::Listen;

/// A connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The client's address.
    pub(crate) source: SocketAddr,
    /// The one that it came to.
    pub(crate) local: SocketAddr,
}

/// Asks whoever may say otherwise than `socket`. A proxy that speaks for itself, as its health checks do, is the client.
///
/// # Errors
/// Where a proxy is listed and says nothing of its client, or something that makes no sense.
pub(crate) async fn of(
    listen: &Listen,
    socket: Arrival,
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Arrival, Refused> {
    if !listen.is_proxy(socket.source.ip()) {
        return Ok(socket);
    }
    let said = read(stream).await?;
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    Ok(said
        .addresses
        .map_or(socket, |said| Arrival { source: plain(said.client), local: plain(said.server) }))
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Preamble, Refused> {
    let mut bytes = Vec::new();
    loop {
        match Preamble::read(&bytes).map_err(Refused::Proxy)? {
            Progress::Whole(preamble, _) => return Ok(preamble),
            Progress::Partial(more) => {
                let begun = bytes.len();
                bytes.resize(begun + more, 0);
                let read = stream.read_exact(&mut bytes[begun..]).await;
                read.map_err(|error| broke(error, begun))?;
            }
        }
    }
}

fn broke(error: io::Error, begun: usize) -> Refused {
    match (error.kind(), begun) {
        // Monitors look whether the port is open.
        (ErrorKind::UnexpectedEof, 0) => Refused::Silent,
        (ErrorKind::UnexpectedEof, _) => Refused::Proxy(NotProxied::Malformed),
        _ => Refused::Broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Arrival {
        let at = |text: &str| text.parse().unwrap();
        Arrival { source: at("198.51.100.9:1"), local: at("198.51.100.1:443") }
    }

    fn listen(proxies: &str) -> Listen {
        let text = format!("address = \"[::]:443\"\nproxies = [{proxies}]\n");
        toml::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn a_listed_proxy_says_who_the_client_is_and_not_a_byte_more_is_taken() {
        let v1 = b"PROXY TCP4 192.0.2.7 203.0.113.1 4000 8443\r\n".to_vec();
        let Ok(Progress::Whole(said, _)) = Preamble::read(&v1) else { panic!("it is one") };
        for preamble in [v1, said.to_v2().unwrap()] {
            let all = [&preamble[..], b"\x16\x03\x01"].concat();
            let mut rest = &all[..];
            let arrival = of(&listen("\"198.51.100.0/24\""), socket(), &mut rest).await.unwrap();
            assert_eq!(arrival.source, "192.0.2.7:4000".parse().unwrap());
            assert_eq!(arrival.local, "203.0.113.1:8443".parse().unwrap());
            assert_eq!(rest, b"\x16\x03\x01");
        }
        let mut check = &b"PROXY UNKNOWN\r\n\x16"[..];
        let arrival = of(&listen("\"198.51.100.9\""), socket(), &mut check).await.unwrap();
        assert_eq!((arrival, check), (socket(), &b"\x16"[..]));
    }

    #[tokio::test]
    async fn others_are_not_asked_and_a_listed_one_that_says_nothing_is_refused() {
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00";
        let mut rest = &hello[..];
        assert_eq!(of(&listen("\"192.0.2.0/24\""), socket(), &mut rest).await.unwrap(), socket());
        assert_eq!(rest.len(), hello.len());
        let proxies = listen("\"198.51.100.0/24\"");
        for (bytes, code) in [
            (&hello[..], "bad_proxy_header"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 x 443\r\n", "bad_proxy_header"),
            (b"PROXY TCP4 192.0.2.7", "bad_proxy_header"),
            (b"", "silent"),
        ] {
            let mut rest = bytes;
            let refused = of(&proxies, socket(), &mut rest).await.unwrap_err();
            assert_eq!(refused.code(), code, "{bytes:?}");
        }
    }
}
