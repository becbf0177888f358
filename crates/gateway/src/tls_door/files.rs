//! Certificates that somebody puts into files: read when they change, and in service once they fit together.
//!
//! Other programs write them, one file after the other, so what does not fit is looked at once more before anybody
//! hears of it. Not here: when it is looked. Invariant: a certificate that serves stays until a better one does.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clock::Timestamp;
use front::{CertificateFiles, CertificateSource, Settings, VirtualServer};
use pki::{Fit, IdentityError, PemError, Unfit};
use zeroize::Zeroizing;

use super::served::{NotServed, Served};

/// All that the settings name.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(HashMap<Wanted, Pair>);

/// Which files, and the names that their certificate has to be for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    files: CertificateFiles,
    names: Vec<String>,
}

/// A chain and its key.
#[derive(Clone, Debug, Default)]
struct Pair {
    served: Option<Served>,
    /// As they were when they were read last; nothing where one was not there.
    read: Option<Stamps>,
    /// What was wrong with them then.
    fault: Option<FileFault>,
    /// The same, once it has been so twice.
    said: Option<FileFault>,
    /// Others on this machine may read the key.
    open: bool,
}

/// What tells that a file is another one, or was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
    mode: u32,
}

type Stamps = (Stamp, Stamp);

/// A fault, and whether a certificate serves all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Faulty {
    pub(super) fault: FileFault,
    pub(super) serves: bool,
}

/// What is wrong with files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileFault {
    /// One can't be read.
    Unreadable { file: PathBuf, kind: io::ErrorKind, why: String },
    /// One is no text of a size that certificates have.
    NotText { file: PathBuf },
    /// What is in them does not serve.
    NotServed { files: CertificateFiles, why: NotServed },
    /// It serves, and others on this machine may read the key.
    OpenKey { key: PathBuf },
    /// It serves, and ends soon.
    Ending { chain: PathBuf, until: Timestamp },
}

impl Files {
    /// Reads what has changed. Tells whether another certificate serves than before, or something else is wrong.
    pub(super) fn look(&mut self, settings: &Settings, now: Timestamp) -> bool {
        let wanted: Vec<Wanted> = settings.server.iter().flat_map(wanted).collect();
        let mut news = false;
        for one in &wanted {
            if !self.0.contains_key(one) {
                let pair = self.after_other_names(one);
                self.0.insert(one.clone(), pair);
            }
            news |= self.0.get_mut(one).is_some_and(|pair| pair.look(one, now));
        }
        self.0.retain(|one, _| wanted.contains(one));
        news
    }

    /// A server that was given another name goes on with the certificate that it has.
    fn after_other_names(&self, wanted: &Wanted) -> Pair {
        let is_former =
            |one: &Wanted| one.files == wanted.files && one.names[..1] == wanted.names[..1];
        let former = self.0.iter().find(|(one, _)| is_former(one));
        let served = former.and_then(|(_, pair)| pair.served.clone());
        Pair { served, ..Pair::default() }
    }

    /// What serves of a server's.
    pub(super) fn served(&self, server: &VirtualServer) -> Vec<Served> {
        let pairs = wanted(server).into_iter().filter_map(|one| self.0.get(&one));
        pairs.filter_map(|pair| pair.served.clone()).collect()
    }

    /// What is wrong with a server's, and whether something serves all the same.
    pub(super) fn faults(&self, server: &VirtualServer, now: Timestamp) -> Vec<Faulty> {
        let pairs = wanted(server).into_iter().filter_map(|one| Some((self.0.get(&one)?, one)));
        pairs.flat_map(|(pair, one)| pair.faults(&one.files, now)).collect()
    }
}

fn wanted(server: &VirtualServer) -> Vec<Wanted> {
    let CertificateSource::Files(files) = &server.certificate else { return Vec::new() };
    if server.passthrough {
        return Vec::new();
    }
    let names: Vec<_> = server.names.iter().map(|name| name.as_str().to_owned()).collect();
    files.iter().map(|files| Wanted { files: files.clone(), names: names.clone() }).collect()
}

