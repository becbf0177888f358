//! TLS configurations of both roles, and the choice between an RSA and a P-256 certificate.
//!
//! TLS 1.2 and 1.3. Nothing is ever resumed: a resumed session would skip the look at the
//! certificate, and with it the revocation.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, NamedGroup, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Our clock, for rustls.
#[derive(Clone, Debug)]
pub struct ClockTime(pub Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.now().wall))
    }
}

/// The gateway's side: certificates by `resolver`, clients checked by `verifier`, and of the ciphers that a
/// client offers the first of ours.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    verifier: Arc<dyn ClientCertVerifier>,
    time: Arc<dyn TimeProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_details(Arc::new(provider()), time)
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The subscriber's side: the server checked by `verifier`, ours is `identity`, if there is one.
///
/// No server name is sent: OpenVPN sends none, and whom we want to reach is nobody else's business.
pub fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Arc<CertifiedKey>>,
    time: Arc<dyn TimeProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = client_by(provider(), verifier, identity, time)?;
    config.enable_sni = false;
    Ok(config)
}

/// The same for a client of a service that has a name, which is sent.
///
/// The first share is one for X25519MLKEM768, since the TLS door and others ask for it where it is missing, and that costs
/// a trip. One for X25519 comes with it, of the same key, so that a service without the hybrid group asks for none either.
pub fn service_client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Arc<CertifiedKey>>,
    time: Arc<dyn TimeProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let mut provider = provider();
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
    client_by(provider, verifier, identity, time)
}

fn client_by(
    provider: CryptoProvider,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Arc<CertifiedKey>>,
    time: Arc<dyn TimeProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_details(Arc::new(provider), time)
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// ChaCha20-Poly1305 with SHA-256 before AES-256-GCM with SHA-384. A control channel carries a few
/// kilobytes, so its hash costs more than its cipher, and most processors have instructions for SHA-256
/// alone. The longer hash would add nothing: it's X25519 and P-256, 128 bits both, that hold the
/// handshake. Who has no ChaCha20, as an OpenSSL in FIPS mode, gets AES-256-GCM.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !CHACHA20.contains(&suite.suite()));
    provider
}

/// Answers with the P-256 certificate where the client can read it, else with the RSA one: a P-256
/// signature costs a fifteenth of an RSA-2048 one.
pub fn dual_resolver(rsa: Arc<CertifiedKey>, p256: Arc<CertifiedKey>) -> Arc<DualResolver> {
    Arc::new(DualResolver(ArcSwap::from_pointee(Pair { rsa, p256 })))
}

/// Answers every client with the same certificate.
pub fn resolver_of_one(key: Arc<CertifiedKey>) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(key))
}

/// See [`dual_resolver`].
#[derive(Debug)]
pub struct DualResolver(ArcSwap<Pair>);

#[derive(Debug)]
struct Pair {
    rsa: Arc<CertifiedKey>,
    p256: Arc<CertifiedKey>,
}

impl DualResolver {
    /// Puts renewed certificates into service; handshakes that began keep the former ones. One that stays
    /// keeps what is stapled to it.
    pub fn replace(&self, rsa: Arc<CertifiedKey>, p256: Arc<CertifiedKey>) {
        self.0.rcu(|former| {
            let keep = |new: &Arc<CertifiedKey>, former: &Arc<CertifiedKey>| {
                let same = new.cert.first() == former.cert.first();
                if same && new.ocsp.is_none() {
                    stapled(new, former.ocsp.clone())
                } else {
                    Arc::clone(new)
                }
            };
            Pair { rsa: keep(&rsa, &former.rsa), p256: keep(&p256, &former.p256) }
        });
    }

    /// The certificates in service.
    pub fn certificates(&self) -> [CertificateDer<'static>; 2] {
        let pair = self.0.load();
        // An identity has a certificate.
        [&pair.rsa, &pair.p256].map(|one| one.cert[0].clone())
    }

    /// Sends this OCSP response along with a certificate from here on, if it still is in service, to clients
    /// that ask for one; none, and nothing is sent along.
    pub fn staple(&self, certificate: &CertificateDer<'_>, response: Option<&[u8]>) {
        self.0.rcu(|pair| {
            let of = |one: &Arc<CertifiedKey>| match one.cert.first() {
                Some(own) if own == certificate => stapled(one, response.map(<[u8]>::to_vec)),
                _ => Arc::clone(one),
            };
            Pair { rsa: of(&pair.rsa), p256: of(&pair.p256) }
        });
    }
}

fn stapled(one: &Arc<CertifiedKey>, ocsp: Option<Vec<u8>>) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey { cert: one.cert.clone(), key: Arc::clone(&one.key), ocsp })
}

impl ResolvesServerCert for DualResolver {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.0.load();
        let reads_p256 =
            client_hello.signature_schemes().contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        Some(Arc::clone(if reads_p256 { &pair.p256 } else { &pair.rsa }))
    }
}

const CHACHA20: [CipherSuite; 3] = [
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&TLS13, &TLS12];
