//! A connection to an address, until it is known whether it is for a virtual server.
//!
//! Only where an address takes several protocols a byte is read here. PostgreSQL asks before it begins TLS, which is
//! answered by the machine that all such protocols have. Invariant: to what is given away nothing was written.

use starttls::{Fault, Greeting, Protocol as Spoken};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::begun::Begun;
use crate::mode::{Mode, Protocol};
use crate::opening::Opening;
use crate::refused::Refused;
use crate::settings::Listen;
use crate::upgrading;

/// What a connection begins with, and what of it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sorted {
    /// TLS.
    Tls(Begun),
    /// A packet of OpenVPN.
    OpenVpn(Vec<u8>),
    /// A request in the clear.
    Http(Vec<u8>),
}

/// Finds out. In the clear the door is called what `greeting` says.
///
/// # Errors
/// Where the address does not take it.
pub(crate) async fn sort(
    listen: &Listen,
    greeting: &Greeting,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Sorted, Refused> {
    let mut bytes = Vec::new();
    if listen.mode == Mode::Implicit {
        return Ok(Sorted::Tls(Begun::default()));
    }
    if let Some(protocol) = listen.mode.starttls() {
        return Ok(Sorted::Tls(upgrading::begin(protocol, greeting, socket).await?));
    }
    let opening = gather(socket, &mut bytes).await?;
    may_begin(listen, opening)?;
    match opening {
        Opening::Tls => Ok(Sorted::Tls(Begun { first: bytes, ..Begun::default() })),
        Opening::OpenVpn => Ok(Sorted::OpenVpn(bytes)),
        Opening::Http => Ok(Sorted::Http(bytes)),
        Opening::Postgres => {
            let begun = upgrading::begin_after(bytes, Spoken::Postgresql, greeting, socket).await;
            Ok(Sorted::Tls(begun.map_err(in_our_words)?))
        }
        Opening::Proxied => Err(Refused::NotListed),
        Opening::More | Opening::Unknown => Err(Refused::UnknownProtocol),
    }
}

/// Where several protocols share an address, it is a client of PostgreSQL that is spoken of.
fn in_our_words(why: Refused) -> Refused {
    match why {
        Refused::Upgrade(Fault::Injected) => Refused::EarlyBytes,
        Refused::Upgrade(Fault::InTheClear) => Refused::InTheClear,
        Refused::Upgrade(Fault::Malformed) => Refused::UnknownProtocol,
        Refused::Upgrade(Fault::Left) => Refused::LeftEarly,
        other => other,
    }
}

fn may_begin(listen: &Listen, opening: Opening) -> Result<(), Refused> {
    let protocol = match opening {
        Opening::Tls => Protocol::Tls,
        Opening::OpenVpn => Protocol::OpenVpn,
        Opening::Postgres => Protocol::Postgres,
        Opening::Http => Protocol::Http,
        Opening::More | Opening::Proxied | Opening::Unknown => return Ok(()),
    };
    match listen.takes(protocol) {
        true => Ok(()),
        false => Err(Refused::NotTaken { protocol }),
    }
}

async fn gather(
    socket: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Result<Opening, Refused> {
    loop {
        match Opening::of(bytes) {
            Opening::More => {}
            told => return Ok(told),
        }
        bytes.reserve(PIECE);
        let mut piece = socket.take(PIECE as u64);
        match piece.read_buf(bytes).await.map_err(Refused::Broken)? {
            0 if bytes.is_empty() => return Err(Refused::Silent),
            0 => return Err(Refused::LeftEarly),
            _ => {}
        }
    }
}

/// What is read of a stranger at a time.
const PIECE: usize = 2048;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
    const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

    #[tokio::test]
    async fn postgresqls_question_is_answered_and_what_stands_behind_it_is_no_part_of_tls() {
        let (sorted, said) = met("shared", &[SSL]).await;
        let inside = Some("postgresql");
        assert_eq!(
            (sorted.unwrap(), &said[..]),
            (Sorted::Tls(Begun { inside, ..Begun::default() }), &b"S"[..])
        );
        let (sorted, said) = met("shared", &[GSS, SSL]).await;
        assert_eq!((sorted.is_ok(), &said[..]), (true, &b"NS"[..]));
        let mut injected = SSL.to_vec();
        injected.extend(b"\x16\x03\x01");
        for pieces in [&[&injected[..]][..], &[GSS, &injected]] {
            let (sorted, said) = met("shared", pieces).await;
            assert_eq!(sorted.unwrap_err().code(), "bytes_before_tls");
            assert!(!said.contains(&b'S'));
        }
        let (sorted, said) = met("shared", &[b"\0\0\0\x09\0\x03\0\0\0"]).await;
        assert_eq!(sorted.unwrap_err().code(), "postgresql_in_the_clear");
        assert!(said.starts_with(b"E\0\0\0") && said.ends_with(b"verify-full\0\0"), "{said:?}");
        assert_eq!(said.len() - 1, usize::from(said[4]));
    }

    #[tokio::test]
    async fn an_address_takes_what_it_is_for_and_says_what_came() {
        for (listen, first, code) in [
            ("http", &b"\x16\x03\x01"[..], "protocol_not_taken"),
            ("http", b"\0\x0e\x38", "protocol_not_taken"),
            ("shared", b"SSH-2.0-x\r\n", "unknown_protocol"),
            ("shared", b"PROXY TCP4 ", "proxy_not_listed"),
            ("shared", b"\0\x0e", "left_early"),
            ("shared", b"", "silent"),
        ] {
            let (sorted, said) = met(listen, &[first]).await;
            assert_eq!((sorted.unwrap_err().code(), said.len()), (code, 0), "{first:?}");
        }
        for listen in ["http", "shared"] {
            let (sorted, _) = met(listen, &[b"GET / HTTP/1.0\r\n"]).await;
            assert_eq!(sorted.unwrap(), Sorted::Http(b"GET / HTTP/1.0\r\n".to_vec()));
        }
        let (sorted, _) = met("shared", &[b"\0", b"\x0e", b"\x38"]).await;
        assert_eq!(sorted.unwrap(), Sorted::OpenVpn(b"\0\x0e\x38".to_vec()));
    }

    #[tokio::test]
    async fn behind_a_declined_question_comes_postgresqls_own_for_tls_and_nothing_else() {
        let (vpn, web, tls) =
            (&b"\0\x0e\x38\x01"[..], &b"GET / HTTP/1.0\r\n"[..], &b"\x16\x03\x01\x02"[..]);
        for first in [vpn, web, tls] {
            let (sorted, said) = met("shared", &[GSS, first]).await;
            let sorted = sorted.map_err(|why| why.code());
            assert_eq!((sorted, &said[..]), (Err("unknown_protocol"), &b"N"[..]), "{first:?}");
        }
        let database = of("shared", "protocols = [\"postgresql\"]");
        for (first, code) in [(vpn, "unknown_protocol"), (tls, "unknown_protocol")] {
            let (sorted, _) = met_at(&database, &[GSS, first]).await;
            assert_eq!(sorted.map_err(|why| why.code()), Err(code), "{first:?}");
        }
        let (sorted, said) = met_at(&database, &[GSS, SSL]).await;
        assert_eq!((sorted.is_ok(), &said[..]), (true, &b"NS"[..]));
        let (sorted, _) = met_at(&database, &[tls]).await;
        assert_eq!(sorted.map_err(|why| why.code()), Err("protocol_not_taken"));
    }

    fn of(mode: &str, more: &str) -> Listen {
        toml::from_str(&format!("address = \"[::]:443\"\nmode = \"{mode}\"\n{more}\n")).unwrap()
    }

    /// What becomes of a client that says these pieces and then no more; and what it is told.
    async fn met(mode: &str, pieces: &[&[u8]]) -> (Result<Sorted, Refused>, Vec<u8>) {
        met_at(&of(mode, ""), pieces).await
    }

    async fn met_at(listen: &Listen, pieces: &[&[u8]]) -> (Result<Sorted, Refused>, Vec<u8>) {
        let (mut ours, theirs) = tokio::io::duplex(4096);
        let (mut heard, mut say) = tokio::io::split(theirs);
        let mut said = Vec::new();
        let talk = async {
            for piece in pieces {
                say.write_all(piece).await.unwrap();
                if *piece == GSS && said.is_empty() {
                    said.push(heard.read_u8().await.unwrap());
                }
            }
            say.shutdown().await.unwrap();
        };
        let greeting = Greeting::of("door.test");
        let (sorted, ()) = tokio::join!(sort(listen, &greeting, &mut ours), talk);
        drop(ours);
        heard.read_to_end(&mut said).await.unwrap();
        (sorted, said)
    }
}