impl Pair {
    fn look(&mut self, wanted: &Wanted, now: Timestamp) -> bool {
        let files = &wanted.files;
        let stamps = stamps(files);
        let serves = self.served.as_ref().is_some_and(|served| !served.is_over(now));
        if stamps.is_some() && stamps == self.read && self.fault.is_none() && serves {
            return false;
        }
        self.read = stamps;
        match read(wanted, now) {
            Ok(served) => self.serve(served, wanted, stamps),
            Err(fault) => self.fail(fault),
        }
    }

    fn faults(&self, files: &CertificateFiles, now: Timestamp) -> Vec<Faulty> {
        let fit = self.served.as_ref().map(|served| served.fit);
        let mut faults: Vec<_> = self.said.clone().into_iter().collect();
        if self.open {
            faults.push(FileFault::OpenKey { key: files.key.clone() });
        }
        let ends = |fit: &Fit| fit.until <= now.after(SOON) && SOON < fit.until.since(fit.since);
        if let Some(fit) = fit.filter(|fit| self.said.is_none() && ends(fit)) {
            faults.push(FileFault::Ending { chain: files.chain.clone(), until: fit.until });
        }
        let serves = fit.is_some();
        faults.into_iter().map(|fault| Faulty { fault, serves }).collect()
    }

    fn fail(&mut self, fault: FileFault) -> bool {
        // Once more before it is said: another file of the two may be on its way.
        let settled = self.fault.as_ref() == Some(&fault) || self.served.is_none();
        self.fault = Some(fault.clone());
        if !settled || self.said.as_ref() == Some(&fault) {
            return false;
        }
        tracing::warn!("{fault}; {}", fault.mend());
        self.said = Some(fault);
        true
    }

    fn serve(&mut self, served: Served, wanted: &Wanted, stamps: Option<Stamps>) -> bool {
        let former = self.served.as_ref().map(|former| former.fit.id);
        let (name, chain) = (wanted.names.first(), wanted.files.chain.display());
        let news = former != Some(served.fit.id);
        if news {
            let until = served.fit.until.to_seconds();
            tracing::info!(name, %chain, until, "a virtual server has a certificate from files");
        }
        let open = stamps.is_some_and(|(_, key)| key.mode & FOR_OTHERS != 0);
        if open && !self.open {
            let fault = FileFault::OpenKey { key: wanted.files.key.clone() };
            tracing::warn!("{fault}; {}", fault.mend());
        }
        let mended = self.said.is_some() || self.open != open;
        self.open = open;
        self.served = Some(served);
        (self.fault, self.said) = (None, None);
        news || mended
    }
}

fn read(wanted: &Wanted, now: Timestamp) -> Result<Served, FileFault> {
    let files = &wanted.files;
    let (chain, key) = (text(&files.chain)?, text(&files.key)?);
    Served::of(&chain, &key, &wanted.names, now)
        .map_err(|why| FileFault::NotServed { files: files.clone(), why })
}

/// A file's text, which may be a key.
fn text(file: &Path) -> Result<Zeroizing<String>, FileFault> {
    let unreadable = |error: io::Error| {
        let (file, kind) = (file.to_owned(), error.kind());
        FileFault::Unreadable { file, kind, why: error.to_string() }
    };
    let not_text = || FileFault::NotText { file: file.to_owned() };
    let metadata = fs::metadata(file).map_err(unreadable)?;
    // To open another kind of file might wait for somebody.
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(not_text());
    }
    // Sized first, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize));
    let mut opened = File::open(file).map_err(unreadable)?.take(LONGEST);
    match opened.read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_text()),
        Err(error) => Err(unreadable(error)),
        Ok(_) => Ok(text),
    }
}

