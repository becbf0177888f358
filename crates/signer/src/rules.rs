//! What may be signed at all: the profiles' bounds on time and size.
//!
//! What a certificate of a profile holds is `pki`'s; here is what an asker may choose. Invariant: nothing is
//! signed that begins or speaks of another time than the signer's own clock shows, so that whoever had the
//! socket for an hour has nothing that begins later.

use std::time::Duration;

use pki::{
    CLOCK_SKEW, CertificateRequest, CrlRequest, CrossRequest, OCSP_SIGNER_LIFETIME, Profile,
    SignError, Timestamp,
};

/// Whether a certificate may be signed at this moment, whoever asks.
pub(crate) fn certificate(request: &CertificateRequest, now: Timestamp) -> Result<(), SignError> {
    let (begins, ends) = (request.validity.not_before, request.validity.not_after);
    // It may reach back before the moment of issue, or be cut to a CA that is younger than that.
    if begins > now.after(TOLERANCE) || begins < now.before(CLOCK_SKEW + TOLERANCE) {
        return Err(SignError::NotNow);
    }
    let days = most_days(&request.profile);
    if ends > now.after(DAY * days + TOLERANCE) {
        return Err(SignError::TooLong { days: days.into() });
    }
    size(request)
}

/// Whether a CA may vouch for another at this moment, as far as time and size go: until which of both ends first.
pub(crate) fn cross(request: &CrossRequest, now: Timestamp) -> Result<(), SignError> {
    if request.publishing.urls().any(|url| url.len() > LONGEST_URL) {
        return Err(SignError::TooMuch);
    }
    match request.validity.not_before > now.after(TOLERANCE) {
        true => Err(SignError::NotNow),
        false => Ok(()),
    }
}

/// Whether a list may be signed at this moment, as far as its times go.
pub(crate) fn crl(request: &CrlRequest, now: Timestamp) -> Result<(), SignError> {
    let at = request.this_update;
    if at > now.after(TOLERANCE) || at < now.before(TOLERANCE) {
        return Err(SignError::NotNow);
    }
    match request.next_update > now.after(DAY * CRL_DAYS + TOLERANCE) {
        true => Err(SignError::TooLong { days: CRL_DAYS.into() }),
        false => Ok(()),
    }
}

fn most_days(profile: &Profile) -> u32 {
    match profile {
        Profile::Gateway { .. } => GATEWAY_DAYS,
        Profile::Device { .. }
        | Profile::Server { .. }
        | Profile::Client { .. }
        | Profile::Peer { .. } => LEAF_DAYS,
        Profile::OcspSigner { .. } => OCSP_DAYS,
    }
}

fn size(request: &CertificateRequest) -> Result<(), SignError> {
    let names: &[String] = match &request.profile {
        Profile::Gateway { names } | Profile::Server { names } | Profile::Peer { names } => names,
        Profile::Device { .. } | Profile::Client { .. } | Profile::OcspSigner { .. } => &[],
    };
    let mut urls = request.publishing.urls();
    let fits = names.len() <= MOST_NAMES && urls.all(|url| url.len() <= LONGEST_URL);
    if fits { Ok(()) } else { Err(SignError::TooMuch) }
}

const DAY: Duration = Duration::from_secs(86_400);
/// The asker's clock is the same machine's, and may be set between its look and ours.
const TOLERANCE: Duration = DAY;
/// As much as the settings allow.
const GATEWAY_DAYS: u32 = 825;
const LEAF_DAYS: u32 = 3650;
const CRL_DAYS: u32 = 365;
const OCSP_DAYS: u32 = (OCSP_SIGNER_LIFETIME.as_secs() / DAY.as_secs()) as u32;
const MOST_NAMES: usize = 256;
const LONGEST_URL: usize = 1024;
