//! The CA and its CRL, shown.

use admin::response::{CaDetail, Certificate, CertificateState, CrlDetail, CrlEntry};
use authority::describe;

use crate::context::Context;
use crate::error::GatewayError;
use crate::words::{holder_name, revoke_reason, seconds};

/// The CA of these records.
#[derive(Debug)]
pub(super) struct Ca<'a> {
    pub(super) at: &'a Context,
}

impl Ca<'_> {
    pub(super) async fn crl(&self) -> Result<CrlDetail, GatewayError> {
        let generation = self.at.authority.generation();
        let (revocations, _) = self.at.store.revocation_list(generation.id).await?;
        let crl = self.at.store.crl_latest(generation.id).await?.ok_or(GatewayError::NoCrl)?;
        let snapshot = self.at.store.snapshot();
        let entries = revocations.iter().filter(|r| r.event <= crl.through).map(|r| CrlEntry {
            serial: r.id.to_string(),
            device: snapshot.certificate(&r.id).and_then(|c| holder_name(&snapshot, c)),
            revoked_at: seconds(r.at),
            reason: revoke_reason(r.reason),
        });
        Ok(CrlDetail {
            number: crl.number,
            issuer: generation.subject.clone(),
            this_update: seconds(crl.this_update),
            next_update: seconds(crl.next_update),
            entries: entries.collect(),
            pem: describe::pem("X509 CRL", &crl.der),
        })
    }

    pub(super) async fn show(&self) -> Result<CaDetail, GatewayError> {
        let generation = self.at.authority.generation();
        let snapshot = self.at.store.snapshot();
        let ours = || snapshot.certificates().filter(|c| c.issued_by == generation.id);
        let facts = describe::facts(&generation.der);
        let url = &self.at.view.policy().config.ca.public_url;
        let expired = generation.not_after < self.at.now();
        Ok(CaDetail {
            certificate: Certificate {
                serial: generation.serial.to_string(),
                subject: generation.subject.clone(),
                key_type: facts.key_type,
                not_before: seconds(generation.not_before),
                not_after: seconds(generation.not_after),
                state: if expired { CertificateState::Expired } else { CertificateState::Valid },
                fingerprint: facts.fingerprint,
                pem: facts.pem,
            },
            issued: ours().count() as u64,
            revoked: ours().filter(|c| c.revoked.is_some()).count() as u64,
            public_url: url.as_ref().map(ToString::to_string),
        })
    }
}