fn stamps(files: &CertificateFiles) -> Option<Stamps> {
    let stamp = |file: &Path| fs::metadata(file).ok().map(|metadata| Stamp::of(&metadata));
    Some((stamp(&files.chain)?, stamp(&files.key)?))
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            // When the file's node changed: a time that nobody can set back.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }
}

impl FileFault {
    /// What to do.
    pub(super) fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable { kind: io::ErrorKind::PermissionDenied, .. } => {
                "let the gateway's user read it and pass through the folders above it"
            }
            Self::Unreadable { kind: io::ErrorKind::NotFound, .. } => {
                "put it there, or mend `certificate` in handfast.toml"
            }
            Self::Unreadable { .. } | Self::NotText { .. } => {
                "put the certificate's PEM text there"
            }
            Self::NotServed { why: NotServed::Identity(error), .. } => match error {
                IdentityError::KeyMismatch => {
                    "put the key there that the certificate was issued for"
                }
                IdentityError::EncryptedKey => "unlock it: `openssl pkey -in KEY -out PLAIN`",
                IdentityError::UnsupportedKey => "use a key of RSA, P-256, P-384 or Ed25519",
                _ => "put the PEM text there that the CA gave",
            },
            Self::NotServed { why: NotServed::Chain(unfit), .. } => match unfit {
                Unfit::OutOfOrder { .. } => {
                    "put the server's certificate first, and behind each the one that signed it"
                }
                Unfit::NameMissing { .. } => {
                    "have one issued for that name, or take it out of `names`"
                }
                Unfit::Over { .. } => "renew it",
                Unfit::NotYet { .. } => "wait, or set this machine's clock",
                Unfit::NotForServers | Unfit::Unreadable { .. } => {
                    "have one issued for this server"
                }
            },
            Self::OpenKey { .. } => "chmod o= on it",
            Self::Ending { .. } => "renew it: what is put there serves at once",
        }
    }
}

impl Display for FileFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, why, .. } => {
                write!(f, "{} can't be read: {why}", file.display())
            }
            Self::NotText { file } => write!(f, "{} is no PEM text", file.display()),
            Self::NotServed { files, why: NotServed::Chain(unfit) } => {
                write!(f, "{}: {unfit}", files.chain.display())
            }
            Self::NotServed { files, why: NotServed::Identity(error) } => {
                write!(f, "{}", Identity(files, error))
            }
            Self::OpenKey { key } => {
                write!(f, "everybody on this machine may read or write the key {}", key.display())
            }
            Self::Ending { chain, until } => {
                write!(f, "the certificate in {} ends at {}", chain.display(), until.to_seconds())
            }
        }
    }
}

/// What is wrong between these files.
struct Identity<'a>(&'a CertificateFiles, &'a IdentityError);

impl Display for Identity<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (chain, key) = (self.0.chain.display(), self.0.key.display());
        match self.1 {
            IdentityError::KeyMismatch => {
                write!(f, "the key in {key} is not that of the certificate in {chain}")
            }
            IdentityError::Certificate(PemError::Missing) => {
                write!(f, "{chain} has no certificate in it")
            }
            IdentityError::Key(PemError::Missing) => write!(f, "{key} has no private key in it"),
            IdentityError::EncryptedKey => write!(f, "the key in {key} is locked by a passphrase"),
            IdentityError::Key(_) | IdentityError::UnsupportedKey => {
                write!(f, "the key in {key} is damaged or of a kind that is not supported")
            }
            IdentityError::Certificate(_) | IdentityError::UnreadableCertificate => {
                write!(f, "the certificate in {chain} is damaged")
            }
        }
    }
}

/// More than any chain has.
const LONGEST: u64 = 256 * 1024;
/// As early as of every other certificate.
const SOON: Duration = Duration::from_secs(30 * 86_400);
/// What a key's file should let nobody but its owner and group do.
const FOR_OTHERS: u32 = 0o007;

#[cfg(test)]
mod tests;
