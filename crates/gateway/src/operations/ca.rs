//! The CA and its CRL, shown.

use admin::response::{CaDetail, Certificate, CertificateState, CrlDetail, CrlEntry};
use authority::{Signs, describe};

use crate::context::Context;
use crate::error::GatewayError;
use crate::words::holder_name;

/// The CA of these records.
#[derive(Debug)]
pub(super) struct Ca<'a> {
    pub(super) at: &'a Context,
}

impl Ca<'_> {
    /// The present CRL of the CA that signs devices' certificates, and after it those of the others.
    pub(super) async fn crl(&self) -> Result<CrlDetail, GatewayError> {
        let issuers = self.at.authority.issuers();
        let generation = issuers.signing(Signs::Devices).generation();
        let crl = self.at.store.crl_latest(generation.id).await?.ok_or(GatewayError::NoCrl)?;
        let mut detail = CrlDetail {
            number: crl.number,
            issuer: generation.subject.clone(),
            this_update: crl.this_update,
            next_update: crl.next_update,
            entries: self.entries(&crl).await?,
            pem: pki::to_pem("X509 CRL", &crl.der),
        };
        for other in issuers.all().iter().map(|issuer| issuer.generation().id) {
            let crl = self.at.store.crl_latest(other).await?;
            let Some(crl) = crl.filter(|_| other != generation.id) else { continue };
            detail.entries.extend(self.entries(&crl).await?);
            detail.pem.push_str(&pki::to_pem("X509 CRL", &crl.der));
        }
        Ok(detail)
    }

    /// What a CRL lists, with whose the certificates were.
    async fn entries(&self, crl: &store::Crl) -> Result<Vec<CrlEntry>, GatewayError> {
        let (revocations, _) = self.at.store.revocation_list(crl.generation).await?;
        let snapshot = self.at.store.snapshot();
        let entries = revocations.iter().filter(|r| r.event <= crl.through).map(|r| CrlEntry {
            serial: r.id.to_string(),
            device: snapshot.certificate(&r.id).and_then(|c| holder_name(&snapshot, c)),
            revoked_at: r.at,
            reason: r.reason,
        });
        Ok(entries.collect())
    }

    pub(super) async fn show(&self) -> Result<CaDetail, GatewayError> {
        let issuers = self.at.authority.issuers();
        let generation = issuers.signing(Signs::Devices).generation();
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
                not_before: generation.not_before,
                not_after: generation.not_after,
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
