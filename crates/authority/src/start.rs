//! The issuers as they are recorded, with what a first start makes: the first CA.
//!
//! Each step looks whether its result is recorded and makes it if not, in one transaction; so a
//! first start that was killed in the middle goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{KeyType, LocalSigner, NewCa, PrivateKey, Serial, Signer as _, Timestamp};
use store::{Actor, CaGeneration, CaGenerationId, NewCaGeneration, Secret, Store};
use tokio::sync::Mutex;

use crate::error::AuthorityError;
use crate::issuance::{DAY, Issuance};
use crate::issuer::{Issuer, Issuers, Signs};
use crate::random;
use crate::settings::Settings;

/// Over these records. A CA is made where there is none.
pub(crate) async fn issuance(
    store: Store,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> Result<Issuance, AuthorityError> {
    let now = Timestamp::from(clock.now());
    let mut generations = store.ca_generation_list().await?;
    if generations.is_empty() {
        generations.push(make_ca(&store, &Actor::Gateway, now, NewIssuer::of(&settings)).await?);
    }
    let mut all = Vec::new();
    for generation in generations {
        all.push(Arc::new(issuer(&store, generation).await?));
    }
    let devices = role(&store, Signs::Devices).await?;
    let gateway = role(&store, Signs::Gateway).await?;
    let issuers = ArcSwap::from_pointee(Issuers::new(all, devices, gateway)?);
    let settings = ArcSwap::from_pointee(settings);
    let (issuing, signing) = (Mutex::new(()), Mutex::new(()));
    Ok(Issuance { store, clock, issuers, settings, issuing, signing })
}

/// What a CA that is made here is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewIssuer {
    /// Its kind of key.
    pub key: KeyType,
    /// How long it lives.
    pub days: u32,
}

impl NewIssuer {
    fn of(settings: &Settings) -> Self {
        Self { key: settings.ca_key, days: settings.ca_days }
    }
}

/// Makes a CA and records it with its key.
pub(crate) async fn make_ca(
    store: &Store,
    actor: &Actor,
    now: Timestamp,
    new: NewIssuer,
) -> Result<CaGeneration, AuthorityError> {
    let lifetime = Duration::from_secs(u64::from(new.days) * DAY);
    let (key_type, serial) = (new.key, Serial::from_random(random::bytes()?));
    let new = NewCa { key_type, serial, now, lifetime };
    let made = tokio::task::spawn_blocking(move || LocalSigner::create(&new)).await;
    let signer = made.unwrap_or(Err(pki::CaError::Key(pki::KeyError::GenerationFailed)))?;
    let ca = signer.ca();
    let new = NewCaGeneration {
        issuer: ca.issuer_id(),
        serial: ca.serial(),
        subject: format!("CN={}", ca.name()),
        not_before: ca.validity().not_before,
        not_after: ca.validity().not_after,
        der: ca.der().to_vec(),
        key: Some(Secret::new(signer.key().pkcs8().to_vec())),
    };
    Ok(store.ca_generation_add(actor, new).await?.value)
}

/// The CA of this row. One whose key is elsewhere is trusted and signs nothing here.
pub(crate) async fn issuer(
    store: &Store,
    generation: CaGeneration,
) -> Result<Issuer, AuthorityError> {
    let Some(secret) = store.secret_get(&generation.key_name()).await? else {
        return Issuer::new(generation, None);
    };
    let key = PrivateKey::from_pkcs8(secret.expose())?;
    let signer = LocalSigner::new(&generation.der, key)?;
    Issuer::new(generation, Some(Arc::new(signer)))
}

/// Which CA was chosen to sign these certificates, if any was.
async fn role(store: &Store, what: Signs) -> Result<Option<CaGenerationId>, AuthorityError> {
    let setting = what.setting();
    let Some(text) = store.setting_get(setting).await? else { return Ok(None) };
    let number: i64 = text.parse().map_err(|_| AuthorityError::BadRole { setting })?;
    let known = store.ca_generation_list().await?;
    let found = known.iter().map(|generation| generation.id).find(|id| id.get() == number);
    found.map(Some).ok_or(AuthorityError::BadRole { setting })
}
