//! Opening the authority, and making on the first start what there is not yet.
//!
//! Each step looks whether its result is recorded and makes it if not, in one transaction; so a
//! first start that was killed in the middle goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{LocalSigner, NewCa, PrivateKey, Serial, Signer, Timestamp, dual_resolver};
use store::{Actor, CaGeneration, NewCaGeneration, Secret, Store};
use tokio::sync::Mutex;
use wire::static_key::StaticKey;
use zeroize::Zeroizing;

use super::{Authority, AuthorityError, DAY, Office};
use crate::config::{Config, KeyType};
use crate::random;

impl Authority {
    /// The authority over `store`. What is missing is made: CA, tls-auth key, the gateway's own
    /// certificates, CRL; what is due is renewed.
    pub(crate) async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        config: Arc<Config>,
    ) -> Result<Self, AuthorityError> {
        let generation = present_generation(&store, &*clock, &config).await?;
        let signer = signer_of(&store, &generation).await?;
        let tls_auth = tls_auth_key(&store).await?;
        let config = ArcSwap::new(config);
        let (issuing, signing) = (Mutex::new(()), Mutex::new(()));
        let office = Office { store, clock, signer, generation, config, issuing, signing };
        let leaves = office.fresh_leaves().await?;
        office.crl_catch_up().await?;
        let resolver =
            dual_resolver(Arc::clone(&leaves.rsa.identity), Arc::clone(&leaves.p256.identity));
        Ok(Self { office, tls_auth, leaves: ArcSwap::from_pointee(leaves), resolver })
    }

    /// What is due at this moment: superseded certificates, the CRL, the gateway's certificates.
    pub(crate) async fn upkeep(&self) -> Result<(), AuthorityError> {
        for revocation in self.office.store.certificate_supersede_due().await? {
            tracing::info!(serial = %revocation.serial, "former certificate revoked: its time is up");
        }
        self.crl_catch_up().await?;
        self.renew_leaves().await
    }

    /// Sees to it that the present CRL lists every revocation and is not past half its life.
    /// Gives its number.
    pub(crate) async fn crl_catch_up(&self) -> Result<u64, AuthorityError> {
        self.office.crl_catch_up().await
    }

    async fn renew_leaves(&self) -> Result<(), AuthorityError> {
        if self.office.fresh(&self.leaves.load()) {
            return Ok(());
        }
        let leaves = self.office.fresh_leaves().await?;
        tracing::info!("the gateway's own certificates were renewed");
        let (rsa, p256) = (Arc::clone(&leaves.rsa.identity), Arc::clone(&leaves.p256.identity));
        self.resolver.replace(rsa, p256);
        self.leaves.store(Arc::new(leaves));
        Ok(())
    }
}

async fn present_generation(
    store: &Store,
    clock: &dyn Clock,
    config: &Config,
) -> Result<CaGeneration, AuthorityError> {
    match store.ca_generation_list().await?.pop() {
        Some(generation) => Ok(generation),
        None => make_ca(store, Timestamp::from(clock.now()), config).await,
    }
}

async fn make_ca(
    store: &Store,
    now: Timestamp,
    config: &Config,
) -> Result<CaGeneration, AuthorityError> {
    let key_type = match config.ca.key_type {
        KeyType::Rsa => pki::KeyType::Rsa3072,
        KeyType::P256 => pki::KeyType::P256,
    };
    let lifetime = Duration::from_secs(u64::from(config.ca.validity_days) * DAY);
    let new = NewCa { key_type, serial: Serial::from_random(random::bytes()?), now, lifetime };
    let made = tokio::task::spawn_blocking(move || LocalSigner::create(&new)).await;
    let signer = made.unwrap_or(Err(pki::CaError::Key(pki::KeyError::GenerationFailed)))?;
    let ca = signer.ca();
    let new = NewCaGeneration {
        serial: ca.serial(),
        subject: format!("CN={}", ca.name()),
        not_before: ca.validity().not_before.unix_secs(),
        not_after: ca.validity().not_after.unix_secs(),
        der: ca.der().to_vec(),
        key: Some(Secret::new(signer.key().pkcs8().to_vec())),
    };
    Ok(store.ca_generation_add(&Actor::Gateway, new).await?)
}

async fn signer_of(
    store: &Store,
    generation: &CaGeneration,
) -> Result<Arc<dyn Signer>, AuthorityError> {
    let name = generation.key_name();
    let secret = store.secret_get(&name).await?;
    let secret = secret.ok_or(AuthorityError::KeyMissing { name })?;
    let key = PrivateKey::from_pkcs8(secret.expose())?;
    Ok(Arc::new(LocalSigner::new(&generation.der, key)?))
}

async fn tls_auth_key(store: &Store) -> Result<StaticKey, AuthorityError> {
    if let Some(secret) = store.secret_get(TLS_AUTH).await? {
        let bytes = secret.expose().try_into().map_err(|_| AuthorityError::TlsAuth)?;
        return Ok(StaticKey::from_bytes(bytes));
    }
    let bytes = Zeroizing::new(random::bytes::<{ StaticKey::LEN }>()?);
    store.secret_put(&Actor::Gateway, TLS_AUTH, Secret::new(bytes.to_vec())).await?;
    Ok(StaticKey::from_bytes(&bytes))
}

/// The secret with the key of the control channel.
const TLS_AUTH: &str = "tls-auth";
