//! The one place where errors of the store become failures that a person reads.

use store::StoreError;

use crate::admin::failure::{Failure, FailureKind};
use crate::config::ConfigError;
use crate::data::DataError;

/// A store's refusal, with the kind that fixes the exit code.
pub(crate) fn from_store(error: &StoreError) -> Failure {
    use StoreError as E;
    let kind = match error {
        E::UserUnknown(_)
        | E::DeviceUnknown(..)
        | E::DeviceGone
        | E::CertificateUnknown(_)
        | E::CaGenerationUnknown(_)
        | E::Absent(_) => FailureKind::NotFound,
        E::UserExists(_)
        | E::DeviceExists(..)
        | E::CertificateExists(_)
        | E::CertificateRevoked { .. }
        | E::AddressesUsedUp { .. } => FailureKind::Conflict,
        E::Owned { .. } | E::Busy(_) => FailureKind::Busy,
        E::DiskFull(_) | E::ReadOnly(_) | E::File { .. } => FailureKind::Environment,
        _ => FailureKind::Failed,
    };
    let mut failure = sentence(kind, &error.to_string());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        failure = failure.because(error.to_string());
        cause = error.source();
    }
    failure
}

/// The store's sentences are of the form "the misdeed; what to do".
fn sentence(kind: FailureKind, text: &str) -> Failure {
    match text.split_once("; ") {
        Some((message, hint)) => Failure::new(kind, message).hint(hint),
        None => Failure::new(kind, text),
    }
}

/// The data folder's refusal.
pub(crate) fn from_data(error: &DataError) -> Failure {
    let kind = match error {
        DataError::Busy { .. } => FailureKind::Busy,
        DataError::WrongOwner { .. } => FailureKind::Forbidden,
        DataError::Folder { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            FailureKind::Forbidden
        }
        _ => FailureKind::Environment,
    };
    let failure = Failure::new(kind, error.to_string()).hint(error.hint());
    match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

/// The settings' refusal.
pub(crate) fn from_config(error: &ConfigError) -> Failure {
    let failure = Failure::new(FailureKind::Configuration, error.to_string());
    match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}
