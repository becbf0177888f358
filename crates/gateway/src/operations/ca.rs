//! The CA and its CRL, shown.

use admin::response::{
    CaDetail, Certificate, CertificateState, CrlDetail, CrlEntry, CrlSummary, OtherCa,
};
use admin::secret::SecretText;
use authority::{AuthorityError, Issuer, Signs, describe};
use pki::{CertificateId, Revocation, Serial};
use signer::protocol::Passphrase;
use store::{CaGeneration, Holder};

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
            entries: self.entries(generation, &crl)?,
            pem: pki::to_pem("X509 CRL", &crl.der),
            others: Vec::new(),
        };
        for other in issuers.all().iter().map(|issuer| issuer.generation()) {
            let crl = self.at.store.crl_latest(other.id).await?;
            let Some(crl) = crl.filter(|_| other.id != generation.id) else { continue };
            detail.entries.extend(self.entries(other, &crl)?);
            detail.pem.push_str(&pki::to_pem("X509 CRL", &crl.der));
            detail.others.push(CrlSummary {
                number: crl.number,
                issuer: other.subject.clone(),
                this_update: crl.this_update,
                next_update: crl.next_update,
            });
        }
        Ok(detail)
    }

    /// What a CRL lists, with whose the certificates were.
    fn entries(&self, of: &CaGeneration, crl: &store::Crl) -> Result<Vec<CrlEntry>, GatewayError> {
        let crl = pki::Crl::from_der(&crl.der).map_err(AuthorityError::from)?;
        let snapshot = self.at.store.snapshot();
        let entry = |(serial, revocation): (&Serial, &Revocation)| {
            let id = CertificateId { issuer: of.issuer, serial: *serial };
            let entry = snapshot.certificate(&id);
            let name = entry.and_then(|entry| match &entry.holder {
                Holder::Other(name) => Some(name.clone()),
                Holder::Device(_) | Holder::Gateway => None,
            });
            CrlEntry {
                serial: id.to_string(),
                issuer: of.subject.clone(),
                device: entry.and_then(|entry| holder_name(&snapshot, entry)),
                name,
                revoked_at: revocation.at,
                reason: revocation.reason,
            }
        };
        let mut entries: Vec<_> = crl.revoked().iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.revoked_at);
        Ok(entries)
    }

    /// Opens the sealed key for as long as the signer lives. What waited for it is signed at the next look.
    pub(super) async fn unlock(&self, passphrase: &SecretText) -> Result<CaDetail, GatewayError> {
        let passphrase = Passphrase::new(passphrase.expose().as_bytes().to_vec());
        let opened = self.at.authority.signer().unlock(passphrase).await;
        opened.map_err(AuthorityError::Sign)?;
        self.show().await
    }

    pub(super) async fn show(&self) -> Result<CaDetail, GatewayError> {
        let issuers = self.at.authority.issuers();
        let generation = issuers.signing(Signs::Devices).generation();
        let url = &self.at.view.policy().config.ca.public_url;
        let (issued, revoked) = self.counts(generation);
        let others =
            issuers.all().iter().rev().filter(|other| other.generation().id != generation.id);
        Ok(CaDetail {
            certificate: self.certificate(generation),
            issued,
            revoked,
            public_url: url.as_ref().map(ToString::to_string),
            others: others.map(|issuer| self.other(issuer)).collect(),
        })
    }

    fn other(&self, issuer: &Issuer) -> OtherCa {
        let (issued, revoked) = self.counts(issuer.generation());
        let certificate = self.certificate(issuer.generation());
        OtherCa { certificate, trusted: !issuer.is_retired(), issued, revoked }
    }

    fn certificate(&self, of: &CaGeneration) -> Certificate {
        let facts = describe::facts(&of.der);
        let expired = of.not_after < self.at.now();
        Certificate {
            serial: of.serial.to_string(),
            subject: of.subject.clone(),
            key_type: facts.key_type,
            not_before: of.not_before,
            not_after: of.not_after,
            state: if expired { CertificateState::Expired } else { CertificateState::Valid },
            fingerprint: facts.fingerprint,
            pem: facts.pem,
        }
    }

    /// How many certificates it issued, and how many of them are revoked.
    fn counts(&self, of: &CaGeneration) -> (u64, u64) {
        let snapshot = self.at.store.snapshot();
        let ours = || snapshot.certificates().filter(|c| c.issued_by == of.id);
        let revoked = ours().filter(|c| c.revoked.is_some()).count();
        (ours().count() as u64, revoked as u64)
    }
}
