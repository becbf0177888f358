//! What goes along with the gateway's own certificates: an OCSP answer about each, as its CA gives to everybody.
//!
//! Clients that ask for it in TLS need to ask nobody else, and no network before the tunnel. Not here: when it is
//! looked at. Invariant: what is stapled says what the records say, and has half its life before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use front::Keyring;
use pki::ocsp::{
    CertId, CertIdHash, OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus, respond,
};
use pki::{CaCertificate, CertificateId, DualResolver, Timestamp};
use publish::OCSP_LIFETIME;
use rustls::pki_types::CertificateDer;

/// Keeps the staples fresh.
#[derive(Debug)]
pub(crate) struct Stapler {
    resolver: Arc<DualResolver>,
    keyring: Keyring,
    stapled: BTreeMap<CertificateId, Stapled>,
}

#[derive(Debug)]
struct Stapled {
    status: OcspStatus,
    signer: Arc<OcspSigner>,
    from: Timestamp,
    refresh_at: Timestamp,
    until: Timestamp,
}

impl Stapler {
    /// For the certificates in service there: the VPN's and those of the virtual servers.
    pub(crate) fn new(resolver: Arc<DualResolver>, keyring: Keyring) -> Self {
        Self { resolver, keyring, stapled: BTreeMap::new() }
    }

    /// Has an answer signed for each certificate that has none, or none that is fresh and true.
    pub(crate) fn look(
        &mut self,
        signers: &[(CaCertificate, Arc<OcspSigner>)],
        records: &dyn OcspRecords,
        now: Timestamp,
    ) {
        let mut certificates = self.keyring.certificates();
        certificates.extend(self.resolver.certificates());
        let ids: Vec<_> = certificates.iter().map(|one| CertificateId::of(one)).collect();
        let known: BTreeSet<_> = ids.iter().flatten().copied().collect();
        self.stapled.retain(|id, _| known.contains(id));
        for (certificate, id) in certificates.iter().zip(ids) {
            let Ok(id) = id else { continue };
            let signer = signers.iter().find(|(ca, _)| ca.issuer_id() == id.issuer);
            match signer {
                Some((ca, signer)) => self.look_at(certificate, &id, ca, signer, records, now),
                None => self.drop_stale(certificate, &id, now),
            }
        }
    }

    fn look_at(
        &mut self,
        certificate: &CertificateDer<'_>,
        id: &CertificateId,
        ca: &CaCertificate,
        signer: &Arc<OcspSigner>,
        records: &dyn OcspRecords,
        now: Timestamp,
    ) {
        let status = records.ocsp_status(id);
        if self.stapled.get(id).is_some_and(|present| present.serves(status, signer, now)) {
            return;
        }
        let request = OcspRequest::new(CertId::new(CertIdHash::Sha1, ca, id.serial), None);
        let authority = OcspAuthority { ca: ca.clone(), signer: Arc::clone(signer) };
        let reply = respond(&[authority], records, &request.to_der(), now, OCSP_LIFETIME);
        if let Some(rule) = reply.fault {
            tracing::error!(%rule, "internal error: an OCSP answer is not stapled; please report it");
        }
        let Some(until) = reply.reusable_until else {
            self.stapled.remove(id);
            return self.staple(certificate, None);
        };
        self.staple(certificate, Some(&reply.der));
        let (signer, refresh_at) = (Arc::clone(signer), now.after(until.since(now) / 2));
        self.stapled.insert(*id, Stapled { status, signer, from: now, refresh_at, until });
    }

    /// Without a signer what there is serves until its end.
    fn drop_stale(&mut self, certificate: &CertificateDer<'_>, id: &CertificateId, now: Timestamp) {
        if self.stapled.get(id).is_some_and(|present| now < present.until) {
            return;
        }
        self.stapled.remove(id);
        self.staple(certificate, None);
    }
}

impl Stapler {
    fn staple(&self, certificate: &CertificateDer<'_>, response: Option<&[u8]>) {
        self.resolver.staple(certificate, response);
        self.keyring.staple(certificate, response);
    }
}

impl Stapled {
    fn serves(&self, status: OcspStatus, signer: &Arc<OcspSigner>, now: Timestamp) -> bool {
        self.status == status
            && Arc::ptr_eq(&self.signer, signer)
            && (self.from..self.refresh_at).contains(&now)
    }
}
