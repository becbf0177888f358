//! The keys on the disk: a folder of the signer's own, with a file for each CA, certificate and key.
//!
//! A sealed one has another name, and counts before one that lies open beside it: sealing was cut short then.
//! Beside each lies the last CRL that was signed, so that a signer that is started anew remembers it.
//! Invariant: a file is there whole or not at all, and nobody but the folder's owner reads it, also where
//! root writes it.

use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, fchown};
use std::path::{Path, PathBuf};

use pki::{
    CaError, Crl, KeyError, KeyId, LocalSigner, PemError, PrivateKey, SignError, Signer as _,
};
use zeroize::Zeroizing;

use crate::given::Given;
use crate::keeper::Keeper;
use crate::listed::Last;
use crate::seal::{Protection, Sealed};
use crate::spent::Noted;

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

    /// The file with the key of this CA where it is sealed.
    pub fn sealed_file(&self, ca: KeyId) -> PathBuf {
        self.folder.join(format!("{ca}.{SEALED}"))
    }

    /// Whether there is a key of this CA, open or sealed.
    pub fn has(&self, ca: KeyId) -> bool {
        self.key_file(ca).exists() || self.sealed_file(ca).exists()
    }

    /// The last list that this CA signed.
    pub fn crl_file(&self, ca: KeyId) -> PathBuf {
        self.folder.join(format!("{ca}.{CRL}"))
    }

    /// Whether a list lies there that one of the CAs signed.
    pub(crate) fn has_lists(&self) -> bool {
        self.files(CRL).is_ok_and(|lists| !lists.is_empty())
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

    /// Seals all keys with a secret that is found there from here on. What they were sealed with before is
    /// `former`, where it is not to be had without a person. Nobody works in the folder meanwhile.
    ///
    /// # Errors
    /// When a key can't be read or the disk takes nothing; repeating it goes on from there.
    pub fn seal(
        &self,
        protection: &Protection,
        secret: &[u8],
        former: Option<&[u8]>,
    ) -> Result<usize, VaultError> {
        let seal = Seal { protection: protection.clone(), secret: Zeroizing::new(secret.to_vec()) };
        let all = self.open_all(former)?;
        for ca in &all {
            self.keep(ca, Some(&seal)).map_err(VaultError::File)?;
            self.remove(&self.key_file(id(ca))).map_err(VaultError::File)?;
        }
        Ok(all.len())
    }

    /// Writes all keys in the clear.
    ///
    /// # Errors
    /// As for sealing.
    pub fn unseal(&self, former: Option<&[u8]>) -> Result<usize, VaultError> {
        let all = self.open_all(former)?;
        for ca in &all {
            self.keep(ca, None).map_err(VaultError::File)?;
            self.remove(&self.sealed_file(id(ca))).map_err(VaultError::File)?;
        }
        Ok(all.len())
    }

    /// How the keys are sealed, by the first that is.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn protection(&self) -> io::Result<Option<Protection>> {
        let sealed = self.files(SEALED)?;
        let mut sealed = sealed.iter().filter_map(|path| Sealed::read(&fs::read(path).ok()?));
        Ok(sealed.next().map(|sealed| sealed.protection))
    }

    fn open_all(&self, former: Option<&[u8]>) -> Result<Vec<LocalSigner>, VaultError> {
        let mut all = Vec::new();
        for path in self.files(SEALED).map_err(VaultError::File)? {
            let sealed = read_sealed(&path)?;
            let secret = match former {
                Some(former) => Zeroizing::new(former.to_vec()),
                None => {
                    let found = sealed.protection.secret().map_err(VaultError::File)?;
                    found.ok_or(VaultError::Seal(SignError::Locked))?
                }
            };
            all.push(unsealed(&sealed, &secret)?);
        }
        for path in self.files(KEY).map_err(VaultError::File)? {
            let ca = self.read(&path)?;
            let is_there = all.iter().any(|known| id(known) == id(&ca));
            if !is_there {
                all.push(ca);
            }
        }
        Ok(all)
    }

    /// Removes what somebody was writing who was killed: a key may be in it.
    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)?.collect::<io::Result<Vec<_>>>()? {
            if entry.file_name().as_encoded_bytes().starts_with(b".")
                && let Err(error) = fs::remove_file(entry.path())
            {
                let file = entry.path();
                tracing::error!(file = %file.display(), %error, "what is left of a key stays");
            }
        }
        Ok(())
    }

    fn files(&self, kind: &str) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)?.collect::<io::Result<Vec<_>>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == kind)).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Writes a CA and its key down, sealed where there is a seal.
    pub(crate) fn keep(&self, ca: &LocalSigner, seal: Option<&Seal>) -> io::Result<()> {
        if let Some(Seal { protection, secret }) = seal {
            let sealed = Sealed::new(ca.ca(), ca.key(), protection.clone(), secret);
            let written = sealed.and_then(|sealed| sealed.write()).map_err(io::Error::other)?;
            return self.write(&self.sealed_file(id(ca)), &written);
        }
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        text.push_str(&ca.ca().to_pem());
        text.push_str(&ca.key().to_pem());
        self.write(&self.key_file(id(ca)), text.as_bytes())
    }

    /// Writes the last list of a CA down.
    pub(crate) fn note(&self, ca: KeyId, crl: &[u8]) -> io::Result<()> {
        self.write(&self.crl_file(ca), crl)
    }

    /// Removes the key of a CA, and what is beside it.
    pub(crate) fn forget(&self, ca: KeyId) -> io::Result<()> {
        for file in [self.key_file(ca), self.sealed_file(ca), self.crl_file(ca)] {
            self.remove(&file)?;
        }
        Ok(())
    }

    /// Writes down what may be signed still, and who vouched for whom: in one file, so that none of the two is there
    /// without the other.
    pub(crate) fn note_left(&self, noted: &Noted, given: &Given) -> io::Result<()> {
        let octets = postcard::to_stdvec(&(noted, given.all())).map_err(io::Error::other)?;
        self.write(&self.folder.join(LEFT), &octets)
    }

    /// What was written down so. A file that can't be read tells nothing, and the first signature replaces it. In those
    /// of earlier releases nobody vouched for anybody.
    pub(crate) fn left(&self) -> Option<(Noted, Given)> {
        let octets = fs::read(self.folder.join(LEFT)).ok()?;
        let (noted, rest) = postcard::take_from_bytes(&octets).ok()?;
        let given = postcard::from_bytes(rest).map(Given::of).unwrap_or_default();
        Some((noted, given))
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
    pub(crate) fn load(&self, keeper: &mut Keeper) -> io::Result<Loaded> {
        self.clear()?;
        let mut loaded = Loaded::default();
        for path in self.files(SEALED)? {
            match read_sealed(&path) {
                Ok(sealed) => loaded.take(sealed, self, keeper),
                Err(error) => tracing::error!(file = %path.display(), %error, "a CA can't be used"),
            }
        }
        for path in self.files(KEY)? {
            match self.read(&path) {
                Ok(ca) if self.sealed_file(id(&ca)).exists() => {}
                Ok(ca) => {
                    let last = self.last(&ca);
                    keeper.add(ca, &last);
                }
                Err(error) => tracing::error!(file = %path.display(), %error, "a CA can't be used"),
            }
        }
        Ok(loaded)
    }

    /// The last list that a CA signed.
    pub(crate) fn last(&self, ca: &LocalSigner) -> Last {
        let file = self.crl_file(id(ca));
        let last = match fs::read(&file) {
            Ok(der) => Last::of_der(&der),
            Err(error) if error.kind() == ErrorKind::NotFound => Last::None,
            Err(_) => Last::Unreadable,
        };
        let is_its_own = |crl: &Crl| crl.verify(ca.ca()).is_ok();
        if !matches!(&last, Last::None) && !matches!(&last, Last::List(crl) if is_its_own(crl)) {
            let file = file.display();
            tracing::error!(%file, "the last CRL that a CA signed can't be read: it signs no other");
        }
        last
    }

    fn read(&self, path: &Path) -> Result<LocalSigner, VaultError> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(VaultError::File)?);
        let certificates = pki::certificates_from_pem(&text).map_err(VaultError::Certificate)?;
        let [certificate] = certificates.as_slice() else { return Err(VaultError::NotOne) };
        let key = PrivateKey::from_pem(&text).map_err(VaultError::Key)?;
        LocalSigner::new(certificate, key).map_err(VaultError::Ca)
    }
}

