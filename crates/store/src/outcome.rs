//! What came of a change, read from its events and from nothing else.

use crate::change::{Committed, Made};
use crate::error::{Fault, StoreError};
use crate::event::{Event, EventKind};
use crate::payload::{
    self, AddedGeneration, DevicePayload, RecordedPayload, RevokedPayload, UserPayload,
};
use crate::records::{
    CaGeneration, Certificate, Connected, Device, DeviceDetail, NewCaGeneration, NewCertificate,
    Revocation, User, UserDetail,
};

/// The events are all there is to say.
pub(crate) fn nothing_more(made: Made) -> Committed<()> {
    with((), made)
}

pub(crate) fn ca_generation(
    new: NewCaGeneration,
    made: Made,
) -> Result<Committed<CaGeneration>, StoreError> {
    let event = last(&made.events, &EventKind::CA_GENERATION_ADDED)?;
    let AddedGeneration { id } = read(event)?;
    let value = CaGeneration::added(id, new, event.second());
    Ok(with(value, made))
}

/// A user that was added, with its first device.
pub(crate) fn user(made: Made) -> Result<Committed<UserDetail>, StoreError> {
    let event = last(&made.events, &EventKind::USER_ADDED)?;
    let UserPayload { user, user_id } = read(event)?;
    let user = User { id: user_id, name: user, disabled_at: None, added_at: event.second() };
    let devices = of_kind(&made.events, &EventKind::DEVICE_ADDED)
        .map(|event| Ok(DeviceDetail { device: added_device(event)?, certificates: Vec::new() }))
        .collect::<Result<_, StoreError>>()?;
    Ok(with(UserDetail { user, devices }, made))
}

pub(crate) fn device(made: Made) -> Result<Committed<Device>, StoreError> {
    let value = added_device(last(&made.events, &EventKind::DEVICE_ADDED)?)?;
    Ok(with(value, made))
}

pub(crate) fn certificate(
    new: NewCertificate,
    made: Made,
) -> Result<Committed<Certificate>, StoreError> {
    let event = last(&made.events, &EventKind::CERTIFICATE_RECORDED)?;
    let RecordedPayload { certificate, sha256, .. } = read(event)?;
    let value = Certificate {
        id: certificate.id,
        fingerprint: sha256,
        holder: new.holder,
        subject: new.subject,
        not_before: new.not_before,
        not_after: new.not_after,
        issued_by: new.issued_by,
        recorded_at: event.second(),
        connected_at: None,
        superseded_by: None,
        supersede_at: None,
        revocation: None,
        public_key: new.public_key,
        der: new.der,
    };
    Ok(with(value, made))
}

pub(crate) fn revocation(made: Made) -> Result<Committed<Revocation>, StoreError> {
    let value = revoked(last(&made.events, &EventKind::CERTIFICATE_REVOKED)?)?;
    Ok(with(value, made))
}

pub(crate) fn revocations(made: Made) -> Result<Committed<Vec<Revocation>>, StoreError> {
    let value = all_revoked(&made.events)?;
    Ok(with(value, made))
}

pub(crate) fn connected(made: Made) -> Result<Committed<Connected>, StoreError> {
    let first = of_kind(&made.events, &EventKind::CERTIFICATE_CONNECTED).next().is_some();
    let value = Connected { first, revoked: all_revoked(&made.events)? };
    Ok(with(value, made))
}

fn with<T>(value: T, made: Made) -> Committed<T> {
    Committed { value, events: made.events, on_disk: made.on_disk }
}

fn added_device(event: &Event) -> Result<Device, StoreError> {
    Ok(read::<DevicePayload>(event)?.into_device(event.second()))
}

fn all_revoked(events: &[Event]) -> Result<Vec<Revocation>, StoreError> {
    of_kind(events, &EventKind::CERTIFICATE_REVOKED).map(revoked).collect()
}

fn revoked(event: &Event) -> Result<Revocation, StoreError> {
    let RevokedPayload { certificate, reason, since } = read(event)?;
    let (id, issued_by) = (certificate.id, certificate.issued_by);
    let at = since.unwrap_or(event.second());
    Ok(Revocation { id, issued_by, at, reason, event: event.id })
}

fn of_kind<'a>(events: &'a [Event], kind: &'a EventKind) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |event| event.kind == *kind)
}

fn last<'a>(events: &'a [Event], kind: &EventKind) -> Result<&'a Event, StoreError> {
    events.iter().rfind(|event| event.kind == *kind).ok_or(UNANSWERED.into())
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T, StoreError> {
    payload::of(event).ok_or(UNANSWERED.into())
}

/// A backend that commits a change and tells something else of it.
const UNANSWERED: Fault = Fault::Unreadable { what: "answer to a change" };
