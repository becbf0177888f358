//! One CA vouches for another: what such a certificate holds.

use rcgen::CertificateParams;
use serde::{Deserialize, Serialize};

use crate::profile::{Publishing, Validity, ca_params};
use crate::sign_error::SignError;
use crate::{CaCertificate, Serial};

/// A certificate in which one CA vouches for another: who trusts the first comes to trust the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossRequest {
    /// Its serial number.
    pub serial: Serial,
    /// The other CA's own certificate, in DER.
    pub other: Vec<u8>,
    /// When it holds; cut to both CAs' own time by the signer.
    pub validity: Validity,
    /// Where its standing is published.
    pub publishing: Publishing,
}

/// The certificate in which a CA vouches for another, in rcgen's words: its own certificate's profile, and where
/// to ask about it.
pub(crate) fn cross_params(
    request: &CrossRequest,
    other: &CaCertificate,
    signer: Validity,
) -> Result<CertificateParams, SignError> {
    let validity = request.validity.within(signer).within(other.validity());
    if validity.not_before >= validity.not_after {
        return Err(SignError::EmptyValidity);
    }
    let mut params = ca_params(request.serial, other.name(), other.key_id(), validity);
    other.constraints().write(&mut params);
    params.use_authority_key_identifier_extension = true;
    request.publishing.write(&mut params)?;
    Ok(params)
}
