//! What a device's profiles are made of: the common part, the certificate and, once, its key.

use std::time::Duration;

use admin::names::DeviceName;
use admin::response::{KeyMaterial, ProfileCommon, ProfileMaterial, Remote};
use admin::secret::SecretText;
use authority::{Issued, KeyFrom, KeyLocation};
use clock::Timestamp;
use pki::{CertificateId, Fingerprint};
use store::{Actor, DeviceDetail};

use super::views::{current, look};
use crate::config::{Config, PublicName};
use crate::context::Context;
use crate::error::GatewayError;

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
        let common = self.common()?;
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
        let certificate = look(self.at, |viewer| viewer.certificate(&certificate)).await;
        Ok(ProfileMaterial { name: name.clone(), common, certificate, key, supersedes })
    }

    /// For a certificate that somebody has with its key still.
    pub(super) async fn again(&self, pem: &str) -> Result<ProfileMaterial, GatewayError> {
        let (name, detail, certificate) = self.on_record(pem).await?;
        self.is_enabled(&name, &detail)?;
        self.is_good(&name, &certificate)?;
        let common = self.common()?;
        let certificate = look(self.at, |viewer| viewer.certificate(&certificate)).await;
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
        Ok(())
    }

    /// What all profiles share.
    fn common(&self) -> Result<ProfileCommon, GatewayError> {
        let policy = self.at.view.policy();
        let config = &policy.config;
        let remotes = remotes(config);
        if remotes.is_empty() {
            return Err(GatewayError::NoPublicName { file: self.at.data.config() });
        }
        Ok(ProfileCommon {
            ca_pem: self.at.authority.issuers().to_pem(),
            tls_auth_key: SecretText::new(self.at.tls_auth.to_text().to_string()),
            auth: config.vpn.auth.name().to_owned(),
            server_name: self.at.authority.server_name().to_owned(),
            remotes,
            ciphers: config.vpn.ciphers.iter().map(|cipher| cipher.name().to_owned()).collect(),
        })
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

/// Every public name with every port that it is reached at, in the order of both: the port that it says,
/// else those that are listened on.
pub(crate) fn remotes(config: &Config) -> Vec<Remote> {
    let listened = |name: &PublicName| {
        let wanted = name.transport();
        let doors = config.vpn.listen.iter().map(|l| (l.address.port(), l.transport));
        let doors = doors.filter(|(_, transport)| wanted.is_none_or(|wanted| wanted == *transport));
        let mut seen = Vec::new();
        for (port, transport) in doors {
            let door = (name.port().unwrap_or(port), transport);
            if !seen.contains(&door) {
                seen.push(door);
            }
        }
        seen
    };
    let at = |name: &PublicName| {
        let host = name.host().to_owned();
        let remote = |(port, transport)| Remote { host: host.clone(), port, transport };
        listened(name).into_iter().map(remote).collect::<Vec<_>>()
    };
    config.public.names.iter().flat_map(at).collect()
}

fn superseded_by(detail: &DeviceDetail, id: &store::CertificateId) -> Option<(String, Timestamp)> {
    let waiting = detail
        .certificates
        .iter()
        .find(|c| c.superseded_by.as_ref() == Some(id) && c.revocation.is_none())?;
    Some((waiting.id.to_string(), waiting.supersede_at?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_port_is_reached_there_and_others_where_the_gateway_listens() {
        let found = |names: &[&str], listen: &[&str]| -> Vec<String> {
            let mut config = Config::default();
            config.public.names = names.iter().map(|name| name.parse().expect("a name")).collect();
            config.vpn.listen = listen.iter().map(|l| l.parse().expect("a socket")).collect();
            let said = |r: Remote| format!("{} {} {}", r.host, r.port, r.transport.word());
            remotes(&config).into_iter().map(said).collect()
        };
        let both = ["udp:[::]:1194", "tcp:[::]:1194", "tcp:[::]:8443"];
        assert_eq!(
            found(&["a.example", "b.example:443"], &both[..2]),
            ["a.example 1194 udp", "a.example 1194 tcp", "b.example 443 udp", "b.example 443 tcp"]
        );
        assert_eq!(
            found(&["udp:a.example", "tcp:[fd00::1]:443"], &both),
            ["a.example 1194 udp", "fd00::1 443 tcp"]
        );
        assert_eq!(found(&["tcp:a.example"], &both), ["a.example 1194 tcp", "a.example 8443 tcp"]);
    }
}
