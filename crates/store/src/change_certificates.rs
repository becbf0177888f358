//! Changes of certificates, their revocations, the CA's generations, CRLs and secrets.

use pki::{RevocationReason, Serial};
use rusqlite::params;
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::ids::{CaGenerationId, EventId};
use crate::records::{
    CaGeneration, Certificate, Connected, Holder, NewCaGeneration, NewCertificate, NewCrl,
    Revocation, ca_key_name,
};
use crate::rows;
use crate::secret::Secret;
use crate::snapshot::Delta;
use crate::txn::{Txn, column};

impl Txn<'_> {
    pub(crate) fn secret_put(
        &mut self,
        actor: &Actor,
        name: &str,
        secret: &Secret,
    ) -> Result<EventId, StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO secrets VALUES (?, ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, secret.expose()])?;
        let payload = json!({ "name": name, "bytes": secret.expose().len() });
        self.event_append(actor, &EventKind::SECRET_PUT, &payload)
    }

    pub(crate) fn ca_generation_add(
        &mut self,
        actor: &Actor,
        new: NewCaGeneration,
    ) -> Result<CaGeneration, StoreError> {
        let added_at = self.now.unix_secs();
        self.check_generation_is_new(&new)?;
        self.conn
            .prepare_cached(
                "INSERT INTO ca_generations \
                 (serial, subject, not_before, not_after, added_at, der) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                new.serial.as_bytes(),
                new.subject,
                column(new.not_before, "the start of a certificate")?,
                column(new.not_after, "the end of a certificate")?,
                self.secs()?,
                new.der,
            ])?;
        let id = CaGenerationId::from_row(self.conn.last_insert_rowid());
        if let Some(key) = &new.key {
            self.secret_put(actor, &ca_key_name(id), key)?;
        }
        let NewCaGeneration { serial, subject, not_before, not_after, der, .. } = new;
        let added = CaGeneration { id, serial, subject, not_before, not_after, added_at, der };
        self.event_append(actor, &EventKind::CA_GENERATION_ADDED, &json!(added))?;
        self.learn(Delta::CaGeneration(added.clone()));
        Ok(added)
    }

    pub(crate) fn certificate_record(
        &mut self,
        actor: &Actor,
        new: &NewCertificate,
    ) -> Result<Certificate, StoreError> {
        self.check_new(new)?;
        self.insert(new)?;
        if let Some(key) = &new.key {
            self.secret_put(actor, &key.name, &key.pkcs8)?;
        }
        let superseded = self.supersede(new)?;
        let recorded = rows::certificate(self.conn, &new.serial)?;
        let mut payload = self.describe(&recorded)?;
        payload["not_after"] = json!(recorded.not_after);
        payload["supersedes"] = json!(superseded);
        self.event_append(actor, &EventKind::CERTIFICATE_RECORDED, &payload)?;
        self.learn(Delta::Certificate((&recorded).into()));
        Ok(recorded)
    }

    pub(crate) fn certificate_revoke(
        &mut self,
        actor: &Actor,
        serial: &Serial,
        reason: RevocationReason,
    ) -> Result<Revocation, StoreError> {
        let certificate = self.unrevoked(serial)?;
        self.revoke_in_txn(actor, certificate, reason)
    }

    pub(crate) fn certificate_mark_connected(
        &mut self,
        serial: &Serial,
    ) -> Result<Connected, StoreError> {
        let certificate = self.unrevoked(serial)?;
        if certificate.connected_at.is_some() {
            return Ok(Connected::default());
        }
        let at = self.secs()?;
        self.conn
            .prepare_cached("UPDATE certificates SET connected_at = ? WHERE serial = ?")?
            .execute(params![at, serial.as_bytes()])?;
        let payload = self.describe(&certificate)?;
        self.event_append(&Actor::Gateway, &EventKind::CERTIFICATE_CONNECTED, &payload)?;
        let connected_at = Some(self.now.unix_secs());
        self.learn(Delta::Certificate((&Certificate { connected_at, ..certificate }).into()));
        let former = rows::certificates_superseded_before(self.conn, serial)?;
        Ok(Connected { first: true, revoked: self.revoke_superseded(former)? })
    }

    pub(crate) fn certificate_supersede_due(&mut self) -> Result<Vec<Revocation>, StoreError> {
        let due = rows::certificates_due(self.conn, self.secs()?)?;
        self.revoke_superseded(due)
    }

    pub(crate) fn crl_record(&mut self, actor: &Actor, crl: NewCrl) -> Result<EventId, StoreError> {
        self.check_generation(crl.generation)?;
        if let Some(latest) = rows::crl_latest(self.conn, crl.generation)?
            && crl.number <= latest.number
        {
            return Err(StoreError::CrlNumberUsed { number: crl.number, latest: latest.number });
        }
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO crls VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(params![
                crl.generation.get(),
                column(crl.number, "the number of a CRL")?,
                column(crl.this_update, "thisUpdate of a CRL")?,
                column(crl.next_update, "nextUpdate of a CRL")?,
                crl.through.get(),
                crl.der,
            ])?;
        let event = self.event_append(actor, &EventKind::CRL_SIGNED, &json!(crl))?;
        self.learn(Delta::Crl(crl));
        Ok(event)
    }

    /// Revokes a certificate that is known not to be revoked.
    pub(crate) fn revoke_in_txn(
        &mut self,
        actor: &Actor,
        certificate: Certificate,
        reason: RevocationReason,
    ) -> Result<Revocation, StoreError> {
        let mut payload = self.describe(&certificate)?;
        payload["reason"] = json!(reason);
        let event = self.event_append(actor, &EventKind::CERTIFICATE_REVOKED, &payload)?;
        let (serial, at) = (certificate.serial, self.now.unix_secs());
        self.conn
            .prepare_cached(
                "INSERT INTO revocations (event, serial, at, reason) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![event.get(), serial.as_bytes(), self.secs()?, reason.code()])?;
        let issued_by = certificate.issued_by;
        let revocation = Revocation { serial, issued_by, at, reason, event };
        let revoked = Certificate { revocation: Some(revocation), ..certificate };
        self.learn(Delta::Certificate((&revoked).into()));
        Ok(revocation)
    }

    fn check_new(&self, new: &NewCertificate) -> Result<(), StoreError> {
        self.check_generation(new.issued_by)?;
        if let Holder::Device(id) = new.holder {
            rows::device_by_id(self.conn, id)?.ok_or(StoreError::DeviceGone)?;
        }
        match rows::certificate(self.conn, &new.serial) {
            Ok(_) => Err(StoreError::CertificateExists(new.serial)),
            Err(StoreError::CertificateUnknown(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn check_generation(&self, id: CaGenerationId) -> Result<(), StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT 1 FROM ca_generations WHERE id = ?")?;
        match statement.exists([id.get()])? {
            true => Ok(()),
            false => Err(StoreError::CaGenerationUnknown(id)),
        }
    }

    fn check_generation_is_new(&self, new: &NewCaGeneration) -> Result<(), StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM ca_generations WHERE serial = ? OR subject = ?")?;
        match statement.exists(params![new.serial.as_bytes(), new.subject])? {
            false => Ok(()),
            true => Err(StoreError::CaGenerationExists { subject: new.subject.clone() }),
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
                "INSERT INTO certificates (serial, holder, device, other, subject, not_before, \
                 not_after, issued_by, recorded_at, der) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                new.serial.as_bytes(),
                holder,
                device,
                other,
                new.subject,
                column(new.not_before, "the start of a certificate")?,
                column(new.not_after, "the end of a certificate")?,
                new.issued_by.get(),
                self.secs()?,
                new.der,
            ])?;
        Ok(())
    }

    /// Marks the holder's other certificates; those that were marked before keep the nearer date.
    fn supersede(&mut self, new: &NewCertificate) -> Result<Vec<Serial>, StoreError> {
        let Some(within) = new.supersedes_within else { return Ok(Vec::new()) };
        let deadline = self.now.unix_secs().saturating_add(within);
        let mut superseded = Vec::new();
        for mut former in rows::certificates_beside(self.conn, &new.serial)? {
            former.superseded_by.get_or_insert(new.serial);
            let at = former.supersede_at.map_or(deadline, |earlier| earlier.min(deadline));
            former.supersede_at = Some(at);
            self.conn
                .prepare_cached(
                    "UPDATE certificates SET superseded_by = coalesce(superseded_by, ?), \
                     supersede_at = ? WHERE serial = ?",
                )?
                .execute(params![
                    new.serial.as_bytes(),
                    column(at, "the time to supersede")?,
                    former.serial.as_bytes()
                ])?;
            superseded.push(former.serial);
            self.learn(Delta::Certificate((&former).into()));
        }
        Ok(superseded)
    }

    fn revoke_superseded(
        &mut self,
        certificates: Vec<Certificate>,
    ) -> Result<Vec<Revocation>, StoreError> {
        certificates
            .into_iter()
            .map(|former| self.revoke_in_txn(&Actor::Gateway, former, RevocationReason::Superseded))
            .collect()
    }

    fn unrevoked(&self, serial: &Serial) -> Result<Certificate, StoreError> {
        let certificate = rows::certificate(self.conn, serial)?;
        match certificate.revocation {
            Some(Revocation { at, .. }) => {
                Err(StoreError::CertificateRevoked { serial: *serial, at })
            }
            None => Ok(certificate),
        }
    }

    /// For events: the names are those of the time, as the log has to make sense by itself.
    fn describe(&self, certificate: &Certificate) -> Result<Value, StoreError> {
        let mut payload = json!({
            "serial": certificate.serial,
            "subject": certificate.subject,
            "issued_by": certificate.issued_by,
        });
        match &certificate.holder {
            Holder::Gateway => payload["holder"] = json!("gateway"),
            Holder::Other(name) => payload["holder"] = json!(name),
            Holder::Device(id) => {
                payload["device_id"] = json!(id);
                if let Some(device) = rows::device_by_id(self.conn, *id)? {
                    payload["user"] = json!(device.user_name);
                    payload["device"] = json!(device.name);
                }
            }
        }
        Ok(payload)
    }
}
