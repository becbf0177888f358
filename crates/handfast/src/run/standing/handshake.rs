//! A TLS handshake with a server, for what it shows: its certificate, the chain, and what it staples. Nothing is
//! trusted by it, and nothing is sent over it.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use clock::SystemClock;
use pki::ClockTime;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConnection, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

use super::Shown;

/// What this server shows.
pub(super) fn with(host: &str, port: u16) -> Result<Shown, Failure> {
    let watcher = Arc::new(Watcher::default());
    let time = Arc::new(ClockTime(Arc::new(SystemClock)));
    let fail = |error: &TlsError| unreachable(host, port).caused_by(error);
    // With the name: public servers hold many certificates, and choose by it.
    let config =
        pki::service_client_config(Arc::clone(&watcher) as _, None, time).map_err(|e| fail(&e))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("{host:?} is no host")).caused_by(&error)
    })?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|e| fail(&e))?;
    let mut stream = connect(host, port).map_err(|failure| failure.hint(A_FILE))?;
    let ended = tls.complete_io(&mut stream);
    let shown = watcher.take();
    // A server that wants a certificate of ours has shown its own by then.
    shown.ok_or_else(|| match ended {
        Err(error) => unreachable(host, port).caused_by(&error).hint(A_FILE),
        Ok(_) => unreachable(host, port).hint(A_FILE),
    })
}

pub(in crate::run) fn connect(host: &str, port: u16) -> Result<TcpStream, Failure> {
    reach(host, port)?.map_err(|error| unreached(host, port, &error))
}

/// The same for whoever has a story of a server that takes the connection and cuts it off: that may come to light as early
/// as here.
pub(in crate::run) fn reach(host: &str, port: u16) -> Result<io::Result<TcpStream>, Failure> {
    let unknown = |error: io::Error| unreachable(host, port).caused_by(&error).hint(NO_ADDRESS);
    let address = (host, port).to_socket_addrs().map_err(unknown)?.next();
    let address = address.ok_or_else(|| unreachable(host, port).hint(NO_ADDRESS))?;
    Ok(TcpStream::connect_timeout(&address, LIMIT).and_then(|stream| {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(stream)
    }))
}

/// Why no connection came about, and what to do.
pub(in crate::run) fn unreached(host: &str, port: u16, error: &io::Error) -> Failure {
    let failure = unreachable(host, port).caused_by(error);
    match mend(error) {
        Some(mend) => failure.hint(mend),
        None => failure,
    }
}

/// Whether the other end cut the connection off.
pub(in crate::run) fn is_cut(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn unreachable(host: &str, port: u16) -> Failure {
    Failure::new(FailureKind::Unreachable, format!("no TLS server showed itself at {host}:{port}"))
}

/// What to do where no connection comes about.
fn mend(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(
            "nothing listens at that port, or a firewall says so: see whether the service runs, and where (`ss -ltn` there)",
        ),
        io::ErrorKind::TimedOut => Some(
            "nobody answered: a firewall may drop the packets, or the host is off; see whether the port is open there",
        ),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            Some("there is no way there from here: see this machine's routes (`ip route get`)")
        }
        _ => None,
    }
}

const NO_ADDRESS: &str = "no address is known of that name: see whether the name is right, and what this machine's DNS says of it";
/// Where a certificate may be named by its file instead.
const A_FILE: &str =
    "a VPN gateway speaks TLS inside its own protocol: name its certificate's file";

/// Takes note of what it sees, and lets everything pass.
#[derive(Debug, Default)]
pub(in crate::run) struct Watcher {
    shown: Mutex<Option<Shown>>,
}

impl Watcher {
    /// What the handshake showed.
    pub(in crate::run) fn take(&self) -> Option<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What can't be checked, as of a certificate that can't be read, is told by its path.
    fn note_proof(&self, checked: &Result<HandshakeSignatureValid, TlsError>) {
        let wrong = TlsError::InvalidCertificate(CertificateError::BadSignature);
        if checked.as_ref().is_err_and(|error| *error == wrong)
            && let Some(shown) = &mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
        {
            shown.proof_is_wrong = true;
        }
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let owned = |der: &CertificateDer<'_>| der.clone().into_owned();
        let shown = Shown {
            certificate: owned(end_entity),
            chain: intermediates.iter().map(owned).collect(),
            staple: (!ocsp_response.is_empty()).then(|| ocsp_response.to_vec()),
            proof_is_wrong: false,
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        self.note_proof(&verify_tls12_signature(message, certificate, signed, &algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        self.note_proof(&verify_tls13_signature(message, certificate, signed, &algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How long each word of a server is waited for.
pub(in crate::run) const LIMIT: Duration = Duration::from_secs(5);
