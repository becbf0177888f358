//! The issuers as they are recorded, with what a first start makes: the first CA.
//!
//! Each step looks whether its result is recorded and makes it if not, in one transaction; so a
//! first start that was killed in the middle goes on where it was.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;
use pki::{
    CLOCK_SKEW, CaCertificate, KeyType, NameConstraints, Serial, SignError, Signer, Timestamp,
};
use signer::Line;
use signer::protocol::CaWish;
use store::{Actor, CaGeneration, CaGenerationId, NewCaGeneration, RolloverState, Store};
use tokio::sync::Mutex;

use crate::describe;
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
        plausible(clock.now().into())?;
        generations.push(first_ca(&store, &line, NewIssuer::of(&settings)).await?);
    }
    let state = store.rollover().await?;
    let issuers = generations.into_iter().map(|row| issuer(&line, row));
    let all = issuers.map(|issuer| issuer.map(|issuer| Arc::new(retired(issuer, &state))));
    let all = all.collect::<Result<_, _>>()?;
    let devices = role(&store, Signs::Devices).await?;
    let gateway = role(&store, Signs::Gateway).await?;
    let issuers = Issuers::new(all, devices, gateway)?.with_former(state.former);
    let issuers = ArcSwap::from_pointee(issuers);
    let settings = ArcSwap::from_pointee(settings);
    let [issuing, making, signing] = [(); 3].map(Mutex::new);
    Ok(Issuance { store, clock, line, issuers, settings, issuing, making, signing })
}

/// What a CA that is made here is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssuer {
    /// Its kind of key.
    pub key: KeyType,
    /// How long it lives.
    pub days: u32,
    /// Which names it may certify.
    pub names: NameConstraints,
}

impl NewIssuer {
    pub(crate) fn of(settings: &Settings) -> Self {
        let names = settings.ca_names.clone();
        Self { key: settings.ca_key, days: settings.ca_days, names }
    }
}

/// Whether a CA may be made at this moment, as far as the clock can be trusted.
pub(crate) fn plausible(now: Timestamp) -> Result<(), AuthorityError> {
    if now < EARLIEST { Err(AuthorityError::Clock { now }) } else { Ok(()) }
}

/// The first CA. A start that was killed may have made it and not recorded it; one that signed a list was recorded.
async fn first_ca(
    store: &Store,
    line: &Arc<Line>,
    new: NewIssuer,
) -> Result<CaGeneration, AuthorityError> {
    if line.has_signed_lists() {
        return Err(AuthorityError::RecordsLost);
    }
    match line.cas().await?.first() {
        Some(made) => Ok(store.ca_generation_add(&Actor::Gateway, to_record(made)).await?.value),
        None => make_ca(store, line, &Actor::Gateway, new).await,
    }
}

fn retired(issuer: Issuer, state: &RolloverState) -> Issuer {
    match state.retired.contains(&issuer.generation().id) {
        true => issuer.retire(),
        false => issuer,
    }
}

/// Has a CA made and records it. Its key stays with the signer.
async fn make_ca(
    store: &Store,
    line: &Arc<Line>,
    actor: &Actor,
    new: NewIssuer,
) -> Result<CaGeneration, AuthorityError> {
    let (_, new) = new_ca(line, new).await?;
    Ok(store.ca_generation_add(actor, new).await?.value)
}

/// Has a CA made that the records don't know of yet. Its key stays with the signer.
pub(crate) async fn new_ca(
    line: &Arc<Line>,
    new: NewIssuer,
) -> Result<(Arc<dyn Signer>, NewCaGeneration), AuthorityError> {
    let lifetime = DAY * new.days;
    let serial = Serial::from_random(random::bytes()?);
    let made =
        line.make_ca(CaWish { key_type: new.key, serial, lifetime, names: new.names }).await?;
    with_signer(line, &made)
}

/// One that was made lately and not recorded, as the process ended in between.
pub(crate) async fn left_over(
    store: &Store,
    line: &Arc<Line>,
    new: &NewIssuer,
    now: Timestamp,
) -> Result<Option<(Arc<dyn Signer>, NewCaGeneration)>, AuthorityError> {
    let known: Vec<_> = store.ca_generation_list().await?.iter().map(|g| g.issuer).collect();
    let lately = now.before(CLOCK_SKEW + DAY);
    let fits = |ca: &CaCertificate| {
        !known.contains(&ca.issuer_id())
            && ca.validity().not_before >= lately
            && describe::key_type(ca.der()) == new.key.name()
            && ca.constraints() == new.names
    };
    let found = line.cas().await?.into_iter().find(fits);
    found.map(|ca| with_signer(line, &ca)).transpose()
}

fn with_signer(
    line: &Arc<Line>,
    ca: &CaCertificate,
) -> Result<(Arc<dyn Signer>, NewCaGeneration), AuthorityError> {
    let signer = line.signer(ca).ok_or(AuthorityError::Sign(SignError::NoSuchCa))?;
    Ok((signer, to_record(ca)))
}

fn to_record(ca: &CaCertificate) -> NewCaGeneration {
    NewCaGeneration {
        issuer: ca.issuer_id(),
        serial: ca.serial(),
        subject: format!("CN={}", ca.name()),
        not_before: ca.validity().not_before,
        not_after: ca.validity().not_after,
        der: ca.der().to_vec(),
        key: None,
    }
}

/// No machine on which this runs is set right before 2024.
const EARLIEST: Timestamp = Timestamp::from_unix_secs(1_704_067_200);

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
