//! The gateway's own certificates: one RSA, one P-256, renewed before they end.

use std::collections::BTreeSet;
use std::sync::Arc;

use pki::{PrivateKey, Profile};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use store::{Actor, Holder, Secret};

use super::{AuthorityError, Office, Wanted, describe, generate, leaf_key};
use crate::config::Config;

/// Both certificates, in service.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) rsa: Leaf,
    pub(super) p256: Leaf,
}

/// One certificate of the gateway.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) identity: Arc<CertifiedKey>,
    not_after: u64,
    renew_at: u64,
    names: BTreeSet<String>,
}

impl Leaves {
    /// When the first of them ends.
    pub(super) fn expires_at(&self) -> u64 {
        self.rsa.not_after.min(self.p256.not_after)
    }
}

impl Office {
    /// Both certificates, made anew where they are missing, near their end, or for other names.
    pub(super) async fn fresh_leaves(&self) -> Result<Leaves, AuthorityError> {
        let rsa = self.fresh_leaf(pki::KeyType::Rsa2048).await?;
        let p256 = self.fresh_leaf(pki::KeyType::P256).await?;
        Ok(Leaves { rsa, p256 })
    }

    /// Whether both serve as they are.
    pub(super) fn fresh(&self, leaves: &Leaves) -> bool {
        self.serves(&leaves.rsa) && self.serves(&leaves.p256)
    }

    async fn fresh_leaf(&self, kind: pki::KeyType) -> Result<Leaf, AuthorityError> {
        let _one = self.issuing.lock().await;
        if let Some(row) = self.newest_leaf(kind).await? {
            let leaf = self.load_leaf(&row).await?;
            if self.serves(&leaf) {
                return Ok(leaf);
            }
        }
        self.make_leaf(kind).await
    }

    async fn newest_leaf(
        &self,
        kind: pki::KeyType,
    ) -> Result<Option<store::Certificate>, AuthorityError> {
        let ours = |c: &store::Certificate| {
            c.holder == Holder::Gateway
                && c.revocation.is_none()
                && c.issued_by == self.generation.id
                && describe::key_type(&c.der) == kind.name()
        };
        Ok(self.store.certificate_list().await?.into_iter().rev().find(ours))
    }

    /// Not yet in the last third of its life, and for the names that profiles point to.
    fn serves(&self, leaf: &Leaf) -> bool {
        let wanted: BTreeSet<_> = names(&self.config.load()).into_iter().collect();
        self.now().unix_secs() < leaf.renew_at && wanted.is_subset(&leaf.names)
    }

    async fn load_leaf(&self, row: &store::Certificate) -> Result<Leaf, AuthorityError> {
        let name = leaf_key(&row.serial);
        let secret = self.store.secret_get(&name).await?;
        let secret = secret.ok_or(AuthorityError::KeyMissing { name })?;
        let key = PrivateKey::from_pkcs8(secret.expose())?;
        Leaf::new(row, &key)
    }

    async fn make_leaf(&self, kind: pki::KeyType) -> Result<Leaf, AuthorityError> {
        let key = generate(kind).await?;
        let config = self.config.load_full();
        let wanted = Wanted {
            profile: Profile::Gateway { names: names(&config) },
            public_key: key.public_key().clone(),
            subject: format!("CN={}", pki::RESERVED_GATEWAY_NAME),
            holder: Holder::Gateway,
            days: config.ca.gateway_validity_days,
            key: Some(Secret::new(key.pkcs8().to_vec())),
            supersedes_within: None,
        };
        let row = self.sign_and_record(&Actor::Gateway, wanted).await?;
        Leaf::new(&row, &key)
    }
}

impl Leaf {
    fn new(row: &store::Certificate, key: &PrivateKey) -> Result<Self, AuthorityError> {
        let chain = vec![CertificateDer::from(row.der.clone())];
        let identity = pki::identity(chain, key)?;
        let third = row.not_after.saturating_sub(row.not_before) / 3;
        Ok(Self {
            identity,
            not_after: row.not_after,
            renew_at: row.not_after.saturating_sub(third),
            names: describe::alternative_names(&row.der),
        })
    }
}

fn names(config: &Config) -> Vec<String> {
    config.public.names.iter().map(|name| name.as_str().to_ascii_lowercase()).collect()
}
