//! The TLS settings of a virtual server.
//!
//! TLS 1.2 and 1.3, and AES before ChaCha20 where the processor has instructions for it. Of the groups for the key
//! exchange X25519MLKEM768 is taken where the client has it (`groups`), else the client's first.

use std::sync::{Arc, LazyLock};

use clock::Clock;
use pki::ClockTime;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ResolvesServerCertUsingSni};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ServerConfig};

use crate::groups;
use crate::policy::Policy;
use crate::verifier::PolicyVerifier;

/// What a server's connections are made with, but for what each handshake shows and goes on with.
pub(crate) fn server_config(
    provider: &Arc<CryptoProvider>,
    alpn: &[String],
    policy: Arc<Policy>,
    resumes: bool,
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, rustls::Error> {
    let (provider, clock) = (Arc::clone(provider), Arc::new(ClockTime(clock)));
    let mut config = ServerConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(Arc::new(PolicyVerifier(policy)))
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    config.ignore_client_order = true;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    // What is kept in memory for sessions would be kept for strangers.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if !resumes {
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// The library's, in our order.
pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ordered()));

/// The same for clients that have the hybrid group.
pub(crate) static HYBRID_PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let kx_groups = groups::for_hybrid_clients();
    Arc::new(CryptoProvider { kx_groups, ..ordered() })
});

fn ordered() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !has_aes() {
        provider.cipher_suites.sort_by_key(|suite| !CHACHA20.contains(&suite.suite()));
    }
    provider
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

const CHACHA20: [CipherSuite; 3] = [
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];
