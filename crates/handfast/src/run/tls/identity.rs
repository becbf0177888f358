//! What a device shows of itself to a server that asks.

use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::Profile;
use clock::SystemClock;
use rustls::sign::CertifiedKey;

/// By its profile.
pub(in crate::run) fn identity_of(profile: &Path) -> Result<Arc<CertifiedKey>, Failure> {
    let profile = Profile::load(profile, &SystemClock)
        .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
    Ok(profile.identity)
}
