//! The folder profiles are written to: files appear whole, with mode 0600, or not at all.
//!
//! Drive it so: 1. [`Folder::open`] before the key is made, as a key that can't be written is lost;
//! 2. [`Folder::stage`] every file; 3. [`Folder::commit`] puts them in place together. What is staged and
//! can't be put in place stays beside, under the name that the error tells.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use admin::secret::SecretText;
use sysio::FolderError;

/// A folder with files that wait to be put in place.
#[derive(Debug)]
pub struct Folder {
    folder: sysio::Folder,
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    temporary: String,
    name: String,
    replace: Replace,
}

/// Whether a file of that name may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replace {
    /// It was looked at and may go.
    Allowed,
    /// There was none; if one appeared since, fail.
    Never,
}

/// Files that were written and have no place.
#[derive(Debug)]
pub struct NotPlaced {
    /// The first of them, under the name that it has.
    pub kept: PathBuf,
    /// Why.
    pub source: FolderError,
}

impl Folder {
    /// Makes the folder where it is missing (mode 0700) and tries that files can be made in it, and that
    /// there is room for them.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = sysio::Folder::make(path, 0o700)?;
        let probe = format!(".handfast-{}.probe", std::process::id());
        let tried = folder.create(&probe, 0o600).and_then(|mut file| {
            let filled = file.write_all(&[0; ROOM]).and_then(|()| file.sync_all());
            filled.map_err(|source| FolderError::Io { path: folder.path_of(&probe), source })
        });
        folder.remove(&probe)?;
        tried.map(|()| Self { folder, staged: Vec::new() })
    }

    /// Where a file of this name lies.
    pub fn target(&self, name: &str) -> PathBuf {
        self.folder.path_of(name)
    }

    /// Whether a file of this name lies there already.
    pub fn has(&self, name: &str) -> Result<bool, FolderError> {
        self.folder.has_file(name)
    }

    /// The text of a file that lies there already.
    pub fn existing(&self, name: &str) -> Result<Option<SecretText>, FolderError> {
        let bytes = self.folder.read(name, LARGEST)?;
        Ok(bytes.map(|bytes| SecretText::new(String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// Writes a file under a temporary name, down to the disk.
    pub fn stage(&mut self, name: &str, text: &SecretText) -> Result<(), FolderError> {
        let replace = if self.has(name)? { Replace::Allowed } else { Replace::Never };
        let temporary = format!(".{name}.{}.new", std::process::id());
        let mut file = self.folder.create(&temporary, 0o600)?;
        let path = self.folder.path_of(&temporary);
        self.staged.push(Staged { temporary, name: name.to_owned(), replace });
        let written = file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| FolderError::Io { path, source })
    }

    /// Puts every staged file in its place.
    pub fn commit(mut self) -> Result<(), NotPlaced> {
        let staged = std::mem::take(&mut self.staged);
        for file in &staged {
            self.place(file).map_err(|source| NotPlaced {
                kept: self.folder.path_of(&file.temporary),
                source,
            })?;
        }
        self.folder.sync().map_err(|source| NotPlaced { kept: self.target(""), source })
    }

    fn place(&self, file: &Staged) -> Result<(), FolderError> {
        match file.replace {
            Replace::Allowed => self.folder.rename(&file.temporary, &file.name),
            Replace::Never => self.folder.rename_beside(&file.temporary, &file.name),
        }
    }
}

impl Drop for Folder {
    /// What was not committed goes, as it may hold a key.
    fn drop(&mut self) {
        for staged in &self.staged {
            let _ = self.folder.remove(&staged.temporary);
        }
    }
}

/// More than a call writes.
const ROOM: usize = 128 * 1024;
/// Far above any profile.
const LARGEST: u64 = 1 << 20;
