//! A connection to an address, until it is known whether it is for a virtual server.
//!
//! Only where an address takes several protocols a byte is read here. PostgreSQL asks before it begins TLS, and is
//! answered. Invariant: what comes before that answer is the question and nothing else, since whoever is between could
//! put more there, and it would count as said inside TLS.

use starttls::Greeting;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::mode::{Mode, Protocol};
use crate::opening::{Opening, STARTUP, Startup};
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

/// TLS that begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// What came of it.
    pub(crate) first: Vec<u8>,
    /// The protocol that it is to carry, as ALPN calls it, where that is known.
    pub(crate) inside: Option<&'static str>,
    /// Whom the client asked for before it.
    pub(crate) asked: Option<String>,
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
        let (first, asked) = upgrading::begin(protocol, greeting, socket).await?;
        return Ok(Sorted::Tls(Begun { first, inside: Some(protocol.name()), asked }));
    }
    let mut opening = gather(socket, &mut bytes).await?;
    may_begin(listen, opening)?;
    if opening == Opening::Postgres(Startup::Gss) {
        answer(socket, &bytes, b"N").await?;
        bytes.clear();
        opening = after_a_no(gather(socket, &mut bytes).await?);
        may_begin(listen, opening)?;
    }
    match opening {
        Opening::Tls => Ok(Sorted::Tls(Begun { first: bytes, ..Begun::default() })),
        Opening::OpenVpn => Ok(Sorted::OpenVpn(bytes)),
        Opening::Http => Ok(Sorted::Http(bytes)),
        Opening::Postgres(Startup::Ssl) => {
            answer(socket, &bytes, b"S").await?;
            Ok(Sorted::Tls(Begun { inside: Some(POSTGRES_ALPN), ..Begun::default() }))
        }
        Opening::Postgres(Startup::Clear) => {
            // Whoever does not take it goes without.
            let _ = socket.write_all(&in_the_clear()).await;
            Err(Refused::InTheClear)
        }
        Opening::Proxied => Err(Refused::NotListed),
        Opening::Postgres(Startup::Gss) | Opening::More | Opening::Unknown => {
            Err(Refused::UnknownProtocol)
        }
    }
}

/// Whoever asked for GSSAPI goes on as a client of PostgreSQL, with TLS or without. Nothing else is it: something was
/// written to the connection, which those beside count on to be untouched.
fn after_a_no(opening: Opening) -> Opening {
    match opening {
        Opening::Tls | Opening::Postgres(Startup::Ssl | Startup::Clear) => opening,
        _ => Opening::Unknown,
    }
}

fn may_begin(listen: &Listen, opening: Opening) -> Result<(), Refused> {
    let protocol = match opening {
        Opening::Tls => Protocol::Tls,
        Opening::OpenVpn => Protocol::OpenVpn,
        Opening::Postgres(_) => Protocol::Postgres,
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

async fn answer(
    socket: &mut (impl AsyncWrite + Unpin),
    asked: &[u8],
    answer: &[u8],
) -> Result<(), Refused> {
    if asked.len() > STARTUP {
        return Err(Refused::EarlyBytes);
    }
    socket.write_all(answer).await.map_err(Refused::Broken)
}

/// PostgreSQL's ErrorResponse: what its clients show to people.
fn in_the_clear() -> Vec<u8> {
    let fields =
        ["SFATAL", "VFATAL", "C28000", "MTLS is required here; connect with sslmode=verify-full"];
    let fields = fields.map(|field| format!("{field}\0")).concat();
    let length = u32::try_from(4 + fields.len() + 1).unwrap_or_default();
    [b"E", &length.to_be_bytes()[..], fields.as_bytes(), b"\0"].concat()
}

/// As RFC 7301's registry has it.
const POSTGRES_ALPN: &str = "postgresql";
/// What is read of a stranger at a time.
const PIECE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
    const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

    #[tokio::test]
    async fn postgresqls_question_is_answered_and_what_stands_behind_it_is_no_part_of_tls() {
        let (sorted, said) = met("shared", &[SSL]).await;
        let inside = Some(POSTGRES_ALPN);
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
    async fn behind_a_declined_question_comes_what_the_address_takes_and_nothing_for_others() {
        let (vpn, web, tls) =
            (&b"\0\x0e\x38"[..], &b"GET / HTTP/1.0\r\n"[..], &b"\x16\x03\x01"[..]);
        for first in [vpn, web, GSS] {
            let (sorted, said) = met("shared", &[GSS, first]).await;
            let sorted = sorted.map_err(|why| why.code());
            assert_eq!((sorted, &said[..1]), (Err("unknown_protocol"), &b"N"[..]), "{first:?}");
        }
        let database = of("shared", "protocols = [\"postgresql\"]");
        for (first, code) in [(vpn, "unknown_protocol"), (tls, "protocol_not_taken")] {
            let (sorted, _) = met_at(&database, &[GSS, first]).await;
            assert_eq!(sorted.map_err(|why| why.code()), Err(code), "{first:?}");
        }
        let (sorted, _) = met("shared", &[GSS, tls]).await;
        assert_eq!(sorted.unwrap(), Sorted::Tls(Begun { first: tls.to_vec(), ..Begun::default() }));
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
