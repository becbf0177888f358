//! One client of this machine for one certificate.
//!
//! A gateway lets a device in once: a second client would throw the first out, and be thrown out by it in
//! turn, for ever. The claim is a lock that goes with the process, however it ends.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;

use rustls::sign::CertifiedKey;
use sysio::{FolderLock, LockError};

use crate::{ClientError, SystemError};

/// A certificate that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    _lock: FolderLock,
}

impl Claim {
    /// Claims the certificate of an identity, or says who has it.
    pub(crate) fn take(state: &Path, identity: &CertifiedKey) -> Result<Self, ClientError> {
        let mut hasher = DefaultHasher::new();
        identity.cert.first().map(AsRef::as_ref).unwrap_or_default().hash(&mut hasher);
        let folder = state.join(FOLDER).join(format!("{:016x}", hasher.finish()));
        let failed = |source| SystemError::Record { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        match FolderLock::acquire(&folder) {
            Ok(lock) => Ok(Self { _lock: lock }),
            Err(LockError::Held { by, .. }) => Err(ClientError::InUse(by)),
            Err(LockError::Io { source, .. }) => Err(failed(io::Error::from(source.kind())).into()),
        }
    }
}

/// Beside the records of running clients, which look at no name that begins with a dot.
const FOLDER: &str = ".certificates";
