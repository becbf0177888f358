//! The identity in a profile that somebody still has: its certificate and its private key, for a profile
//! with the settings of today.
//!
//! Not here: whether the certificate is still good for anything, which the gateway's records say. The key
//! stays with whoever reads the file. Invariant: what is given belongs together.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use admin::secret::SecretText;
use pki::IdentityError;
use wire::config::{ConfigError, Directive, MAX_FILE, parse_bytes};
use zeroize::Zeroizing;

/// A certificate and its key.
#[derive(Debug)]
pub struct FormerIdentity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: SecretText,
}

impl FormerIdentity {
    /// Reads both out of a profile, or out of the files that it names.
    ///
    /// # Errors
    /// Whoever wrote or moved the files is at fault; nothing of their contents is told.
    pub fn read(profile: &Path) -> Result<Self, FormerError> {
        let bytes = contents(profile)?;
        let directives = parse_bytes(&bytes)
            .map_err(|source| FormerError::NoProfile { file: profile.to_owned(), source })?;
        let certificate = part(profile, &directives, "cert")?;
        let key = part(profile, &directives, "key")?;
        pki::identity_from_pem(&certificate, &key)
            .map_err(|source| FormerError::NoIdentity { file: profile.to_owned(), source })?;
        let key_pem = SecretText::new(key.trim().to_owned());
        Ok(Self { certificate_pem: certificate.trim().to_owned(), key_pem })
    }
}

/// The block of this name, or the file that its directive names, which lies beside the profile.
fn part(
    profile: &Path,
    directives: &[Directive],
    name: &'static str,
) -> Result<Zeroizing<String>, FormerError> {
    let missing = || FormerError::Without { file: profile.to_owned(), what: name };
    let directive = directives.iter().find(|d| d.name == name).ok_or_else(missing)?;
    if let Some(block) = &directive.block {
        return Ok(block.text.clone());
    }
    let file = directive.args.first().ok_or_else(missing)?;
    let file = profile.parent().unwrap_or(Path::new("")).join(file);
    let bytes = contents(&file)?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Sized at once, so that no secret stays behind in an outgrown buffer.
fn contents(path: &Path) -> Result<Zeroizing<Vec<u8>>, FormerError> {
    let unread = |source| FormerError::Unread { file: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    let file = File::open(path).map_err(unread)?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// Why a file gives no identity.
#[derive(Debug)]
pub enum FormerError {
    /// It can't be read.
    Unread {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no profile.
    NoProfile {
        /// Which file.
        file: PathBuf,
        /// Where it is none.
        source: ConfigError,
    },
    /// It has no certificate, or no key.
    Without {
        /// Which file.
        file: PathBuf,
        /// The directive that is missing.
        what: &'static str,
    },
    /// Certificate and key are no pair.
    NoIdentity {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: IdentityError,
    },
}

impl fmt::Display for FormerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread { file, .. } => write!(f, "{} can't be read", file.display()),
            Self::NoProfile { file, .. } => write!(f, "{} is no profile", file.display()),
            Self::Without { file, what } => write!(f, "{} has no `{what}`", file.display()),
            Self::NoIdentity { file, .. } => {
                write!(f, "{} has no certificate with its private key", file.display())
            }
        }
    }
}

impl std::error::Error for FormerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unread { source, .. } => Some(source),
            Self::NoProfile { source, .. } => Some(source),
            Self::NoIdentity { source, .. } => Some(source),
            Self::Without { .. } => None,
        }
    }
}
