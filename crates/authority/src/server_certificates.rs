//! The gateway's own certificates: one RSA, one P-256, renewed before they end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pki::{PrivateKey, Profile, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use store::{Actor, CaGenerationId, Holder, Secret};

use crate::describe;
use crate::error::AuthorityError;
use crate::issuance::{Issuance, IssueRequest, KeptKey, generate, server_key};
use crate::issuer::Signs;
use crate::settings::Settings;

/// Both certificates, in service.
#[derive(Debug)]
pub(crate) struct ServerCertificates {
    rsa: ServerCertificate,
    p256: ServerCertificate,
}

/// One certificate of the gateway.
#[derive(Debug)]
pub(crate) struct ServerCertificate {
    pub(crate) identity: Arc<CertifiedKey>,
    issued_by: CaGenerationId,
    not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    issued_at: Timestamp,
    names: BTreeSet<String>,
}

impl ServerCertificates {
    /// With their keys: RSA, P-256.
    pub(crate) fn identities(&self) -> [Arc<CertifiedKey>; 2] {
        [&self.rsa, &self.p256].map(|certificate| Arc::clone(&certificate.identity))
    }

    /// When the first of them is due for renewal, as long as such certificates live by the present settings.
    pub(crate) fn due_at(&self, life: Duration) -> Timestamp {
        self.rsa.due_at(life).min(self.p256.due_at(life))
    }

    /// When the first of them ends.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.rsa.not_after.min(self.p256.not_after)
    }
}

impl Issuance {
    /// Both certificates, made anew where they are missing, near their end, or for other names.
    pub(crate) async fn fresh_certificates(&self) -> Result<ServerCertificates, AuthorityError> {
        let rsa = self.fresh_certificate(pki::KeyType::Rsa2048).await?;
        let p256 = self.fresh_certificate(pki::KeyType::P256).await?;
        Ok(ServerCertificates { rsa, p256 })
    }

    /// Whether both serve as they are.
    pub(crate) fn fresh(&self, certificates: &ServerCertificates) -> bool {
        let names = names(&self.settings.load());
        self.serves(&certificates.rsa, &names) && self.serves(&certificates.p256, &names)
    }

    async fn fresh_certificate(
        &self,
        kind: pki::KeyType,
    ) -> Result<ServerCertificate, AuthorityError> {
        let _one = self.issuing.lock().await;
        let row = self.newest_certificate(kind).await?;
        let Some(row) = row else { return self.make_certificate(kind).await };
        let former = self.load_certificate(&row).await?;
        if self.serves(&former, &names(&self.settings.load())) {
            return Ok(former);
        }
        match self.make_certificate(kind).await {
            // Whatever the error: who stays away for a certificate that holds keeps everybody out.
            Err(error) if self.now() < former.not_after || error.is_of_the_clock() => {
                tracing::error!(%error, "the gateway's own certificate stays the former one");
                Ok(former)
            }
            made => made,
        }
    }

    async fn newest_certificate(
        &self,
        kind: pki::KeyType,
    ) -> Result<Option<store::Certificate>, AuthorityError> {
        let (issued_by, now) = (self.own_issuer(), self.now());
        let ours = |c: &store::Certificate| {
            c.holder == Holder::Gateway
                && c.revocation.is_none()
                && c.issued_by == issued_by
                && describe::key_type(&c.der) == kind.name()
        };
        let all = self.store.certificates_of_gateway().await?.into_iter();
        let ours: Vec<_> = all.rev().filter(ours).collect();
        // One that was made by a clock that was ahead serves where there is no other.
        let begun = ours.iter().position(|c| c.not_before <= now).unwrap_or_default();
        Ok(ours.into_iter().nth(begun))
    }

    /// Which CA the gateway's own certificates have to be of.
    pub(crate) fn own_issuer(&self) -> CaGenerationId {
        self.issuers.load().signing(Signs::Gateway).generation().id
    }

    /// Of the right CA, begun, not yet in the last third of its life, and for all these names. One has not begun where
    /// it was made by a clock that was ahead.
    pub(crate) fn serves(&self, certificate: &ServerCertificate, names: &[String]) -> bool {
        certificate.issued_by == self.own_issuer()
            && certificate.not_before <= self.now()
            && self.now() < certificate.due_at(self.settings.load().server_life)
            && names.iter().all(|name| certificate.names.contains(name))
    }

    pub(crate) async fn load_certificate(
        &self,
        row: &store::Certificate,
    ) -> Result<ServerCertificate, AuthorityError> {
        let name = server_key(&row.id.serial);
        let secret = self.store.secret_get(&name).await?;
        let secret = secret.ok_or(AuthorityError::KeyMissing { name })?;
        let key = PrivateKey::from_pkcs8(secret.expose())?;
        ServerCertificate::new(row, &key, self.crosses(row.issued_by).await?)
    }

    async fn make_certificate(
        &self,
        kind: pki::KeyType,
    ) -> Result<ServerCertificate, AuthorityError> {
        let key = generate(kind).await?;
        let settings = self.settings.load_full();
        let request = IssueRequest {
            profile: Profile::Gateway { names: names(&settings) },
            public_key: key.public_key().clone(),
            subject: format!("CN={}", pki::RESERVED_GATEWAY_NAME),
            holder: Holder::Gateway,
            life: settings.server_life,
            key: KeptKey::Here(Secret::new(key.pkcs8().to_vec())),
            supersedes_within: None,
        };
        let issuers = self.issuers.load_full();
        let issuer = issuers.signing(Signs::Gateway);
        let row = self.sign_and_record(&Actor::Gateway, issuer, request).await?;
        ServerCertificate::new(&row, &key, self.crosses(row.issued_by).await?)
    }
}

impl ServerCertificate {
    pub(crate) fn new(
        row: &store::Certificate,
        key: &PrivateKey,
        crosses: Vec<CertificateDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        let mut chain = vec![CertificateDer::from(row.der.clone())];
        chain.extend(crosses);
        let identity = pki::identity(chain, key)?;
        Ok(Self {
            identity,
            issued_by: row.issued_by,
            not_before: row.not_before,
            not_after: row.not_after,
            issued_at: row.recorded_at,
            names: describe::alternative_names(&row.der),
        })
    }
}

impl ServerCertificate {
    /// One that was issued while they lived longer is due as if it had been issued for the shorter time.
    fn due_at(&self, life: Duration) -> Timestamp {
        renewal(self.issued_at, self.not_after.min(self.issued_at.after(life)))
    }
}

fn names(settings: &Settings) -> Vec<String> {
    settings.names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// At two thirds of its life, which began when it was issued and not where its validity reaches back to.
fn renewal(issued: Timestamp, not_after: Timestamp) -> Timestamp {
    not_after.before(not_after.since(issued) / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_three_days_is_renewed_two_days_after_its_issue() {
        let issued = Timestamp::from_unix_secs(1_700_000_000);
        let day = Duration::from_secs(86_400);
        assert_eq!(renewal(issued, issued.after(3 * day)), issued.after(2 * day));
    }
}
