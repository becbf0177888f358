//! What a change names, found in the records; or why it can't be meant. It writes nothing.

use clock::Timestamp;
use names::{DeviceName, UserName};
use pki::{CertificateId, IssuerId};

use super::keys::check_key;
use crate::backend::Lookup;
use crate::error::{Refused, StoreError};
use crate::ids::{CaGenerationId, UserId};
use crate::payload::CertificatePayload;
use crate::records::{Certificate, Device, Holder, NewCertificate, Revocation, User};

/// The records as the rules ask them.
#[derive(Clone, Copy)]
pub(super) struct Known<'a>(pub(super) &'a dyn Lookup);

impl Known<'_> {
    pub(super) fn user(self, name: &UserName) -> Result<User, StoreError> {
        there(self.0.user(name)?, || Refused::UserUnknown(name.clone()))
    }

    /// A user of this name may be added, or `whose` be called so.
    pub(super) fn name_is_free(
        self,
        name: &UserName,
        whose: Option<UserId>,
    ) -> Result<(), StoreError> {
        let alike = self.0.users_alike(name)?;
        match alike.into_iter().find(|user| Some(user.id) != whose) {
            Some(user) => Err(Refused::UserExists(user.name).into()),
            None => Ok(()),
        }
    }

    pub(super) fn device(self, owner: &UserName, name: &DeviceName) -> Result<Device, StoreError> {
        let user = self.user(owner)?.id;
        let unknown = || Refused::DeviceUnknown(owner.clone(), name.clone());
        there(self.0.device(user, name)?, unknown)
    }

    pub(super) fn certificate(self, id: &CertificateId) -> Result<Certificate, StoreError> {
        there(self.0.certificate(id)?, || Refused::CertificateUnknown(id.serial))
    }

    pub(super) fn unrevoked(self, id: &CertificateId) -> Result<Certificate, StoreError> {
        let certificate = self.certificate(id)?;
        match certificate.revocation {
            Some(Revocation { at, .. }) => {
                Err(Refused::CertificateRevoked { serial: id.serial, at }.into())
            }
            None => Ok(certificate),
        }
    }

    pub(super) fn issuer(self, generation: CaGenerationId) -> Result<IssuerId, StoreError> {
        there(self.0.issuer(generation)?, || Refused::CaGenerationUnknown(generation))
    }

    /// A certificate of this id may be recorded.
    pub(super) fn check_new(
        self,
        new: &NewCertificate,
        id: &CertificateId,
    ) -> Result<(), StoreError> {
        if let Holder::Device(id) = new.holder {
            there(self.0.device_by_id(id)?, || Refused::DeviceGone)?;
        }
        check_key(self.0, &new.public_key, Some(&new.holder))?;
        match self.0.certificate(id)? {
            Some(_) => Err(Refused::CertificateExists(new.serial).into()),
            None => Ok(()),
        }
    }

    /// One that never had a certificate waits for its first.
    pub(super) fn is_revoked_since(
        self,
        device: &Device,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let certificates = self.0.certificates_of(device.id)?;
        let gone = |revoked: Timestamp| revoked < before;
        Ok(!certificates.is_empty()
            && certificates.iter().all(|c| c.revocation.is_some_and(|r| gone(r.at))))
    }

    /// For events: the names are those of the time.
    pub(super) fn describe(
        self,
        certificate: &Certificate,
    ) -> Result<CertificatePayload, StoreError> {
        let device = match certificate.holder {
            Holder::Device(id) => self.0.device_by_id(id)?,
            Holder::Gateway | Holder::Other(_) => None,
        };
        Ok(CertificatePayload::new(certificate, device.as_ref()))
    }
}

/// What was named has to be there.
pub(super) fn there<T>(
    found: Option<T>,
    refused: impl FnOnce() -> Refused,
) -> Result<T, StoreError> {
    found.ok_or_else(|| refused().into())
}
