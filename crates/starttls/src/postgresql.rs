//! PostgreSQL: SSLRequest and a single octet back; from version 17 on clients may begin with TLS at once.
//!
//! See the PostgreSQL manual, "Message Flow" and "Message Formats".

use crate::dialogue::{Dialogue, Turn};
use crate::fault::Fault;

/// Speaks for a server that demands TLS.
#[derive(Debug)]
pub(crate) struct Server;

impl Dialogue for Server {
    fn cut(&self, octets: &[u8]) -> Result<Option<usize>, Fault> {
        // No message before TLS is that long, whatever else of its length comes.
        if octets.iter().take(2).any(|octet| *octet != 0) {
            return Err(Fault::Malformed);
        }
        let Some(length) = octets.first_chunk().map(|length| u32::from_be_bytes(*length)) else {
            return Ok(None);
        };
        match usize::try_from(length) {
            Ok(length) if length < 8 => Err(Fault::Malformed),
            Ok(length) if length <= LONGEST => Ok((octets.len() >= length).then_some(length)),
            _ => Err(Fault::Malformed),
        }
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        match (code(frame), frame.len()) {
            (SSL_REQUEST, 8) => Turn::begin("S"),
            (GSS_REQUEST, 8) => Turn::say("N"),
            (VERSION_3.., _) => Turn::end(refusal(), Fault::InTheClear),
            _ => Turn::fail(Fault::Malformed),
        }
    }

    fn is_direct(&self, first: u8) -> bool {
        first == HANDSHAKE
    }
}

fn code(frame: &[u8]) -> u32 {
    frame.get(4..8).and_then(|code| code.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// ErrorResponse.
fn refusal() -> Vec<u8> {
    let fields =
        b"SFATAL\0VFATAL\0C28000\0MTLS is required here; connect with sslmode=verify-full\0\0";
    [&b"E"[..], &(fields.len() as u32 + 4).to_be_bytes(), fields].concat()
}

/// Asks a server for TLS.
#[derive(Debug)]
pub(crate) struct Client;

impl Dialogue for Client {
    fn first(&mut self) -> Vec<u8> {
        [8, SSL_REQUEST].map(u32::to_be_bytes).concat()
    }

    fn cut(&self, _: &[u8]) -> Result<Option<usize>, Fault> {
        Ok(Some(1))
    }

    fn hear(&mut self, frame: &[u8]) -> Turn {
        Turn::fail(match frame {
            b"S" => return Turn::begin(""),
            b"N" => Fault::NotOffered,
            b"E" => Fault::Declined("an error".to_owned()),
            _ => Fault::Malformed,
        })
    }
}

/// What a program of ours asks that is under TLS without knowing it.
pub(crate) fn asks_to_encrypt(frame: &[u8]) -> bool {
    matches!((code(frame), frame.len()), (SSL_REQUEST | GSS_REQUEST, 8))
}

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const VERSION_3: u32 = 3 << 16;
const LONGEST: usize = 4096;
/// The first octet of a TLS record.
const HANDSHAKE: u8 = 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Greeting, Protocol, Step, Upgrade};

    fn server() -> Upgrade {
        Upgrade::server(Protocol::Postgresql, &Greeting::of("db.test")).unwrap()
    }

    fn request(code: u32) -> Vec<u8> {
        [8, code].map(u32::to_be_bytes).concat()
    }

    #[test]
    fn gss_is_declined_and_tls_begins_with_nothing_behind_the_request() {
        let mut one = server();
        assert_eq!(one.hear(&request(GSS_REQUEST)), Step::More(b"N".to_vec()));
        assert_eq!(one.hear(&request(SSL_REQUEST)), Step::Begin(b"S".to_vec()));
        let both = [request(SSL_REQUEST), b"\0\0\0\x08\0\x03\0\0".to_vec()].concat();
        assert_eq!(server().hear(&both), Step::No(Vec::new(), Fault::Injected));
    }

    #[test]
    fn tls_may_begin_at_once_and_nothing_else_may() {
        assert_eq!(server().hear(b"\x16\x03"), Step::Direct(b"\x16\x03".to_vec()));
        let startup = [&[0, 0, 0, 14, 0, 3, 0, 0][..], b"user\0\0"].concat();
        let Step::No(said, Fault::InTheClear) = server().hear(&startup) else { panic!() };
        assert_eq!(said[..5], [b'E', 0, 0, 0, said.len() as u8 - 1]);
        assert_eq!(server().hear(b"GET / HTTP/1.1"), Step::No(Vec::new(), Fault::Malformed));
        // An octet of TLS later is none.
        let mut late = server();
        late.hear(&request(GSS_REQUEST));
        assert!(matches!(late.hear(&[22, 3, 1, 0]), Step::No(_, Fault::Malformed)));
    }
}
