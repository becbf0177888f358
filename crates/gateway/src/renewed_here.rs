//! Which certificates under a name the gateway renews by itself: those of virtual servers whose TLS ends here, by the
//! gateway's own CA.
//!
//! One of such a name whose key is elsewhere is somebody else's, and that of a server whose backend ends TLS is the
//! backend's. Invariant: what only a person can renew is never among them.

use std::collections::HashSet;

use authority::{Authority, AuthorityError, KeptKeys};
use front::{Settings, VirtualServer};
use pki::CertificateId;
use store::Holder;

/// As the settings and the records are.
#[derive(Debug)]
pub(crate) struct RenewedHere {
    names: HashSet<String>,
    keys: KeptKeys,
}

impl RenewedHere {
    /// By these settings.
    pub(crate) async fn of(
        authority: &Authority,
        settings: &Settings,
    ) -> Result<Self, AuthorityError> {
        let ours = |server: &&VirtualServer| !server.passthrough && server.certificate.is_own();
        let names: HashSet<_> =
            settings.server.iter().filter(ours).map(|server| server.label().to_owned()).collect();
        let keys = match names.is_empty() {
            true => KeptKeys::default(),
            false => authority.kept_keys().await?,
        };
        Ok(Self { names, keys })
    }

    /// Whether this one of this holder's is among them.
    pub(crate) fn has(&self, holder: &Holder, id: &CertificateId) -> bool {
        matches!(holder, Holder::Other(name) if self.names.contains(name)) && self.keys.has(id)
    }
}
