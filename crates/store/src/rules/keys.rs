//! Keys: whether one may be certified for this holder.
//!
//! A key stands for one holder. One that was revoked as compromised is in other hands, whoever asks; one
//! that belongs to another device, to the gateway or to a server would let its owner pose as both.

use pki::KeyId;

use crate::backend::Lookup;
use crate::error::{Refused, StoreError};
use crate::records::{Certificate, Holder};

/// Whether a certificate for `key` may be issued to `holder`; to one that is to be added, where there is
/// none.
///
/// # Errors
/// Whose it is.
pub(crate) fn check_key(
    lookup: &dyn Lookup,
    key: &KeyId,
    holder: Option<&Holder>,
) -> Result<(), StoreError> {
    let known = lookup.certificates_with_key(key)?;
    for former in &known {
        if let Some(revocation) = former.revocation.filter(|r| r.reason.is_compromise()) {
            let whose = whose(lookup, former)?;
            return Err(Refused::KeyCompromised { whose, at: revocation.at }.into());
        }
    }
    for other in known.iter().filter(|other| Some(&other.holder) != holder) {
        if is_there(lookup, &other.holder)? {
            return Err(Refused::KeyOfAnother { whose: whose(lookup, other)? }.into());
        }
    }
    Ok(())
}

/// A device that was removed owns nothing.
fn is_there(lookup: &dyn Lookup, holder: &Holder) -> Result<bool, StoreError> {
    match holder {
        Holder::Device(id) => Ok(lookup.device_by_id(*id)?.is_some()),
        Holder::Gateway | Holder::Other(_) => Ok(true),
    }
}

/// By its present name, or by that of the time where it was removed.
fn whose(lookup: &dyn Lookup, certificate: &Certificate) -> Result<String, StoreError> {
    let device = match &certificate.holder {
        Holder::Gateway => return Ok("the gateway".to_owned()),
        Holder::Other(name) => return Ok(name.clone()),
        Holder::Device(id) => lookup.device_by_id(*id)?,
    };
    Ok(match device {
        Some(device) => format!("{}/{}", device.user_name, device.name),
        None => certificate.subject.trim_start_matches("CN=").to_owned(),
    })
}
