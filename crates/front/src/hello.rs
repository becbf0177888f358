//! A connection's first bytes, gathered until they say whom the client asks for.
//!
//! Not here: the socket, and the time it may take. Bytes go in as they come, in pieces of any size and over any number
//! of records: a ClientHello with a hybrid key share is longer than a TCP segment. Invariant: at most [`LONGEST`] bytes
//! are held of a stranger, and they are the ones that it sent, for whoever ends TLS behind us.

use rustls::SignatureScheme;
use rustls::server::{Accepted, Acceptor};

use crate::groups::HYBRID;
use crate::offered::{self, Offered};
use crate::refused::Refused;

/// Gathers.
///
/// 1. [`Gathering::take`] for bytes as they come, until it gives something else than [`Step::More`];
/// 2. what it gives ends the gathering, and all that was taken lies where it was to be gathered.
pub(crate) struct Gathering<'a> {
    acceptor: Acceptor,
    sent: &'a mut Vec<u8>,
}

/// What the bytes so far are.
pub(crate) enum Step {
    /// The beginning of a ClientHello.
    More,
    /// A whole one.
    Whole(Box<Hello>),
    /// None: the alert to answer with, if any, and why.
    No(Vec<u8>, Refused),
}

/// What a client asks for.
pub(crate) struct Hello {
    /// The name, in lower case.
    pub(crate) name: Option<String>,
    /// The protocols that it speaks inside.
    pub(crate) alpn: Vec<Vec<u8>>,
    /// The signatures that it can read.
    pub(crate) schemes: Vec<SignatureScheme>,
    /// The versions, ciphers and groups that it has.
    pub(crate) offered: Offered,
    /// Whether it has the group whose keys no quantum computer finds.
    pub(crate) is_hybrid: bool,
    /// For whoever ends TLS here.
    pub(crate) accepted: Accepted,
    /// What came behind it, which the library has not seen.
    pub(crate) rest: Vec<u8>,
}

impl<'a> Gathering<'a> {
    /// Of bytes that are gathered there, for whoever ends TLS elsewhere.
    pub(crate) fn into(sent: &'a mut Vec<u8>) -> Self {
        Self { acceptor: Acceptor::default(), sent }
    }

    /// Takes what came. Nothing means that the client has closed.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return Step::No(
                Vec::new(),
                if self.sent.is_empty() { Refused::Silent } else { Refused::LeftEarly },
            );
        }
        self.sent.extend_from_slice(bytes);
        if self.sent.first() != Some(&HANDSHAKE) {
            let proxied = proxied::says_proxied(self.sent);
            let why = if proxied { Refused::NotListed } else { Refused::NotTls };
            return Step::No(Vec::new(), why);
        }
        while !bytes.is_empty() {
            // Reading from memory fails only where more is given than the library holds of one message.
            match self.acceptor.read_tls(&mut bytes) {
                Ok(read) if read > 0 => {}
                _ => return Step::No(alert(DECODE_ERROR), Refused::HelloTooLong),
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return Step::Whole(Box::new(Hello::of(accepted, self.sent, bytes)));
                }
                Err((error, mut alert)) => {
                    let mut answer = Vec::new();
                    // Memory takes whatever is written.
                    let _ = alert.write_all(&mut answer);
                    return Step::No(answer, offered::refused_hello(error, self.sent));
                }
            }
        }
        match self.sent.len() >= LONGEST {
            true => Step::No(alert(DECODE_ERROR), Refused::HelloTooLong),
            false => Step::More,
        }
    }

    /// How many more bytes it takes.
    pub(crate) fn room(&self) -> usize {
        LONGEST - self.sent.len()
    }
}

impl Hello {
    fn of(accepted: Accepted, sent: &[u8], rest: &[u8]) -> Self {
        let hello = accepted.client_hello();
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let alpn = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
        let schemes = hello.signature_schemes().to_vec();
        let groups = hello.named_groups().unwrap_or_default();
        let is_hybrid = groups.contains(&HYBRID);
        let offered = Offered::of(&hello, sent);
        Self { name, alpn, schemes, offered, is_hybrid, accepted, rest: rest.to_vec() }
    }
}

/// A fatal alert, before anything is encrypted (RFC 8446 section 6).
pub(crate) fn alert(description: u8) -> Vec<u8> {
    vec![ALERT, 3, 3, 0, 2, FATAL, description]
}

