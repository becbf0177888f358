//! Changes of certificates, their revocations, the CA's generations, CRLs and secrets.

use clock::Timestamp;
use names::RevocationReason;
use pki::{CertificateId, Fingerprint, IssuerId};
use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::column::{column, row_id, seconds};
use super::rows;
use super::txn::Txn;
use crate::actor::Actor;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::ids::CaGenerationId;
use crate::payload::{CertificatePayload, RecordedPayload, RevokedPayload};
use crate::records::{
    CaGeneration, Certificate, Holder, NewCaGeneration, NewCertificate, NewCrl, Revocation,
    ca_key_name,
};
use crate::secret::Secret;
use crate::snapshot::CrlEntry;

impl Txn<'_> {
    pub(super) fn secret_put(
        &mut self,
        actor: &Actor,
        name: &str,
        secret: &Secret,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO secrets VALUES (?, ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, secret.expose()])?;
        let payload = json!({ "name": name, "bytes": secret.expose().len() });
        self.record(actor, &EventKind::SECRET_PUT, &payload).map(drop)
    }

    pub(super) fn ca_generation_add(
        &mut self,
        actor: &Actor,
        new: &NewCaGeneration,
    ) -> Result<(), StoreError> {
        self.check_generation_is_new(new)?;
        self.conn
            .prepare_cached(
                "INSERT INTO ca_generations \
                 (issuer, serial, subject, not_before, not_after, added_at, der) \
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                new.issuer.as_bytes(),
                new.serial.as_bytes(),
                new.subject,
                seconds(new.not_before)?,
                seconds(new.not_after)?,
                self.secs()?,
                new.der,
            ])?;
        let id = CaGenerationId::from_row(self.conn.last_insert_rowid());
        if let Some(key) = &new.key {
            self.secret_put(actor, &ca_key_name(id), key)?;
        }
        let added = CaGeneration::added(id, new.clone(), self.now.into());
        self.record(actor, &EventKind::CA_GENERATION_ADDED, &added).map(drop)
    }

    pub(super) fn certificate_record(
        &mut self,
        actor: &Actor,
        new: &NewCertificate,
    ) -> Result<(), StoreError> {
        let issuer = self.issuer(new.issued_by)?;
        let id = CertificateId { issuer, serial: new.serial };
        self.check_new(new, &id)?;
        self.insert(new)?;
        if let Some(key) = &new.key {
            self.secret_put(actor, &key.name, &key.pkcs8)?;
        }
        let supersede_at =
            new.supersedes_within.map(|within| Timestamp::from(self.now).after(within));
        let superseded = match supersede_at {
            Some(deadline) => self.supersede(&id, deadline)?,
            None => Vec::new(),
        };
        let recorded = rows::certificate(self.conn, &id)?;
        let payload = RecordedPayload {
            certificate: self.describe(&recorded)?,
            sha256: recorded.fingerprint,
            not_after: recorded.not_after,
            supersedes: superseded.iter().map(|former| former.serial).collect(),
            supersedes_of: superseded.iter().map(|former| former.issuer).collect(),
            supersede_at,
        };
        self.record(actor, &EventKind::CERTIFICATE_RECORDED, &payload).map(drop)
    }

    pub(super) fn certificate_revoke(
        &mut self,
        actor: &Actor,
        id: &CertificateId,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let certificate = self.unrevoked(id)?;
        self.revoke_in_txn(actor, &certificate, reason)
    }

    pub(super) fn certificate_mark_connected(
        &mut self,
        actor: &Actor,
        id: &CertificateId,
    ) -> Result<(), StoreError> {
        let certificate = self.unrevoked(id)?;
        if certificate.connected_at.is_some() {
            return Ok(());
        }
        let at = self.secs()?;
        self.conn
            .prepare_cached(
                "UPDATE certificates SET connected_at = ? WHERE issued_by = ? AND serial = ?",
            )?
            .execute(params![at, certificate.issued_by.get(), id.serial.as_bytes()])?;
        let payload = self.describe(&certificate)?;
        self.record(actor, &EventKind::CERTIFICATE_CONNECTED, &payload)?;
        let former = rows::certificates_superseded_before(self.conn, id)?;
        self.revoke_superseded(actor, &former)
    }

    pub(super) fn certificate_supersede_due(&mut self, actor: &Actor) -> Result<(), StoreError> {
        let due = rows::certificates_due(self.conn, self.secs()?)?;
        self.revoke_superseded(actor, &due)
    }

    pub(super) fn crl_record(&mut self, actor: &Actor, crl: &NewCrl) -> Result<(), StoreError> {
        self.issuer(crl.generation)?;
        if let Some(latest) = rows::crl_latest(self.conn, crl.generation)?
            && crl.number <= latest.number
        {
            let (number, latest) = (crl.number, latest.number);
            return Err(Refused::CrlNumberUsed { number, latest }.into());
        }
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO crls VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(params![
                crl.generation.get(),
                column(crl.number, "the number of a CRL")?,
                seconds(crl.this_update)?,
                seconds(crl.next_update)?,
                row_id(crl.through)?,
                crl.der,
            ])?;
        self.record(actor, &EventKind::CRL_SIGNED, &CrlEntry::from(crl)).map(drop)
    }

    /// Revokes a certificate that is known not to be revoked.
    pub(super) fn revoke_in_txn(
        &mut self,
        actor: &Actor,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), StoreError> {
        let payload = RevokedPayload { certificate: self.describe(certificate)?, reason };
        let event = self.record(actor, &EventKind::CERTIFICATE_REVOKED, &payload)?;
        self.conn
            .prepare_cached(
                "INSERT INTO revocations (event, certificate, at, reason) \
                 SELECT ?, id, ?, ? FROM certificates WHERE issued_by = ? AND serial = ?",
            )?
            .execute(params![
                row_id(event)?,
                self.secs()?,
                reason.code(),
                certificate.issued_by.get(),
                certificate.id.serial.as_bytes(),
            ])?;
        Ok(())
    }

    fn check_new(&self, new: &NewCertificate, id: &CertificateId) -> Result<(), StoreError> {
        if let Holder::Device(id) = new.holder {
            rows::device_by_id(self.conn, id)?.ok_or(Refused::DeviceGone)?;
        }
        match rows::certificate(self.conn, id) {
            Ok(_) => Err(Refused::CertificateExists(new.serial).into()),
            Err(StoreError::Refused(Refused::CertificateUnknown(_))) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// What the certificates of a generation are known by.
    fn issuer(&self, id: CaGenerationId) -> Result<IssuerId, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT issuer FROM ca_generations WHERE id = ?")?;
        let issuer = statement.query_row([id.get()], |row| row.get(0)).optional()?;
        Ok(issuer.map(IssuerId::from_bytes).ok_or(Refused::CaGenerationUnknown(id))?)
    }

    fn check_generation_is_new(&self, new: &NewCaGeneration) -> Result<(), StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT 1 FROM ca_generations WHERE issuer = ?")?;
        match statement.exists([new.issuer.as_bytes()])? {
            false => Ok(()),
            true => Err(Refused::CaGenerationExists { subject: new.subject.clone() }.into()),
        }
    }

    fn insert(&self, new: &NewCertificate) -> Result<(), StoreError> {
        let (holder, device, other) = match &new.holder {
            Holder::Device(id) => ("device", Some(id.get()), None),
            Holder::Gateway => ("gateway", None, None),
            Holder::Other(name) => ("other", None, Some(name)),
        };
        self.conn
            .prepare_cached(
                "INSERT INTO certificates (serial, hash, holder, device, other, subject, not_before, \
                 not_after, issued_by, recorded_at, der) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                new.serial.as_bytes(),
                Fingerprint::of(&new.der).as_bytes(),
                holder,
                device,
                other,
                new.subject,
                seconds(new.not_before)?,
                seconds(new.not_after)?,
                new.issued_by.get(),
                self.secs()?,
                new.der,
            ])?;
        Ok(())
    }

    /// Marks the holder's other certificates; those that were marked before keep the nearer date.
    fn supersede(
        &self,
        by: &CertificateId,
        deadline: Timestamp,
    ) -> Result<Vec<CertificateId>, StoreError> {
        let others = rows::certificates_beside(self.conn, by)?;
        for former in &others {
            let at = former.supersede_at.map_or(deadline, |earlier| earlier.min(deadline));
            self.conn
                .prepare_cached(
                    "UPDATE certificates SET supersede_at = ?, superseded_by = coalesce(superseded_by, \
                     (SELECT c.id FROM certificates c JOIN ca_generations g ON g.id = c.issued_by \
                     WHERE g.issuer = ? AND c.serial = ?)) WHERE issued_by = ? AND serial = ?",
                )?
                .execute(params![
                    seconds(at)?,
                    by.issuer.as_bytes(),
                    by.serial.as_bytes(),
                    former.issued_by.get(),
                    former.id.serial.as_bytes()
                ])?;
        }
        Ok(others.into_iter().map(|former| former.id).collect())
    }

    fn revoke_superseded(
        &mut self,
        actor: &Actor,
        certificates: &[Certificate],
    ) -> Result<(), StoreError> {
        certificates
            .iter()
            .try_for_each(|former| self.revoke_in_txn(actor, former, RevocationReason::Superseded))
    }

    fn unrevoked(&self, id: &CertificateId) -> Result<Certificate, StoreError> {
        let certificate = rows::certificate(self.conn, id)?;
        match certificate.revocation {
            Some(Revocation { at, .. }) => {
                Err(Refused::CertificateRevoked { serial: id.serial, at }.into())
            }
            None => Ok(certificate),
        }
    }

    /// For events: the names are those of the time.
    fn describe(&self, certificate: &Certificate) -> Result<CertificatePayload, StoreError> {
        let device = match certificate.holder {
            Holder::Device(id) => rows::device_by_id(self.conn, id)?,
            Holder::Gateway | Holder::Other(_) => None,
        };
        Ok(CertificatePayload::new(certificate, device.as_ref()))
    }
}
