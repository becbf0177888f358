//! What a device shows of itself to a server that asks.

use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::Request;
use admin::response::Response;
use client::Profile;
use clock::SystemClock;
use rustls::sign::CertifiedKey;

use super::super::ask;
use super::super::output::unexpected;

/// By its profile. A device's name is understood and has no key here: a gateway keeps none.
pub(in crate::run) fn identity_of(typed: &Path, data: &Path) -> Result<Arc<CertifiedKey>, Failure> {
    if !typed.exists() {
        return Err(match device(typed) {
            Some(device) => without_key(device, data),
            None => neither(typed),
        });
    }
    let profile = Profile::load(typed, &SystemClock)
        .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
    Ok(profile.identity)
}

/// A profile that is not there is no device of that name.
fn device(typed: &Path) -> Option<DeviceName> {
    let is_file = typed.extension().is_some_and(|end| end == "ovpn");
    typed.to_str().filter(|_| !is_file).and_then(|text| DeviceName::parse(text).ok())
}

fn without_key(device: DeviceName, data: &Path) -> Failure {
    let known = match ask::ask(data, Request::DeviceShow { device: device.clone() }) {
        Ok(Response::Device(known)) => known,
        Ok(_) => return unexpected(),
        Err(failure) => return failure.hint(BOTH_FORMS),
    };
    let failure = |what: String| Failure::new(FailureKind::Conflict, what).hint(FILE);
    if known.certificates.is_empty() {
        return failure(format!("{device} has no key yet"))
            .hint(format!("make its profile first: `handfast profile {device}`"));
    }
    failure(format!("the private key of {device} is not kept here"))
        .because("a device's key goes into its profile, and stays nowhere else")
        .hint(format!(
            "or make another key, with a new profile: `handfast profile {device} --renew`"
        ))
}

fn neither(typed: &Path) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no file {}", typed.display()))
        .hint(BOTH_FORMS)
}

const FILE: &str = "name the profile that the key is in: `--as FILE.ovpn`";
const BOTH_FORMS: &str =
    "`--as FILE.ovpn` is a profile with its key; `--as USER/DEVICE` a device of the gateway here";
