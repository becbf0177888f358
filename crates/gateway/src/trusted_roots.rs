//! Roots of other CAs than the gateway's: whom the servers are believed by that it asks itself.
//!
//! Invariant: none of them makes a list useless that it stands in.

use pki::{NameRule, ServerNameVerifier};
use rustls::pki_types::CertificateDer;

/// Those that this machine trusts.
pub(crate) fn of_the_system() -> Vec<CertificateDer<'static>> {
    usable(rustls_native_certs::load_native_certs().certs)
}

/// These, but for what can't be read.
pub(crate) fn usable(
    cas: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Vec<CertificateDer<'static>> {
    let can_be_read = |ca: &CertificateDer<'static>| {
        ServerNameVerifier::new(std::slice::from_ref(ca), NameRule::Any).is_ok()
    };
    cas.into_iter().filter(can_be_read).collect()
}
