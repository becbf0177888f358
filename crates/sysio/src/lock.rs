//! Who owns a data folder, and who is at the other end of a Unix socket.
//!
//! The kernel drops the lock with the process that holds it, however it ends, so that a lock that
//! can be taken proves that no owner is alive.

use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock, or says who holds it.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(LOCK_FILE);
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io)?;
        match lock_soon(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held { folder: folder.to_owned(), by: holder(&mut file) });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{} {}", std::process::id(), program()).map_err(io)?;
        Ok(Self { file })
    }

    /// Who holds the lock of a folder, if anybody does.
    pub fn held_by(folder: &Path) -> io::Result<Option<Holder>> {
        let mut file = match File::open(folder.join(LOCK_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                flock(&file, FlockOperation::Unlock)?;
                Ok(None)
            }
            Err(Errno::WOULDBLOCK) => Ok(Some(holder(&mut file).unwrap_or_default())),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock to copies in programs that are just being started.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// A process that holds a lock, as it named itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its number; 0 if it has not said so yet.
    pub pid: u32,
    /// Its program.
    pub program: String,
}

impl Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// Why a folder is not ours.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Held {
        /// The folder.
        folder: PathBuf,
        /// Which process, if it has said so yet.
        by: Option<Holder>,
    },
    /// The lock file can't be used.
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { folder, by: Some(holder) } => {
                write!(f, "{} is in use by {holder}", folder.display())
            }
            Self::Held { folder, by: None } => {
                write!(f, "{} is in use by another process", folder.display())
            }
            Self::Io { path, .. } => write!(f, "the lock file {} can't be used", path.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Io { source, .. } => Some(source),
        }
    }
}

/// The process at the other end of a Unix socket, as the kernel saw it when it connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its number.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// All its groups.
    pub gids: Vec<u32>,
}

/// Who is at the other end of a connected Unix stream socket.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<PeerCredentials> {
    let peer = socket_peercred(&socket)?;
    let mut gids = peer_groups(&socket)?;
    gids.insert(0, peer.gid.as_raw());
    Ok(PeerCredentials { pid: peer.pid.as_raw_pid().cast_unsigned(), uid: peer.uid.as_raw(), gids })
}

/// The number of a local group, from /etc/group.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    Ok(group_in(&std::fs::read_to_string("/etc/group")?, name))
}

fn group_in(table: &str, name: &str) -> Option<u32> {
    let mut groups = table.lines().map(|line| line.split(':'));
    let mut fields = groups.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    fields.nth(1)?.parse().ok()
}

fn peer_groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = [0u32; MOST_GROUPS];
    let mut bytes = size_of_val(&groups) as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed for the call, the buffer is as long as `bytes` says and any
    // bytes are valid `u32`s, and both outlive the call. The kernel writes no more than `bytes`.
    let result = unsafe {
        let into = groups.as_mut_ptr().cast();
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERGROUPS, into, &raw mut bytes)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(groups[..bytes as usize / size_of::<u32>()].to_vec())
}

/// Who merely asks for the holder has a lock for a moment, and must not be taken for one.
fn lock_soon(file: &File) -> Result<(), Errno> {
    for _ in 0..LOCK_TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    Err(Errno::WOULDBLOCK)
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(1024).read_to_string(&mut text).ok()?;
    let (pid, program) = text.trim().split_once(' ')?;
    Some(Holder { pid: pid.parse().ok()?, program: program.to_owned() })
}

fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_FILE: &str = "lock";
/// The kernel allows more; a user in so many groups is told so by an error.
const MOST_GROUPS: usize = 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_held_folder_names_its_holder_until_it_is_released() {
        let folder = std::env::temp_dir().join(format!("sysio-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(FolderLock::held_by(&folder).unwrap(), None);
        let lock = FolderLock::acquire(&folder).unwrap();
        let error = FolderLock::acquire(&folder).unwrap_err();
        let LockError::Held { by: Some(by), .. } = &error else { panic!("{error}") };
        assert_eq!(by.pid, std::process::id());
        assert!(error.to_string().contains(&by.pid.to_string()));
        assert_eq!(FolderLock::held_by(&folder).unwrap().as_ref(), Some(by));
        drop(lock);
        assert_eq!(FolderLock::held_by(&folder).unwrap(), None);
        drop(FolderLock::acquire(&folder).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_peer_of_a_socket_pair_is_this_process() {
        let (near, _far) = UnixStream::pair().unwrap();
        let peer = peer_credentials(&near).unwrap();
        assert_eq!(peer.pid, std::process::id());
        assert_eq!(peer.uid, rustix::process::getuid().as_raw());
        assert_eq!(peer.gids[0], rustix::process::getgid().as_raw());
    }

    #[test]
    fn groups_are_found_by_their_whole_name() {
        let table = "root:x:0:\nhandfast-x:x:7:\nhandfast:x:991:alice,bob\nbroken\n";
        assert_eq!(group_in(table, "handfast"), Some(991));
        assert_eq!(group_in(table, "hand"), None);
        assert_eq!(group_in(table, "broken"), None);
    }
}
