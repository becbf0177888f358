//! Who is let in by a virtual server: asked in the handshake, and again after it.
//!
//! A session that is resumed brings its certificate along and is not looked at by the TLS library, and what was none
//! of its conditions when it began may be one since. So the same question is asked once more, of the policy that holds
//! then, before a byte goes either way. Not here: chains and signatures, which are `pki`'s.

use std::sync::Arc;

use pki::{CertificateId, Fingerprint, GatewayVerifier, Refusal};
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::directory::Directory;
use crate::holder::Holder;
use crate::refused::Refused;
use crate::settings::{Clients, VirtualServer};
use crate::whom::Whom;

/// Who is let in.
#[derive(Debug)]
pub(crate) struct Policy {
    server: String,
    pub(crate) clients: Clients,
    users: Vec<Whom>,
    directory: Arc<dyn Directory>,
    pub(crate) verifier: Arc<GatewayVerifier>,
}

/// A client that showed a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: CertificateId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) holder: Holder,
    pub(crate) leaf: CertificateDer<'static>,
}

impl Policy {
    pub(crate) fn new(
        server: &VirtualServer,
        directory: Arc<dyn Directory>,
        verifier: Arc<GatewayVerifier>,
    ) -> Self {
        let (clients, users) = (server.clients, server.users.clone());
        Self { server: server.label().to_owned(), clients, users, directory, verifier }
    }

    /// Whether a client with this leaf, or without any, is let in at `now`.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn judge(
        &self,
        leaf: Option<&CertificateDer<'_>>,
        now: UnixTime,
    ) -> Result<Option<Client>, Refused> {
        match (self.clients, leaf) {
            // One that it was not asked for says nothing.
            (Clients::None, _) | (Clients::Optional, None) => Ok(None),
            (Clients::Required, None) => Err(Refusal::NoCertificate.into()),
            (Clients::Optional | Clients::Required, Some(leaf)) => self.admit(leaf, now).map(Some),
        }
    }

    fn admit(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<Client, Refused> {
        self.verifier.check(leaf, now)?;
        let (id, fingerprint) = (CertificateId::of(leaf)?, Fingerprint::of(leaf));
        let holder = self.directory.holder(&id, &fingerprint)?;
        if !self.has(&holder) {
            return Err(Refused::NotAmongUsers { server: self.server.clone() });
        }
        Ok(Client { id, fingerprint, holder, leaf: leaf.clone().into_owned() })
    }

    /// Whose certificate it is or was.
    pub(crate) fn holder_of(&self, leaf: &CertificateDer<'_>) -> Option<Holder> {
        self.directory.named(&CertificateId::of(leaf).ok()?, &Fingerprint::of(leaf))
    }

    /// Whether this holder, or somebody without a certificate, is let in as far as the settings go.
    pub(crate) fn lets_in(&self, holder: Option<&Holder>) -> bool {
        match (self.clients, holder) {
            (Clients::None, _) | (Clients::Optional, None) => true,
            (Clients::Required, None) => false,
            (Clients::Optional | Clients::Required, Some(holder)) => self.has(holder),
        }
    }

    fn has(&self, holder: &Holder) -> bool {
        self.users.is_empty()
            || self.users.iter().any(|one| one.means(&holder.user, &holder.device))
    }
}
