//! A folder that is held open, and the files in it by their names alone.
//!
//! For what is written where others may have been before: no link is followed, nothing but a plain file is
//! opened. A file that is written under another name, synced, and renamed appears whole or not at all; that is
//! the caller's to do, and nothing about what is written is decided here.
//!
//! Invariant: after [`Folder::open`] no path is looked up again, so that nobody can put another folder in
//! the place of this one meanwhile.

use std::error::Error;
use std::fmt::{self, Display};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Why something in a folder was not touched.
#[derive(Debug)]
pub enum FolderError {
    /// A link lies there, and leads who knows where.
    Link(PathBuf),
    /// Something other than a plain file or a folder lies there: a pipe, a device.
    NotPlain(PathBuf),
    /// Other users may write to the folder, and could put something else in the place of a file.
    OthersWrite(PathBuf),
    /// The system refused.
    Io {
        /// What was to be touched.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Folder {
    /// Opens a folder, with what is missing of its path made for `mode`. Links on the way to it are the
    /// caller's own choice; that others could change the way, or write into the folder, is refused.
    pub fn make(path: &Path, mode: u32) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
        let real = path.canonicalize().map_err(failed)?;
        nobody_else_changes(&real).map_err(failed)??;
        let fd = rustix::fs::open(&real, FOLDER, Mode::empty());
        let fd = fd.map_err(|errno| refused(path.to_owned(), errno))?;
        Self { fd, path: path.to_owned() }.of_its_owner()
    }

    /// A folder in this one, made for `mode` where it is missing.
    pub fn enter(&self, name: &str, mode: u32) -> Result<Self, FolderError> {
        let path = self.path.join(name);
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(refused(path, errno)),
        }
        match rustix::fs::openat(&self.fd, name, FOLDER, Mode::empty()) {
            Ok(fd) => Self { fd, path }.of_its_owner(),
            // A link is no folder by these flags.
            Err(Errno::NOTDIR | Errno::LOOP) if self.kind(name)? == Some(FileType::Symlink) => {
                Err(FolderError::Link(path))
            }
            Err(errno) => Err(refused(path, errno)),
        }
    }

    /// Where a file of this name lies, for people.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a plain file of this name is there. Anything else there is an error.
    pub fn has_file(&self, name: &str) -> Result<bool, FolderError> {
        match self.kind(name)? {
            None => Ok(false),
            Some(FileType::RegularFile) => Ok(true),
            Some(FileType::Symlink) => Err(FolderError::Link(self.path_of(name))),
            Some(_) => Err(FolderError::NotPlain(self.path_of(name))),
        }
    }

    /// The first `most` bytes of a file, if it is there.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
        if !self.has_file(name)? {
            return Ok(None);
        }
        // Should a pipe have come into its place meanwhile, this waits for nobody.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty());
        let file = File::from(fd.map_err(|errno| refused(self.path_of(name), errno))?);
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(|source| self.failed(name, source))?;
        Ok(Some(bytes))
    }

    /// Makes a file. What a former try left under its name goes first.
    pub fn create(&self, name: &str, mode: u32) -> Result<File, FolderError> {
        self.remove(name)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode));
        fd.map(File::from).map_err(|errno| refused(self.path_of(name), errno))
    }

    /// Gives a file another name, in the place of what has it.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FolderError> {
        let renamed = rustix::fs::renameat(&self.fd, from, &self.fd, to);
        renamed.map_err(|errno| refused(self.path_of(to), errno))
    }

    /// The same; that something has the name is an error.
    pub fn rename_beside(&self, from: &str, to: &str) -> Result<(), FolderError> {
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, to, flags) {
            // A file system that does not know how.
            Err(Errno::INVAL | Errno::NOSYS) if !self.has_file(to)? => self.rename(from, to),
            renamed => renamed.map_err(|errno| refused(self.path_of(to), errno)),
        }
    }

    /// Removes a file or a link. One that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<(), FolderError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(refused(self.path_of(name), errno)),
        }
    }

    /// Makes a link of this name, in the place of a file or a link.
    pub fn link(&self, name: &str, target: &Path) -> Result<(), FolderError> {
        self.remove(name)?;
        let made = rustix::fs::symlinkat(target, &self.fd, name);
        made.map_err(|errno| refused(self.path_of(name), errno))
    }

    /// Returns once the disk has which names are in this folder, as they were made, changed and removed. What is
    /// in the files is not part of that: each file is synced by itself, before its name is.
    pub fn sync(&self) -> Result<(), FolderError> {
        rustix::fs::fsync(&self.fd).map_err(|errno| refused(self.path.clone(), errno))
    }

    fn kind(&self, name: &str) -> Result<Option<FileType>, FolderError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(refused(self.path_of(name), errno)),
        }
    }

    fn of_its_owner(self) -> Result<Self, FolderError> {
        let found = rustix::fs::fstat(&self.fd);
        let found = found.map_err(|errno| refused(self.path.clone(), errno))?;
        match others_write(found.st_mode, found.st_uid, found.st_gid) {
            true => Err(FolderError::OthersWrite(self.path)),
            false => Ok(self),
        }
    }

    fn failed(&self, name: &str, source: io::Error) -> FolderError {
        FolderError::Io { path: self.path_of(name), source }
    }
}

