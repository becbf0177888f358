//! A throw-away CA with P-256 keys, and TLS configurations for both sides made with it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

/// The name in every server certificate.
const SERVER_NAME: &str = "gateway.test";

/// A CA for one test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Identity {
    /// Chain and key in PEM.
    pub fn to_pem(&self) -> (String, String) {
        let chain = self.chain.iter().map(certificate_pem).collect();
        (chain, pem("PRIVATE KEY", self.key.secret_der()))
    }
}

/// A certificate in PEM.
pub fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    pem("CERTIFICATE", certificate)
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in data_encoding::BASE64.encode(der).as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

impl Authority {
    /// A CA with this common name.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a CA certificate").der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A server's certificate.
    pub fn server(&self) -> Identity {
        self.server_named(SERVER_NAME)
    }

    /// The certificate of a server of this name.
    pub fn server_named(&self, name: &str) -> Identity {
        self.issue(for_server(name))
    }

    /// The same with an RSA key.
    pub fn rsa_server_named(&self, name: &str) -> Identity {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
        self.issue_for(for_server(name), &key)
    }

    /// A client's certificate.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = named(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        self.issue_for(params, &key)
    }

    fn issue_for(&self, params: CertificateParams, key: &KeyPair) -> Identity {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Identity { chain: vec![certificate.der().clone()], key: key.into() }
    }

    /// A server that asks for a certificate of this CA.
    pub fn server_config(
        &self,
        identity: Identity,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        server_config(&self.certificate, identity, versions)
    }

    /// A client that trusts this CA and shows `identity`, if there is one.
    pub fn client_config(
        &self,
        identity: Option<Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        client_config(&self.certificate, identity, versions)
    }
}

fn for_server(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A server that asks for a certificate of `ca`.
pub fn server_config(
    ca: &CertificateDer<'static>,
    identity: Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca), provider());
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(identity.chain, identity.key)
        .expect("a key that fits")
}

/// A client that trusts `ca` and shows `identity`, if there is one.
pub fn client_config(
    ca: &CertificateDer<'static>,
    identity: Option<Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(ca), provider());
    let verifier = OneName(verifier.build().expect("a verifier"));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match identity {
        Some(Identity { chain, key }) => {
            builder.with_client_auth_cert(chain, key).expect("a key that fits")
        }
        None => builder.with_no_client_auth(),
    }
}

fn roots(ca: &CertificateDer<'static>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).expect("a CA certificate");
    Arc::new(roots)
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Expects the one server name, whatever the caller does: OpenVPN gives none.
#[derive(Debug)]
struct OneName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for OneName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = ServerName::try_from(SERVER_NAME).expect("a name");
        self.0.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
