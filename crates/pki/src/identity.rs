//! A certificate chain and its key as TLS takes them, after a look at whether they belong together.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroize;

use crate::PrivateKey;
use crate::pem::{PemError, certificates_from_pem, is_encrypted};

/// A chain and its private key from PEM text, after a look at whether they belong together. The
/// key may be PKCS#8, PKCS#1 or SEC1.
pub fn identity_from_pem(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, IdentityError> {
    let chain = certificates_from_pem(chain).map_err(IdentityError::Certificate)?;
    if is_encrypted(key) {
        return Err(IdentityError::EncryptedKey);
    }
    let mut key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| IdentityError::Key(error.into()))?;
    let identity = assemble(chain, &key);
    key.zeroize();
    identity
}

/// A chain and the key generated for it, ready for TLS.
pub fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKey,
) -> Result<Arc<CertifiedKey>, IdentityError> {
    assemble(chain, &PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8())))
}

fn assemble(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<CertifiedKey>, IdentityError> {
    let key = any_supported_type(key).map_err(|_| IdentityError::UnsupportedKey)?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) => Ok(Arc::new(identity)),
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(IdentityError::KeyMismatch)
        }
        Err(_) => Err(IdentityError::UnreadableCertificate),
    }
}

/// Why a certificate and a key do not make an identity; always the fault of who put them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The certificate's text cannot be read.
    Certificate(PemError),
    /// The certificate inside the text cannot be read.
    UnreadableCertificate,
    /// The key's text cannot be read.
    Key(PemError),
    /// The key is locked by a passphrase.
    EncryptedKey,
    /// The key is of another kind than RSA, P-256, P-384, P-521 and Ed25519, or damaged.
    UnsupportedKey,
    /// The key is not the certificate's.
    KeyMismatch,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "the certificate: {error}"),
            Self::UnreadableCertificate => {
                f.write_str("the certificate cannot be read; fetch a new profile")
            }
            Self::Key(error) => write!(f, "the private key: {error}"),
            Self::EncryptedKey => f.write_str(
                "the private key is locked by a passphrase; unlock it with `openssl pkey`",
            ),
            Self::UnsupportedKey => {
                f.write_str("the private key is damaged or of a kind that is not supported")
            }
            Self::KeyMismatch => f.write_str(
                "the private key does not belong to the certificate; \
                 put the key beside the certificate that was issued for it",
            ),
        }
    }
}

impl Error for IdentityError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Certificate(error) | Self::Key(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem::encode;

    #[test]
    fn a_locked_key_is_told_from_a_damaged_one() {
        let chain = encode("CERTIFICATE", b"any");
        let key = encode("ENCRYPTED PRIVATE KEY", b"any");
        assert_eq!(identity_from_pem(&chain, &key).err(), Some(IdentityError::EncryptedKey));
    }
}
