//! Certificate signing requests, of which only the public key is taken.
//!
//! What a request wishes for (names, usages, lifetimes) is read by nobody: the profile decides.

use std::error::Error;
use std::fmt;

use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::pem::PemError;
use crate::signature::{self, SignatureFault};
use crate::{KeyRefused, PublicKey};

/// A request whose sender proved to have the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csr {
    public_key: PublicKey,
}

impl Csr {
    /// Reads and checks a request in PEM text.
    pub fn from_pem(text: &str) -> Result<Self, CsrError> {
        let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
            .map_err(|error| CsrError::Pem(error.into()))?;
        Self::from_der(&der)
    }

    /// Reads and checks a request in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(CsrError::Malformed);
        };
        let info = &request.certification_request_info;
        let public_key = PublicKey::from_spki(info.subject_pki.raw).map_err(CsrError::Key)?;
        signature::verify(
            &request.signature_algorithm,
            public_key.spki(),
            info.raw,
            &request.signature_value,
        )
        .map_err(|fault| match fault {
            SignatureFault::Unsupported => CsrError::UnsupportedSignature,
            SignatureFault::Wrong => CsrError::KeyMismatch,
        })?;
        Ok(Self { public_key })
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// Why a request is not taken; always the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsrError {
    /// It cannot be read.
    Malformed,
    /// The text around it cannot be read.
    Pem(PemError),
    /// Its key cannot be certified.
    Key(KeyRefused),
    /// It is not signed by the key it names.
    KeyMismatch,
    /// It is signed in a way that cannot be checked.
    UnsupportedSignature,
}

impl fmt::Display for CsrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the request cannot be read; make it anew with `openssl req -new`",
            Self::Pem(error) => return write!(f, "the request: {error}"),
            Self::Key(error) => return write!(f, "the request: {error}"),
            Self::KeyMismatch => {
                "the request is not signed by the private key of the public key in it; \
                 make it anew with the right key"
            }
            Self::UnsupportedSignature => {
                "the request is signed in a way that cannot be checked; \
                 make it anew with SHA-256 or better"
            }
        })
    }
}

impl Error for CsrError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pem(error) => Some(error),
            Self::Key(error) => Some(error),
            _ => None,
        }
    }
}
