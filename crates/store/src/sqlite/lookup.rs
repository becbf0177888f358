//! What the rules look up, in the transaction that is open.

use clock::Timestamp;
use names::{DeviceName, UserName};
use pki::{CertificateId, IssuerId, KeyId};
use rusqlite::Connection;

use super::column::seconds;
use super::rows;
use crate::backend::Lookup;
use crate::error::StoreError;
use crate::ids::{CaGenerationId, DeviceId, UserId};
use crate::records::{Certificate, Crl, Device, User};

/// The rows that a connection sees.
pub(super) struct Rows<'c>(pub(super) &'c Connection);

impl Lookup for Rows<'_> {
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        rows::setting(self.0, name)
    }

    fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        rows::user(self.0, name)
    }

    fn users_alike(&self, name: &UserName) -> Result<Vec<User>, StoreError> {
        rows::users_alike(self.0, name)
    }

    fn device(&self, user: UserId, name: &DeviceName) -> Result<Option<Device>, StoreError> {
        rows::device(self.0, user, name)
    }

    fn devices_removed(
        &self,
        owner: &UserName,
        name: &DeviceName,
    ) -> Result<Vec<DeviceId>, StoreError> {
        rows::devices_removed(self.0, owner, name)
    }

    fn device_by_id(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        rows::device_by_id(self.0, id)
    }

    fn devices_of(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        rows::devices_of(self.0, user)
    }

    fn certificate(&self, id: &CertificateId) -> Result<Option<Certificate>, StoreError> {
        rows::certificate(self.0, id)
    }

    fn certificates_of(&self, device: DeviceId) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_of(self.0, device)
    }

    fn certificates_named(&self, name: &str) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_named(self.0, name)
    }

    fn certificates_with_key(&self, key: &KeyId) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_with_key(self.0, key)
    }

    fn certificates_beside(&self, of: &CertificateId) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_beside(self.0, of)
    }

    fn certificates_superseded_before(
        &self,
        of: &CertificateId,
    ) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_superseded_before(self.0, of)
    }

    fn certificates_due(&self, now: Timestamp) -> Result<Vec<Certificate>, StoreError> {
        rows::certificates_due(self.0, seconds(now)?)
    }

    fn issuer(&self, generation: CaGenerationId) -> Result<Option<IssuerId>, StoreError> {
        rows::issuer_of(self.0, generation)
    }

    fn generation(&self, issuer: &IssuerId) -> Result<Option<CaGenerationId>, StoreError> {
        rows::generation_of(self.0, issuer)
    }

    fn crl(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError> {
        rows::crl_latest(self.0, generation)
    }

    fn lease_highest(&self) -> Result<Option<u32>, StoreError> {
        rows::lease_highest(self.0)
    }

    fn lease_gap(&self, first: u32, last: u32) -> Result<Option<u32>, StoreError> {
        rows::lease_gap(self.0, first, last)
    }
}
