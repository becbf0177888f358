//! Names as they were asked for, checked.

use admin::names::DeviceName;
use store::UserName;

use crate::error::GatewayError;

/// A user's name, checked.
pub(super) fn user_name(name: &str) -> Result<UserName, GatewayError> {
    UserName::new(name).map_err(|e| bad_name(name, e))
}

/// A device's full name, checked.
pub(super) fn device_names(
    name: &DeviceName,
) -> Result<(UserName, store::DeviceName), GatewayError> {
    let device = store::DeviceName::new(&name.device).map_err(|e| bad_name(&name.device, e))?;
    Ok((user_name(&name.user)?, device))
}

/// Both names of a device that is to be added: a certificate holds them as one common name.
pub(super) fn fits_a_certificate(user: &str, device: &str) -> Result<(), GatewayError> {
    if user.len() + 1 + device.len() <= LONGEST_COMMON_NAME {
        return Ok(());
    }
    let device = DeviceName { user: user.to_owned(), device: device.to_owned() };
    Err(GatewayError::LongName { device, longest: LONGEST_COMMON_NAME })
}

fn bad_name(name: &str, error: store::NameError) -> GatewayError {
    GatewayError::BadName { name: name.to_owned(), error }
}

/// ub-common-name of RFC 5280.
const LONGEST_COMMON_NAME: usize = 64;
