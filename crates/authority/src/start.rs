//! The issuers as they are recorded, with what a first start makes: the first CA.
//!
//! Each step looks whether its result is recorded and makes it if not, in one transaction; so a
//! first start that was killed in the middle goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{CaCertificate, KeyType, Serial};
use signer::Line;
use signer::protocol::CaWish;
use store::{Actor, CaGeneration, CaGenerationId, NewCaGeneration, Store};
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
    line: Arc<Line>,
    settings: Settings,
) -> Result<Issuance, AuthorityError> {
    let mut generations = store.ca_generation_list().await?;
    if generations.is_empty() {
        generations.push(first_ca(&store, &line, NewIssuer::of(&settings)).await?);
    }
    let issuers = generations.into_iter().map(|row| issuer(&line, row).map(Arc::new));
    let all = issuers.collect::<Result<_, _>>()?;
    let devices = role(&store, Signs::Devices).await?;
    let gateway = role(&store, Signs::Gateway).await?;
    let issuers = ArcSwap::from_pointee(Issuers::new(all, devices, gateway)?);
    let settings = ArcSwap::from_pointee(settings);
    let (issuing, signing) = (Mutex::new(()), Mutex::new(()));
    Ok(Issuance { store, clock, line, issuers, settings, issuing, signing })
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

/// The first CA. A start that was killed may have made it and not recorded it.
async fn first_ca(
    store: &Store,
    line: &Arc<Line>,
    new: NewIssuer,
) -> Result<CaGeneration, AuthorityError> {
    match line.cas().await?.first() {
        Some(made) => record(store, &Actor::Gateway, made).await,
        None => make_ca(store, line, &Actor::Gateway, new).await,
    }
}

/// Has a CA made and records it. Its key stays with the signer.
pub(crate) async fn make_ca(
    store: &Store,
    line: &Arc<Line>,
    actor: &Actor,
    new: NewIssuer,
) -> Result<CaGeneration, AuthorityError> {
    let lifetime = Duration::from_secs(u64::from(new.days) * DAY);
    let serial = Serial::from_random(random::bytes()?);
    let made = line.make_ca(CaWish { key_type: new.key, serial, lifetime }).await?;
    record(store, actor, &made).await
}

async fn record(
    store: &Store,
    actor: &Actor,
    ca: &CaCertificate,
) -> Result<CaGeneration, AuthorityError> {
    let new = NewCaGeneration {
        issuer: ca.issuer_id(),
        serial: ca.serial(),
        subject: format!("CN={}", ca.name()),
        not_before: ca.validity().not_before,
        not_after: ca.validity().not_after,
        der: ca.der().to_vec(),
        key: None,
    };
    Ok(store.ca_generation_add(actor, new).await?.value)
}

/// The CA of this row. One whose key is elsewhere is trusted and signs nothing here.
pub(crate) fn issuer(line: &Arc<Line>, generation: CaGeneration) -> Result<Issuer, AuthorityError> {
    let signer = line.signer(&CaCertificate::from_der(&generation.der)?);
    Issuer::new(generation, signer)
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
