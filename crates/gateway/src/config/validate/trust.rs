//! What has to hold of a service that is reached over TLS, and what it is shown, wherever the settings say it.

use std::path::Path;

use front::Trust;

use super::{Finding, refuse_at};

/// The first contradiction.
pub(super) fn consistent(
    trust: &Trust,
    path: &'static [&'static str],
    at: usize,
) -> Result<(), Finding> {
    if trust.certificate.is_some() != trust.key.is_some() {
        let message = "a certificate needs its key; write both `certificate` and `key`, or none";
        return refuse_at(path, at, message.to_owned());
    }
    let named = [&trust.ca, &trust.certificate, &trust.key].into_iter().flatten();
    let mut odd = named.filter(|file| !Path::is_absolute(file));
    match odd.next() {
        None => Ok(()),
        Some(file) => {
            let message = format!("{} is no whole path; write it from / on", file.display());
            refuse_at(path, at, message)
        }
    }
}