/// Whether what is made in this folder stays what it is: only its owner writes to it, or it is one like /tmp, and the
/// same holds of the way to it.
pub fn keeps_files(folder: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io { path: folder.to_owned(), source };
    let real = folder.canonicalize().map_err(failed)?;
    nobody_else_changes(&real.join("a file")).map_err(failed)?
}

/// Whether nobody but root and the owners of the folders on the way can put another one in its place.
fn nobody_else_changes(real: &Path) -> io::Result<Result<(), FolderError>> {
    for outer in real.ancestors().skip(1) {
        let around = fs::metadata(outer)?;
        // In a folder like /tmp, only the owner of what lies in it may move it.
        let is_sticky = around.mode() & STICKY != 0;
        if others_write(around.mode(), around.uid(), around.gid()) && !is_sticky {
            return Ok(Err(FolderError::OthersWrite(outer.to_owned())));
        }
    }
    Ok(Ok(()))
}

/// A group of the owner's number is the owner's own, as many systems give one to each user.
fn others_write(mode: u32, owner: u32, group: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && group != owner && group != 0)
}

fn refused(path: PathBuf, errno: Errno) -> FolderError {
    match errno {
        Errno::LOOP => FolderError::Link(path),
        errno => FolderError::Io { path, source: errno.into() },
    }
}

impl Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(path) => write!(f, "{} is a link, which is not followed", path.display()),
            Self::NotPlain(path) => write!(f, "{} is no plain file", path.display()),
            Self::OthersWrite(path) => {
                write!(f, "other users may write to {}", path.display())
            }
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl Error for FolderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Link(_) | Self::NotPlain(_) | Self::OthersWrite(_) => None,
        }
    }
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_and_pipes_are_neither_read_nor_written_through() {
        let (folder, path) = folder("links");
        let victim = path.join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, path.join("link")).unwrap();
        let pipe = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path.join("pipe"), FileType::Fifo, pipe, 0).unwrap();
        assert!(matches!(folder.read("link", 10), Err(FolderError::Link(_))));
        assert!(matches!(folder.has_file("link"), Err(FolderError::Link(_))));
        assert!(matches!(folder.read("pipe", 10), Err(FolderError::NotPlain(_))));
        drop(folder.create("link", 0o600).unwrap());
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "the link went, not what it led to");
        symlink(&path, path.join("inner")).unwrap();
        assert!(matches!(folder.enter("inner", 0o700), Err(FolderError::Link(_))));
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_name_that_is_taken_stays_unless_it_may_be_replaced() {
        let (folder, path) = folder("taken");
        fs::write(path.join("old"), "old").unwrap();
        fs::write(path.join("new"), "new").unwrap();
        assert!(folder.rename_beside("new", "old").is_err());
        assert_eq!(fs::read(path.join("old")).unwrap(), b"old");
        folder.rename("new", "old").unwrap();
        assert_eq!(folder.read("old", 2).unwrap().unwrap(), b"ne");
        assert_eq!(folder.read("new", 2).unwrap(), None);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_write_to_or_exchange_is_refused() {
        let (_, path) = folder("shared");
        let open = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o777, 0o1777, 0o702] {
            open(mode);
            let refused = Folder::make(&path, 0o700);
            assert!(matches!(refused, Err(FolderError::OthersWrite(_))), "{mode:o}");
        }
        open(0o777);
        let inner = Folder::make(&path.join("inner"), 0o700);
        assert!(matches!(inner, Err(FolderError::OthersWrite(_))), "it could be exchanged");
        open(0o1777);
        Folder::make(&path.join("inner"), 0o700).unwrap();
        fs::remove_dir_all(path).unwrap();
    }

    fn folder(test: &str) -> (Folder, PathBuf) {
        let path = std::env::temp_dir().join(format!("sysio-folder-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        (Folder::make(&path, 0o700).unwrap(), path)
    }
}
