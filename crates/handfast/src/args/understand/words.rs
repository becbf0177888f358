//! Names as typed, and what to say where one is none. Every subject uses them.

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use names::{CertificateName, NameError, RevocationReason, UserName};

use crate::args::typed::authority::Reason;

pub(super) fn user_name(name: String) -> Result<UserName, Failure> {
    if let Some((user, device)) = name.split_once('/') {
        let message = format!("{name:?} names a device, this command takes a user");
        return Err(Failure::new(FailureKind::Usage, message)
            .hint(format!("the user is {user:?}; for {device:?} see `handfast device --help`")));
    }
    UserName::new(&name).map_err(|error| bad_name(&name, &error))
}

pub(super) fn device_name(text: &str) -> Result<DeviceName, Failure> {
    DeviceName::parse(text).map_err(|error| bad_name(text, &error))
}

pub(super) fn certificate_name(text: &str) -> Result<CertificateName, Failure> {
    CertificateName::new(text).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("{text:?} can't be used as a name"))
            .caused_by(&error)
            .hint(error.hint())
            .hint("a device's certificate comes with its profile: `handfast profile USER/DEVICE`")
    })
}

pub(super) fn revoke_reason(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

fn bad_name(text: &str, error: &NameError) -> Failure {
    Failure::new(FailureKind::Usage, format!("{text:?} can't be used as a name"))
        .caused_by(error)
        .hint(error.hint())
        .hint("a device is named USER/DEVICE: alice/phone")
}
