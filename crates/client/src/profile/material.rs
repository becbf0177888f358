//! Certificates and keys of a profile: from PEM text to values that belong together.
//!
//! Secrets are wiped when dropped.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pki::{IdentityError, Timestamp, certificates_from_pem, identity_from_pem};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use wire::static_key::StaticKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{ProfileError, ProfileErrorKind};
use crate::Warning;

/// Text from a block or a file, and the line that brought it.
pub(super) struct Material {
    pub(super) line: usize,
    pub(super) text: Zeroizing<String>,
}

/// Reads a file whole; sized at once, so that no secret stays behind in an outgrown buffer.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let mut text = Zeroizing::new(String::with_capacity(LARGEST as usize));
    let length = file.take(LARGEST).read_to_string(&mut text)?;
    if length as u64 == LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 128 KiB"));
    }
    Ok(text)
}

/// The text without the blanks and tabs that mail programs and editors put around lines.
pub(super) fn without_margins(text: &str) -> Zeroizing<String> {
    let mut clean = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.lines() {
        clean.push_str(line.trim());
        clean.push('\n');
    }
    clean
}

/// Whether other users of this machine may read a file.
pub(super) fn is_exposed(path: &Path) -> bool {
    let others = |data: std::fs::Metadata| data.is_file() && data.permissions().mode() & 0o077 != 0;
    std::fs::metadata(path).is_ok_and(others)
}

pub(super) fn authorities(
    file: &Path,
    ca: &Material,
) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    certificates_from_pem(&ca.text)
        .map_err(|error| ProfileError::new(file, Some(ca.line), ProfileErrorKind::BadCa(error)))
}

pub(super) fn identity(
    file: &Path,
    cert: &Material,
    key: &Material,
) -> Result<Arc<CertifiedKey>, ProfileError> {
    identity_from_pem(&cert.text, &key.text).map_err(|error| {
        let line = match error {
            IdentityError::Certificate(_) | IdentityError::UnreadableCertificate => cert.line,
            _ => key.line,
        };
        ProfileError::new(file, Some(line), ProfileErrorKind::BadIdentity(error))
    })
}

pub(super) fn static_key(file: &Path, key: &Material) -> Result<StaticKey, ProfileError> {
    StaticKey::parse(&key.text).map_err(|error| {
        let kind = ProfileErrorKind::BadStaticKey(error.to_string());
        ProfileError::new(file, Some(key.line), kind)
    })
}

/// From when to when the own certificate holds.
pub(super) struct Dates {
    from: Timestamp,
    until: Timestamp,
}

pub(super) fn dates(
    file: &Path,
    cert: &Material,
    identity: &CertifiedKey,
) -> Result<Dates, ProfileError> {
    let unreadable = || {
        let kind = ProfileErrorKind::BadIdentity(IdentityError::UnreadableCertificate);
        ProfileError::new(file, Some(cert.line), kind)
    };
    let leaf = identity.cert.first().ok_or_else(unreadable)?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unreadable())?;
    let moment = |secs: i64| Timestamp::from_unix_secs(u64::try_from(secs).unwrap_or(0));
    let validity = leaf.validity();
    Ok(Dates {
        from: moment(validity.not_before.timestamp()),
        until: moment(validity.not_after.timestamp()),
    })
}

impl Dates {
    /// What this machine's clock says to them.
    pub(super) fn check(&self, now: Timestamp) -> Option<Warning> {
        if self.until < now {
            return Some(Warning::Expired { at: self.until, now });
        }
        if now < self.from {
            return Some(Warning::NotYetValid { from: self.from, now });
        }
        let soon = self.until < now.after(SOON);
        soon.then_some(Warning::ExpiresSoon { at: self.until })
    }
}

const LARGEST: u64 = 128 * 1024;
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
