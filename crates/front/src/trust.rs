//! What has to hold of a service that is reached over TLS, and what it is shown of us, as the settings write it.
//!
//! Files are read when the settings are put in force; a reload reads them again.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::Clock;
use pki::{Fingerprint, IdentityError, identity_from_pem};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use uplink::{Pin, Revocation, Target, Uplink};
use zeroize::Zeroizing;

/// What has to hold of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// The name in its certificate, where that is not the one by which it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The CAs that may vouch for it, in PEM; the gateway's own, where no file is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The one key that it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// The certificate that it is shown when it asks for one, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// What is done about a certificate of its that may have been revoked.
    pub revocation: Revocation,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Ready for use.
    pub settings: uplink::Settings,
    /// What of it stood in files: another one, and they were changed.
    pub files: Fingerprint,
}

/// Why it can't be used.
#[derive(Debug)]
pub enum TrustError {
    /// A file can't be read.
    Unreadable(PathBuf, io::Error),
    /// There is no certificate in it.
    NoCertificate(PathBuf),
    /// Certificate and key are of no use together.
    Identity(PathBuf, IdentityError),
    /// One is named without the other.
    Half,
    /// The name is none.
    NoName(String),
}

impl Trust {
    /// Whether nothing is asked but what always is.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the files, for this service.
    ///
    /// # Errors
    /// Why they can't be used.
    pub fn load(
        &self,
        target: &Target,
        own_cas: &[CertificateDer<'static>],
    ) -> Result<Loaded, TrustError> {
        let mut read = Zeroizing::new(Vec::new());
        let (identity, cas) = (self.identity(&mut read)?, self.cas(own_cas, &mut read)?);
        let target = match &self.name {
            None => target.clone(),
            Some(name) => {
                let named = target.clone().with_name(name);
                named.map_err(|_| TrustError::NoName(name.clone()))?
            }
        };
        let (pin, revocation) = (self.pin, self.revocation);
        let settings = uplink::Settings { target, cas, pin, identity, revocation };
        Ok(Loaded { settings, files: Fingerprint::of(&read) })
    }

    /// The way to a service of which that has to hold; or what it lacks.
    pub(crate) fn uplink(
        &self,
        service: Target,
        own_cas: &[CertificateDer<'static>],
        clock: &Arc<dyn Clock>,
    ) -> Result<Uplink, String> {
        let loaded = self.load(&service, own_cas);
        let loaded = loaded.map_err(|error| format!("{error}; {}", error.mend()))?;
        let uplink = Uplink::new(loaded.settings, Arc::clone(clock));
        uplink.map_err(|error| format!("the CAs can't be used: {error}"))
    }

    fn cas(
        &self,
        own: &[CertificateDer<'static>],
        read: &mut Vec<u8>,
    ) -> Result<Vec<CertificateDer<'static>>, TrustError> {
        let Some(file) = &self.ca else { return Ok(own.to_vec()) };
        let pem = text(file, read)?;
        let cas: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let none = || TrustError::NoCertificate(file.clone());
        cas.ok().filter(|cas| !cas.is_empty()).ok_or_else(none)
    }

    fn identity(&self, read: &mut Vec<u8>) -> Result<Option<Arc<CertifiedKey>>, TrustError> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let (chain, secret) = (text(certificate, read)?, text(key, read)?);
                let fault = |error| TrustError::Identity(certificate.clone(), error);
                identity_from_pem(&chain, &secret).map(Some).map_err(fault)
            }
            _ => Err(TrustError::Half),
        }
    }
}

fn text(file: &Path, read: &mut Vec<u8>) -> Result<Zeroizing<String>, TrustError> {
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| TrustError::Unreadable(file.to_owned(), error))?;
    read.extend_from_slice(text.as_bytes());
    Ok(Zeroizing::new(text))
}

impl TrustError {
    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => "name a file that the gateway may read, and reload",
            Self::NoCertificate(_) => "put a certificate in PEM into it, and reload",
            Self::Identity(..) => "have both written anew, and reload",
            Self::Half => "name both `certificate` and `key`, or none",
            Self::NoName(_) => "write `name` as it stands in the service's certificate",
        }
    }
}

impl Display for TrustError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "{} can't be read: {error}", file.display()),
            Self::NoCertificate(file) => write!(f, "there is no certificate in {}", file.display()),
            Self::Identity(file, error) => {
                write!(f, "{} can't be used with its key: {error}", file.display())
            }
            Self::Half => f.write_str("a certificate without its key, or a key without one"),
            Self::NoName(name) => write!(f, "`{name}` is no name of a service"),
        }
    }
}

impl Error for TrustError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::Identity(_, error) => Some(error),
            Self::NoCertificate(_) | Self::Half | Self::NoName(_) => None,
        }
    }
}
