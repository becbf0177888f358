//! The keys on the disk: a folder of the signer's own, with a file for each CA, certificate and key.
//!
//! Beside each lies the last CRL that was signed, so that a signer that is started anew remembers it.
//! Invariant: a file is there whole or not at all, and nobody but the folder's owner reads it, also where
//! root writes it.

use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, fchown};
use std::path::{Path, PathBuf};

use pki::{CaError, Crl, KeyError, KeyId, LocalSigner, PemError, PrivateKey, Signer as _};
use zeroize::Zeroizing;

use crate::keeper::Keeper;

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// The folder at this path. Nothing is touched.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file with the key of this CA.
    pub fn key_file(&self, ca: KeyId) -> PathBuf {
        self.folder.join(format!("{ca}.{KEY}"))
    }

    /// The last list that this CA signed.
    pub fn crl_file(&self, ca: KeyId) -> PathBuf {
        self.folder.join(format!("{ca}.{CRL}"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn make(&self) -> io::Result<()> {
        let above = self.folder.parent().unwrap_or(Path::new("/"));
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some((owner, group)) = others(&fs::metadata(above)?) {
            chown(&self.folder, Some(owner), Some(group))?;
        }
        File::open(above)?.sync_all()
    }

    /// Writes a CA and its key down.
    pub(crate) fn keep(&self, ca: &LocalSigner) -> io::Result<()> {
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        text.push_str(&ca.ca().to_pem());
        text.push_str(&ca.key().to_pem());
        self.write(&self.key_file(KeyId::of_spki(ca.ca().spki())), text.as_bytes())
    }

    /// Writes the last list of a CA down.
    pub(crate) fn note(&self, ca: KeyId, crl: &[u8]) -> io::Result<()> {
        self.write(&self.crl_file(ca), crl)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let folder = fs::metadata(&self.folder)?;
        let owned = |file: &File| match others(&folder) {
            Some((owner, group)) => fchown(file, Some(owner), Some(group)),
            None => Ok(()),
        };
        sysio::replace_file(path, content, 0o600, owned).map(drop)
    }

    /// Has the keeper take all CAs. What can't be read is named, and keeps no other from being taken.
    pub(crate) fn load(&self, keeper: &mut Keeper) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != KEY) {
                continue;
            }
            match self.read(&path) {
                Ok((ca, last)) => keeper.add(ca, last.as_ref()),
                Err(error) => tracing::error!(file = %path.display(), %error, "a CA can't be used"),
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<(LocalSigner, Option<Crl>), VaultError> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(VaultError::File)?);
        let certificates = pki::certificates_from_pem(&text).map_err(VaultError::Certificate)?;
        let [certificate] = certificates.as_slice() else { return Err(VaultError::NotOne) };
        let key = PrivateKey::from_pem(&text).map_err(VaultError::Key)?;
        let ca = LocalSigner::new(certificate, key).map_err(VaultError::Ca)?;
        let last = fs::read(self.crl_file(KeyId::of_spki(ca.ca().spki())));
        let last = last.ok().and_then(|der| Crl::from_der(&der).ok());
        Ok((ca, last))
    }
}

/// Whose files these shall be, where that is not who writes.
fn others(folder: &Metadata) -> Option<(u32, u32)> {
    let us = rustix::process::geteuid();
    (us.is_root() && folder.uid() != us.as_raw()).then(|| (folder.uid(), folder.gid()))
}

/// Why a file gives no CA.
#[derive(Debug)]
pub enum VaultError {
    /// It can't be read.
    File(io::Error),
    /// It has no certificate that can be read.
    Certificate(PemError),
    /// It has another number of certificates than one.
    NotOne,
    /// It has no key that can be read.
    Key(KeyError),
    /// The two make no CA.
    Ca(CaError),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::NotOne => f.write_str("it should have one certificate"),
            Self::Key(error) => error.fmt(f),
            Self::Ca(error) => error.fmt(f),
        }
    }
}

impl Error for VaultError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Certificate(error) => error.source(),
            Self::NotOne => None,
            Self::Key(error) => error.source(),
            Self::Ca(error) => error.source(),
        }
    }
}

const KEY: &str = "pem";
const CRL: &str = "crl";
/// So that the text never grows, which would leave copies.
const ROOM: usize = 32 * 1024;
