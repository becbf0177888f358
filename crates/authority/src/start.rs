//! The issuer, with what a first start makes: the CA.
//!
//! Each step looks whether its result is recorded and makes it if not, in one transaction; so a
//! first start that was killed in the middle goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{LocalSigner, NewCa, PrivateKey, Serial, Signer, Timestamp};
use store::{Actor, CaGeneration, NewCaGeneration, Secret, Store};
use tokio::sync::Mutex;

use crate::error::AuthorityError;
use crate::issuer::{DAY, Issuer};
use crate::random;
use crate::settings::Settings;

/// Over these records. A CA is made where there is none.
pub(crate) async fn issuer(
    store: Store,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> Result<Issuer, AuthorityError> {
    let generation = present_generation(&store, &*clock, &settings).await?;
    let signer = signer_of(&store, &generation).await?;
    let settings = ArcSwap::from_pointee(settings);
    let (issuing, signing) = (Mutex::new(()), Mutex::new(()));
    Ok(Issuer { store, clock, signer, generation, settings, issuing, signing })
}

async fn present_generation(
    store: &Store,
    clock: &dyn Clock,
    settings: &Settings,
) -> Result<CaGeneration, AuthorityError> {
    match store.ca_generation_list().await?.pop() {
        Some(generation) => Ok(generation),
        None => make_ca(store, Timestamp::from(clock.now()), settings).await,
    }
}

async fn make_ca(
    store: &Store,
    now: Timestamp,
    settings: &Settings,
) -> Result<CaGeneration, AuthorityError> {
    let lifetime = Duration::from_secs(u64::from(settings.ca_days) * DAY);
    let (key_type, serial) = (settings.ca_key, Serial::from_random(random::bytes()?));
    let new = NewCa { key_type, serial, now, lifetime };
    let made = tokio::task::spawn_blocking(move || LocalSigner::create(&new)).await;
    let signer = made.unwrap_or(Err(pki::CaError::Key(pki::KeyError::GenerationFailed)))?;
    let ca = signer.ca();
    let new = NewCaGeneration {
        issuer: ca.issuer_id(),
        serial: ca.serial(),
        subject: format!("CN={}", ca.name()),
        not_before: ca.validity().not_before.unix_secs(),
        not_after: ca.validity().not_after.unix_secs(),
        der: ca.der().to_vec(),
        key: Some(Secret::new(signer.key().pkcs8().to_vec())),
    };
    Ok(store.ca_generation_add(&Actor::Gateway, new).await?.value)
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