/// What keys are sealed with.
#[derive(Clone)]
pub(crate) struct Seal {
    pub(crate) protection: Protection,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// What of a folder the keeper does not have.
#[derive(Default)]
pub(crate) struct Loaded {
    /// New keys are sealed so, too.
    pub(crate) seal: Option<Seal>,
    /// Those that wait for their secret.
    pub(crate) locked: Vec<Sealed>,
}

impl Loaded {
    fn take(&mut self, sealed: Sealed, vault: &Vault, keeper: &mut Keeper) {
        match sealed.protection.secret() {
            Ok(Some(secret)) => match self.open(&sealed, &secret, vault, keeper) {
                Ok(()) => return,
                Err(error) => tracing::error!(%error, "the CA's key stays sealed"),
            },
            Ok(None) => {
                tracing::warn!("the CA's key is sealed: nothing is signed until `ca unlock`")
            }
            Err(error) => {
                let by = &sealed.protection;
                tracing::error!(%error, %by, "what opens the CA's key can't be read");
            }
        }
        keeper.lock(&sealed.certificate);
        self.locked.push(sealed);
    }

    /// Opens all with what somebody typed.
    pub(crate) fn unlock(
        &mut self,
        secret: &[u8],
        vault: &Vault,
        keeper: &mut Keeper,
    ) -> Result<(), SignError> {
        for sealed in std::mem::take(&mut self.locked) {
            if let Err(error) = self.open(&sealed, secret, vault, keeper) {
                self.locked.push(sealed);
                return Err(error);
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        sealed: &Sealed,
        secret: &[u8],
        vault: &Vault,
        keeper: &mut Keeper,
    ) -> Result<(), SignError> {
        let ca = unsealed(sealed, secret).map_err(|_| SignError::WrongSecret)?;
        let last = vault.last(&ca);
        keeper.add(ca, &last);
        let (protection, secret) = (sealed.protection.clone(), Zeroizing::new(secret.to_vec()));
        self.seal = Some(Seal { protection, secret });
        Ok(())
    }
}

fn read_sealed(path: &Path) -> Result<Sealed, VaultError> {
    Sealed::read(&fs::read(path).map_err(VaultError::File)?).ok_or(VaultError::NotSealed)
}

fn unsealed(sealed: &Sealed, secret: &[u8]) -> Result<LocalSigner, VaultError> {
    let key = sealed.open(secret).map_err(VaultError::Seal)?;
    LocalSigner::new(&sealed.certificate, key).map_err(VaultError::Ca)
}

fn id(ca: &LocalSigner) -> KeyId {
    KeyId::of_spki(ca.ca().spki())
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
    /// It is no sealed key.
    NotSealed,
    /// It is sealed, and does not open.
    Seal(SignError),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Certificate(error) => error.fmt(f),
            Self::NotOne => f.write_str("it should have one certificate"),
            Self::Key(error) => error.fmt(f),
            Self::Ca(error) => error.fmt(f),
            Self::NotSealed => f.write_str("it is no sealed key; restore it from a backup"),
            Self::Seal(error) => error.fmt(f),
        }
    }
}

impl Error for VaultError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Certificate(error) => error.source(),
            Self::NotOne | Self::NotSealed => None,
            Self::Key(error) => error.source(),
            Self::Ca(error) => error.source(),
            Self::Seal(error) => error.source(),
        }
    }
}

const KEY: &str = "pem";
const SEALED: &str = "sealed";
const CRL: &str = "crl";
const LEFT: &str = "left";
/// So that the text never grows, which would leave copies.
const ROOM: usize = 32 * 1024;
