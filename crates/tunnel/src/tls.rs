//! One TLS connection of one key generation, in memory: bytes in, bytes out, one record a message.
//!
//! It tells messages apart by TLS records, as stock peers do: each read of theirs is one message.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use wire::key_material::KeyMaterial;
use zeroize::Zeroizing;

use crate::config::ServerTls;
use crate::end::{EndReason, Misbehaviour, Progress};

/// Longest message in one record.
pub(crate) const MAX_MESSAGE: usize = 2048;
const EXPORTER_LABEL: &[u8] = b"EXPORTER-OpenVPN-datakeys";
/// More than a HelloRetryRequest, less than a certificate.
const SURELY_A_CERTIFICATE: usize = 400;

/// Sets what the protocol needs of a server's TLS: no tickets, no session cache.
pub fn prepare_server(tls: &mut rustls::ServerConfig) {
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.max_early_data_size = 0;
}

/// Sets what the protocol needs of a client's TLS: no resumption, no server name in the hello.
pub fn prepare_client(tls: &mut rustls::ClientConfig) {
    tls.resumption = Resumption::disabled();
    tls.enable_sni = false;
}

/// One TLS connection.
pub(crate) struct Tls {
    side: Result<rustls::Connection, rustls::Error>,
    sent: usize,
    received: usize,
    stream_broken: bool,
}

impl Tls {
    pub(crate) fn server(tls: &ServerTls) -> Self {
        let side = rustls::ServerConnection::new(tls.present()).map(rustls::Connection::from);
        Self { side, sent: 0, received: 0, stream_broken: false }
    }

    pub(crate) fn client(config: &Arc<rustls::ClientConfig>) -> Self {
        let side = rustls::ClientConnection::new(Arc::clone(config), nobody())
            .map(rustls::Connection::from);
        Self { side, sent: 0, received: 0, stream_broken: false }
    }

    /// Why there is no connection at all: the configuration is at fault.
    pub(crate) fn broken(&self) -> Option<EndReason> {
        self.side.as_ref().err().cloned().map(EndReason::TlsFailed)
    }

    /// Takes a chunk of the peer's stream. After an error an alert may wait in `take_output`.
    pub(crate) fn receive(&mut self, mut chunk: &[u8]) -> Result<(), EndReason> {
        let Ok(side) = &mut self.side else { return Ok(()) };
        self.received += chunk.len();
        while !chunk.is_empty() {
            match side.read_tls(&mut chunk) {
                // The buffers are drained after each chunk, so only an abuse of them fills up.
                Ok(0) | Err(_) => {
                    self.stream_broken = true;
                    return Err(EndReason::PeerMisbehaved(Misbehaviour::MessageTooLong));
                }
                Ok(_) => {}
            }
            let finished = !side.is_handshaking();
            if let Err(error) = side.process_new_packets() {
                self.stream_broken = !is_the_peers_word(&error, finished);
                return Err(EndReason::TlsFailed(error));
            }
        }
        Ok(())
    }

    /// The next message: the content of one record.
    pub(crate) fn next_message(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, EndReason> {
        let Ok(side) = &mut self.side else { return Ok(None) };
        let mut reader = side.reader();
        // Would-block and end of stream both mean that there is none.
        let Ok(record) = reader.fill_buf() else { return Ok(None) };
        let len = record.len();
        if len == 0 {
            return Ok(None);
        }
        if len > MAX_MESSAGE {
            return Err(EndReason::PeerMisbehaved(Misbehaviour::MessageTooLong));
        }
        let message = Zeroizing::new(record.to_vec());
        reader.consume(len);
        Ok(Some(message))
    }

    /// Writes one message as one record. Only after the handshake, as early writes would be merged.
    ///
    /// The buffer of rustls holds 64 KiB: the caller takes the output of one before it writes another.
    pub(crate) fn send_message(&mut self, message: &[u8]) -> Result<(), EndReason> {
        debug_assert!(!self.is_handshaking(), "written in the handshake");
        let side = self.side.as_mut().map_err(|error| EndReason::TlsFailed(error.clone()))?;
        match side.writer().write(message) {
            Ok(written) if written == message.len() => Ok(()),
            _ => Err(EndReason::OwnMessageNotTaken),
        }
    }

    /// What came is not known to be the peer's, so that it may be anybody's; the connection is of no more use.
    pub(crate) fn is_stream_broken(&self) -> bool {
        self.stream_broken
    }

    /// TLS bytes for the peer.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(side) = &mut self.side else { return out };
        while side.wants_write() {
            match side.write_tls(&mut out) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.sent += out.len();
        out
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.side.as_ref().map_or(true, |side| side.is_handshaking())
    }

    /// As people write it; empty before the version is agreed on.
    pub(crate) fn version(&self) -> &'static str {
        match self.side.as_ref().ok().and_then(|side| side.protocol_version()) {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "",
        }
    }

    pub(crate) fn peer_chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = self.side.as_ref().ok().and_then(|side| side.peer_certificates());
        chain.unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect()
    }

    /// 256 bytes by the exporter, without context.
    pub(crate) fn export(&self) -> Result<KeyMaterial, EndReason> {
        let mut bytes = Zeroizing::new([0; KeyMaterial::LEN]);
        let side = self.side.as_ref().map_err(|error| EndReason::TlsFailed(error.clone()))?;
        side.export_keying_material(bytes.as_mut_slice(), EXPORTER_LABEL, None)
            .map_err(|_| EndReason::KeyDerivationFailed)?;
        KeyMaterial::from_bytes(&bytes).map_err(|_| EndReason::KeyDerivationFailed)
    }

    /// How far the TLS handshake came.
    pub(crate) fn progress(&self) -> Progress {
        if !self.is_handshaking() {
            return Progress::NoKeyMessage;
        }
        match &self.side {
            Ok(rustls::Connection::Server(_)) if self.sent > SURELY_A_CERTIFICATE => {
                Progress::SilentAfterOurCertificate
            }
            Ok(rustls::Connection::Client(_)) if self.received > 0 => Progress::TlsUnfinished,
            _ => Progress::BeforeHello,
        }
    }
}

/// An alert under the keys of a finished handshake. Before its end nobody has proved to be the peer: whoever
/// sees our answers may come as far as a certificate that is refused.
fn is_the_peers_word(error: &rustls::Error, finished: bool) -> bool {
    finished && matches!(error, rustls::Error::AlertReceived(_))
}

/// TLS wants a name to expect; OpenVPN has none. The verifier decides by its own policy, and the
/// name is never sent.
fn nobody() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into())
}
