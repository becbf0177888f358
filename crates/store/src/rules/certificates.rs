//! Certificates, their revocations, the CA's generations, CRLs and secrets.

use clock::Timestamp;
use names::{CertificateName, RevocationReason};
use pki::CertificateId;
use serde_json::json;

use super::Rules;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::payload::{ForgottenPayload, GenerationPayload, RecordedPayload, RevokedPayload};
use crate::records::{
    CaGeneration, Certificate, Ended, Holder, NewCaGeneration, NewCertificate, NewCrl, Revocation,
    ca_key_name,
};
use crate::secret::Secret;
use crate::snapshot::CrlEntry;

impl Rules<'_> {
    pub(super) fn secret_put(&mut self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        self.edit.secret_put(name, secret)?;
        let payload = json!({ "name": name, "bytes": secret.expose().len() });
        self.record(&EventKind::SECRET_PUT, &payload).map(drop)
    }

    /// What the log says of them stays.
    pub(super) fn secrets_forget(&mut self, names: &[String]) -> Result<(), StoreError> {
        names.iter().try_for_each(|name| self.edit.secret_delete(name))?;
        let payload = json!({ "names": names });
        self.record(&EventKind::SECRETS_FORGOTTEN, &payload).map(drop)
    }

    pub(super) fn ca_generation_add(&mut self, new: &NewCaGeneration) -> Result<(), StoreError> {
        if self.lookup.generation(&new.issuer)?.is_some() {
            return Err(Refused::CaGenerationExists { subject: new.subject.clone() }.into());
        }
        let id = self.edit.generation_insert(new, self.at())?;
        if let Some(key) = &new.key {
            self.secret_put(&ca_key_name(id), key)?;
        }
        let added = CaGeneration::added(id, new.clone(), self.at());
        self.record(&EventKind::CA_GENERATION_ADDED, &GenerationPayload::from(&added)).map(drop)
    }

    pub(super) fn certificate_record(&mut self, new: &NewCertificate) -> Result<(), StoreError> {
        let id = CertificateId { issuer: self.known().issuer(new.issued_by)?, serial: new.serial };
        self.known().check_new(new, &id)?;
        if let Holder::Device(device) = new.holder {
            self.lease_again(device)?;
        }
        self.edit.certificate_insert(new, self.at())?;
        if let Some(key) = &new.key {
            self.secret_put(&key.name, &key.pkcs8)?;
        }
        if let Some((name, value)) = &new.setting {
            self.setting_set(name, value)?;
        }
        let supersede_at = new.supersedes_within.map(|within| self.at().after(within));
        let superseded = match supersede_at {
            Some(deadline) => self.supersede(&id, deadline)?,
            None => Vec::new(),
        };
        let recorded = self.known().certificate(&id)?;
        let payload = RecordedPayload {
            certificate: self.known().describe(&recorded)?,
            sha256: recorded.fingerprint,
            key: Some(recorded.public_key),
            not_after: recorded.not_after,
            supersedes: superseded.iter().map(|former| former.serial).collect(),
            supersedes_of: superseded.iter().map(|former| former.issuer).collect(),
            supersede_at,
        };
        self.record(&EventKind::CERTIFICATE_RECORDED, &payload).map(drop)
    }

    pub(super) fn certificate_revoke(
        &mut self,
        id: &CertificateId,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        match self.known().certificate(id)? {
            certificate if is_worse(&certificate, reason) => self.revoke(&certificate, reason),
            _ => self.revoke(&self.known().unrevoked(id)?, reason),
        }
    }

    pub(super) fn name_revoke(
        &mut self,
        name: &CertificateName,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let known = self.lookup.certificates_named(name.as_str())?;
        if known.is_empty() {
            return Err(Refused::NameUnknown(name.clone()).into());
        }
        self.revoke_all(&known, reason)
    }

    /// Those that are not revoked, or that were for a lesser reason.
    pub(super) fn revoke_all(
        &mut self,
        certificates: &[Certificate],
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let touched = |c: &&Certificate| c.revocation.is_none() || is_worse(c, reason);
        certificates.iter().filter(touched).try_for_each(|c| self.revoke(c, reason))
    }

    pub(super) fn certificate_mark_connected(
        &mut self,
        id: &CertificateId,
    ) -> Result<(), StoreError> {
        let certificate = self.known().unrevoked(id)?;
        if certificate.connected_at.is_some() {
            return Ok(());
        }
        self.edit.certificate_set_connected(id, self.at())?;
        let payload = self.known().describe(&certificate)?;
        self.record(&EventKind::CERTIFICATE_CONNECTED, &payload)?;
        let former = self.lookup.certificates_superseded_before(id)?;
        self.revoke_superseded(&former)
    }

    pub(super) fn certificate_supersede_due(&mut self) -> Result<(), StoreError> {
        let due = self.lookup.certificates_due(self.at())?;
        self.revoke_superseded(&due)
    }

    /// Those of them that ended before, belong to no device, and were never revoked: what the CA has said of one is
    /// said by its row for good.
    pub(super) fn certificates_forget(
        &mut self,
        ended: &[Ended],
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let mut payload = ForgottenPayload::default();
        for Ended { id, key } in ended {
            let Some(certificate) = self.lookup.certificate(id)? else { continue };
            let of_a_device = matches!(certificate.holder, Holder::Device(_));
            if of_a_device || certificate.revocation.is_some() || certificate.not_after >= before {
                continue;
            }
            self.edit.certificate_delete(id)?;
            if let Some(key) = key {
                self.edit.secret_delete(key)?;
            }
            payload.add(id);
        }
        if payload.is_empty() {
            return Ok(());
        }
        self.record(&EventKind::CERTIFICATES_FORGOTTEN, &payload).map(drop)
    }

    pub(super) fn crl_record(&mut self, crl: &NewCrl) -> Result<(), StoreError> {
        self.known().issuer(crl.generation)?;
        if let Some(latest) = self.lookup.crl(crl.generation)?
            && crl.number <= latest.number
        {
            let (number, latest) = (crl.number, latest.number);
            return Err(Refused::CrlNumberUsed { number, latest }.into());
        }
        self.edit.crl_put(crl)?;
        self.record(&EventKind::CRL_SIGNED, &CrlEntry::from(crl)).map(drop)
    }

    /// Revokes a certificate that is known not to be revoked, or for a lesser reason: then it stays revoked
    /// since it was.
    pub(super) fn revoke(
        &mut self,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let since = certificate.revocation.map(|former| former.at);
        let of = self.known().describe(certificate)?;
        let payload = RevokedPayload { certificate: of, reason, since };
        let event = self.record(&EventKind::CERTIFICATE_REVOKED, &payload)?;
        if since.is_some() {
            return self.edit.revocation_set_reason(&certificate.id, reason);
        }
        let (id, issued_by) = (certificate.id, certificate.issued_by);
        let revocation = Revocation { id, issued_by, at: self.at(), reason, event };
        self.edit.revocation_insert(&revocation)
    }

    /// Marks the holder's other certificates; those that were marked before keep the nearer date.
    fn supersede(
        &mut self,
        by: &CertificateId,
        deadline: Timestamp,
    ) -> Result<Vec<CertificateId>, StoreError> {
        let others = self.lookup.certificates_beside(by)?;
        for former in &others {
            let at = former.supersede_at.map_or(deadline, |earlier| earlier.min(deadline));
            self.edit.certificate_set_superseded(&former.id, by, at)?;
        }
        Ok(others.into_iter().map(|former| former.id).collect())
    }

    fn revoke_superseded(&mut self, certificates: &[Certificate]) -> Result<(), StoreError> {
        certificates.iter().try_for_each(|former| self.revoke(former, RevocationReason::Superseded))
    }
}

/// A key that turns out to be in other hands was so before, whatever the certificate was revoked for: it is
/// certified for nobody from then on, and relying parties are told.
fn is_worse(certificate: &Certificate, reason: RevocationReason) -> bool {
    let former = certificate.revocation.map(|former| former.reason);
    reason.is_compromise() && former.is_some_and(|former| !former.is_compromise())
}