/// The alert of RFC 6066 section 3.
pub(crate) const UNRECOGNIZED_NAME: u8 = 112;
/// The alert of RFC 7301 section 3.2.
pub(crate) const NO_APPLICATION_PROTOCOL: u8 = 120;
/// Of RFC 8446 section 6.2.
pub(crate) const INTERNAL_ERROR: u8 = 80;
/// Likewise.
pub(crate) const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const FATAL: u8 = 2;
const ALERT: u8 = 21;
/// The first byte of every record that is part of a handshake (RFC 8446 section 5.1).
pub(crate) const HANDSHAKE: u8 = 22;
/// Four times what a client sends with three hybrid key shares.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, NamedGroup, RootCertStore};

    use super::*;

    #[test]
    fn a_hello_is_the_same_in_whatever_pieces_it_comes() {
        let bytes = hello_for("Wiki.example.org", &[b"h2"]);
        assert!(bytes.len() > 1200, "a hybrid key share makes it long: {}", bytes.len());
        for piece in [1, 5, 6, 100, 1400, bytes.len()] {
            let (hello, sent) = gathered(bytes.chunks(piece));
            assert_eq!(hello.name.as_deref(), Some("wiki.example.org"));
            assert_eq!((hello.alpn, sent), (vec![b"h2".to_vec()], bytes.clone()));
        }
    }

    #[test]
    fn a_hello_that_is_cut_into_many_records_is_read() {
        let bytes = hello_for("wiki.example.org", &[]);
        let message = &bytes[5..];
        let cut: Vec<u8> = message
            .chunks(50)
            .flat_map(|part| [&[22, 3, 1, 0, part.len() as u8][..], part].concat())
            .collect();
        let (hello, sent) = gathered(cut.chunks(7));
        assert_eq!(hello.name.as_deref(), Some("wiki.example.org"));
        assert_eq!(sent, cut);
    }

    #[test]
    fn what_is_no_hello_is_refused_at_its_first_byte() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x", b"\0\x0e8", b"\x80\x2e\x01"] {
            let step = Gathering::into(&mut Vec::new()).take(bytes);
            let Step::No(answer, why) = step else { panic!() };
            assert_eq!((answer.len(), why.code()), (0, "not_tls"));
        }
        let Step::No(_, why) = Gathering::into(&mut Vec::new()).take(b"") else { panic!() };
        assert_eq!(why.code(), "silent");
    }

    #[test]
    fn what_is_nothing_inside_a_record_is_answered_with_an_alert() {
        let mut sent = Vec::new();
        let nothing = [22, 3, 1, 0, 4, 1, 0, 0, 0];
        let Step::No(answer, why) = Gathering::into(&mut sent).take(&nothing) else { panic!() };
        assert_eq!((answer[0], why.code()), (21, "tls_failed"));
        assert_eq!(sent, nothing, "what was refused is there as well");
    }

    #[test]
    fn a_hello_without_an_end_is_given_up() {
        let mut sent = Vec::new();
        let mut gathering = Gathering::into(&mut sent);
        // A message of 60,000 bytes in records of 100.
        let mut record = [&[22, 3, 1, 0, 100, 1, 0, 0xea, 0x60][..], &[0; 96]].concat();
        for number in 0.. {
            assert!(number < 200, "it goes on and on");
            match gathering.take(&record) {
                Step::More => {}
                Step::No(_, why) => {
                    assert_eq!(why.code(), "hello_too_long");
                    return;
                }
                Step::Whole(_) => panic!("there is no end"),
            }
            record = [&[22, 3, 1, 0, 100][..], &[0; 100]].concat();
        }
    }

    fn gathered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Hello, Vec<u8>) {
        let mut sent = Vec::new();
        let mut gathering = Gathering::into(&mut sent);
        for piece in pieces {
            match gathering.take(piece) {
                Step::More => {}
                Step::Whole(hello) => return (*hello, sent),
                Step::No(_, why) => panic!("{why}"),
            }
        }
        panic!("more was wanted")
    }

    fn hello_for(name: &'static str, alpn: &[&[u8]]) -> Vec<u8> {
        let mut provider = default_provider();
        provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
        let name = ServerName::try_from(name).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }
}
