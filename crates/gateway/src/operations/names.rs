//! Whether a device that is to be added can have a certificate.

use admin::names::DeviceName;

use crate::error::GatewayError;

/// A certificate holds both names as one common name.
pub(super) fn fits_a_certificate(name: &DeviceName) -> Result<(), GatewayError> {
    if name.to_string().len() <= LONGEST_COMMON_NAME {
        return Ok(());
    }
    Err(GatewayError::LongName { device: name.clone(), longest: LONGEST_COMMON_NAME })
}

/// ub-common-name of RFC 5280.
const LONGEST_COMMON_NAME: usize = 64;
