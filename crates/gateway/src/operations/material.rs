//! What a device's profiles are made of: the common part, the certificate and, once, its key.

use std::time::Duration;

use admin::names::DeviceName;
use admin::response::{KeyMaterial, ProfileCommon, ProfileMaterial};
use admin::secret::SecretText;
use authority::{Issued, KeyFrom, KeyLocation};
use clock::Timestamp;
use pki::{CertificateId, Fingerprint};
use store::{Actor, DeviceDetail};

use super::common::common;
use super::rollover::retired;
use super::views::{current, look};
use crate::context::Context;
use crate::error::GatewayError;
use crate::profile::settings_mark;

/// What profiles of these records' devices are made of.
#[derive(Debug)]
pub(super) struct Material<'a> {
    pub(super) at: &'a Context,
}

impl Material<'_> {
    pub(super) async fn of(
        &self,
        actor: &Actor,
        name: &DeviceName,
        renew: bool,
    ) -> Result<ProfileMaterial, GatewayError> {
        // One at a time, so that two first profiles of a device don't make two keys.
        let _one = self.at.authority.lock_issuance().await;
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        let common = common(self.at)?;
        let (certificate, key) = match self.plan(name, &detail, renew)? {
            Plan::Make => self.make(actor, &detail, None).await?,
            Plan::Renew => self.make(actor, &detail, Some(supersede_within(self.at))).await?,
            Plan::HandOut(certificate) => {
                let key = match self.at.authority.key_location(&certificate.id).await? {
                    KeyLocation::OnDevice => KeyMaterial::OnDevice,
                    KeyLocation::HandedOut => KeyMaterial::Gone,
                };
                (*certificate, key)
            }
        };
        let after = self.at.store.device_show(&name.user, &name.device).await?;
        let supersedes = superseded_by(&after, &certificate.id);
        let id = certificate.id;
        let certificate = look(self.at, |viewer| viewer.certificate(&certificate)).await;
        self.note(id, &common).await;
        Ok(ProfileMaterial { name: name.clone(), common, certificate, key, supersedes })
    }

    /// For a certificate that somebody has with its key still.
    pub(super) async fn again(&self, pem: &str) -> Result<ProfileMaterial, GatewayError> {
        let (name, detail, certificate) = self.on_record(pem).await?;
        self.is_enabled(&name, &detail)?;
        self.is_good(&name, &certificate)?;
        let common = common(self.at)?;
        let id = certificate.id;
        let certificate = look(self.at, |viewer| viewer.certificate(&certificate)).await;
        self.note(id, &common).await;
        let (key, supersedes) = (KeyMaterial::Gone, None);
        Ok(ProfileMaterial { name, common, certificate, key, supersedes })
    }

    /// Bit for bit: whoever has the CA's key could have made another one of the same number.
    async fn on_record(
        &self,
        pem: &str,
    ) -> Result<(DeviceName, DeviceDetail, store::Certificate), GatewayError> {
        let unknown = || GatewayError::UnknownCertificate;
        let chain = pki::certificates_from_pem(pem).map_err(|_| unknown())?;
        let leaf = chain.first().ok_or_else(unknown)?;
        let id = CertificateId::of(leaf).map_err(|_| unknown())?;
        let name = self.at.view.device_of(&id, &Fingerprint::of(leaf)).ok_or_else(unknown)?;
        let detail = self.at.store.device_show(&name.user, &name.device).await?;
        let certificate = detail.certificates.iter().find(|c| c.id == id).cloned();
        Ok((name, detail, certificate.ok_or_else(unknown)?))
    }

    async fn make(
        &self,
        actor: &Actor,
        detail: &DeviceDetail,
        supersedes_within: Option<Duration>,
    ) -> Result<(store::Certificate, KeyMaterial), GatewayError> {
        let Issued { certificate, key } =
            self.at.authority.issue(actor, &detail.device, KeyFrom::New, supersedes_within).await?;
        let key = key.map_or(KeyMaterial::OnDevice, |pem| KeyMaterial::Made {
            pem: SecretText::new(pem.to_string()),
        });
        Ok((certificate, key))
    }

    fn plan(
        &self,
        name: &DeviceName,
        detail: &DeviceDetail,
        renew: bool,
    ) -> Result<Plan, GatewayError> {
        self.is_enabled(name, detail)?;
        let Some(current) = current(&detail.certificates) else { return Ok(Plan::Make) };
        if renew {
            return Ok(Plan::Renew);
        }
        self.is_good(name, current)?;
        Ok(Plan::HandOut(Box::new(current.clone())))
    }

    fn is_enabled(&self, name: &DeviceName, detail: &DeviceDetail) -> Result<(), GatewayError> {
        let user_enabled =
            self.at.store.snapshot().user(detail.device.user).is_none_or(|user| user.enabled());
        if !user_enabled || !detail.device.enabled() {
            return Err(GatewayError::Disabled { device: name.clone(), user: !user_enabled });
        }
        Ok(())
    }

    fn is_good(
        &self,
        name: &DeviceName,
        certificate: &store::Certificate,
    ) -> Result<(), GatewayError> {
        let device = name.clone();
        if let Some(revocation) = &certificate.revocation {
            let (at, reason) = (revocation.at, revocation.reason);
            return Err(GatewayError::Revoked { device, at, reason });
        }
        if certificate.not_after < self.at.now() {
            return Err(GatewayError::Expired { device, at: certificate.not_after });
        }
        if retired(&self.at.authority).contains(&certificate.issued_by) {
            return Err(GatewayError::FormerCa { device });
        }
        Ok(())
    }

    /// So that it is known whose profile has former settings, once they change.
    async fn note(&self, certificate: CertificateId, common: &ProfileCommon) {
        let noted = self.at.store.profile_note(certificate, settings_mark(common)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "with which settings the profile was written is not on record");
        }
    }
}

/// After how long a renewed device's former certificate is revoked at the latest.
pub(super) fn supersede_within(at: &Context) -> Duration {
    Duration::from_secs(u64::from(at.config().device.supersede_days) * 86_400)
}

/// What a profile needs done.
enum Plan {
    Make,
    Renew,
    HandOut(Box<store::Certificate>),
}

fn superseded_by(detail: &DeviceDetail, id: &store::CertificateId) -> Option<(String, Timestamp)> {
    let waiting = detail
        .certificates
        .iter()
        .find(|c| c.superseded_by.as_ref() == Some(id) && c.revocation.is_none())?;
    Some((waiting.id.to_string(), waiting.supersede_at?))
}
