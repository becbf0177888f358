//! One owner of a data folder: an advisory lock on a file in it, which the kernel frees when its holder
//! dies.
//!
//! So the lock, not a socket or a process number that lies about, tells whether a gateway runs, and one
//! that can be taken tells that whatever the last owner left behind is dead. Invariant: whoever writes to
//! the folder holds a copy, the store's writer until it has closed the database.
//!
//! Releases before format 3 locked the database by a file of its own as well, and held that one a moment
//! longer than the folder's; it is honoured, then removed.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The right to change what is in a folder. Copies share it: the folder is free when the last one is gone.
#[derive(Clone, Debug)]
pub struct FolderLock {
    _file: Arc<File>,
}

impl FolderLock {
    /// Takes the folder, or says who has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let path = folder.join(FILE);
        let mut file = match options.open(&path) {
            // It can be held there too.
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(&path),
            opened => opened,
        }
        .map_err(unusable(folder))?;
        lock(&mut file, folder)?;
        pass_a_former_release(folder)?;
        // For people and messages only; who reads it knows that it may be stale.
        let _ = note_holder(&mut file);
        Ok(Self { _file: Arc::new(file) })
    }
}

fn lock(file: &mut File, folder: &Path) -> Result<(), LockError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(LockError::Held { folder: folder.to_owned(), holder: holder(file) })
        }
        Err(TryLockError::Error(source)) => Err(unusable(folder)(source)),
    }
}

/// One that is closing has let go of the folder's lock already.
fn pass_a_former_release(folder: &Path) -> Result<(), LockError> {
    let path = folder.join(FORMER);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(folder)(error)),
    };
    lock(&mut file, folder)?;
    // On a disk that can't be written it stays, and is passed again.
    let _ = fs::remove_file(&path);
    Ok(())
}

fn unusable(folder: &Path) -> impl FnOnce(io::Error) -> LockError {
    |source| LockError::Unusable { folder: folder.to_owned(), source: Arc::new(source) }
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The process, as it left its number: alone, or in former releases as `process 7 (handfast)`.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    text.split_whitespace().find_map(|word| word.parse().ok())
}

/// Why a folder could not be taken.
#[derive(Clone, Debug)]
pub enum LockError {
    /// Another process has it.
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process, where it left its number.
        holder: Option<u32>,
    },
    /// Its lock's file could not be made or read.
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
}

impl LockError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Held { .. } => "wait for it to finish, or stop it",
            Self::Unusable { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                "run as root, join the group `handfast`, or name another folder with --data"
            }
            Self::Unusable { .. } => "name another folder with --data or HANDFAST_DATA",
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { folder, holder: Some(pid) } => {
                write!(f, "process {pid} holds the data folder {}", folder.display())
            }
            Self::Held { folder, holder: None } => {
                write!(f, "another process holds the data folder {}", folder.display())
            }
            Self::Unusable { folder, .. } => {
                write!(f, "the data folder {} can't be used", folder.display())
            }
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Unusable { source, .. } => Some(source.as_ref()),
        }
    }
}

const FILE: &str = "lock";
const FORMER: &str = "handfast.db.lock";
