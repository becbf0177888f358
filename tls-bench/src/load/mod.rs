//! Those who come: connections from one thread, which has the other processor with the services.
//!
//! They offer one suite, and X25519 first, so that all servers do the same arithmetic, and look at no certificate and no
//! signature: a generator that did would be busier than the servers.

pub(crate) mod bulk;
pub(crate) mod handshakes;
pub(crate) mod idle;
pub(crate) mod requests;
mod sessions;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, Tls12Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, NamedGroup, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failed::Failed;
use crate::house::House;
use sessions::Sessions;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// How a client comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) version: Version,
    pub(crate) shows_certificate: bool,
    pub(crate) resumes: bool,
    /// What it speaks inside; nothing where bytes are carried.
    pub(crate) alpn: Option<&'static str>,
}

impl Manner {
    /// TLS 1.3 and no more.
    pub(crate) fn plain(alpn: Option<&'static str>) -> Self {
        Self { version: Version::Tls13, shows_certificate: false, resumes: false, alpn }
    }
}

/// A client of one manner.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
}

impl Client {
    pub(crate) fn new(house: &House, manner: Manner) -> Result<Self, Failed> {
        let versions = match manner.version {
            Version::Tls12 => [&TLS12],
            Version::Tls13 => [&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = match manner.shows_certificate {
            true => {
                let read = |name: &str| fs::read(house.folder.join("alice").join(name));
                let chain = CertificateDer::pem_slice_iter(&read("vpn.crt")?)
                    .collect::<Result<Vec<_>, _>>()?;
                let key = PrivateKeyDer::from_pem_slice(&read("vpn.key")?)?;
                builder.with_client_auth_cert(chain, key)?
            }
            false => builder.with_no_client_auth(),
        };
        config.alpn_protocols = manner.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = match manner.resumes {
            true => Resumption::store(Arc::new(Sessions::default()))
                .tls12_resumption(Tls12Resumption::SessionIdOrTickets),
            false => Resumption::disabled(),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection whose handshake is done.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> Result<TlsStream<TcpStream>, Failed> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned())?;
        Ok(self.connector.connect(name, socket).await?)
    }
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| SUITES.contains(&suite.suite()));
    // The second one is for OpenSSL, which over TLS 1.2 shows no certificate of a curve that is not offered.
    provider.kx_groups.retain(|group| GROUPS.contains(&group.name()));
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519);
    provider
}

/// Takes every server for the one it asked for.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A runtime of the calling thread alone.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Room for all connections at once, as far as this machine allows; servers that are started have as much.
pub(crate) fn raise_descriptors() -> Result<(), Failed> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    let error = |error| Failed::new(format!("open files: {error}"));
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).map_err(error)
}

const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::secp256r1];
const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
