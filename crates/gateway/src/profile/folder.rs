//! The folder profiles are written to: files appear whole, with mode 0600, or not at all.
//!
//! Drive it so: 1. [`Folder::open`] before the key is made, as a key that can't be written is lost;
//! 2. [`Folder::stage`] every file; 3. [`Folder::commit`] puts them in place together.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use admin::secret::SecretText;

/// A folder with files that wait to be put in place.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    replace: Replace,
}

/// Whether a file of that name may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// It was looked at and may go.
    Allowed,
    /// There was none; if one appeared since, fail.
    Never,
}

impl Folder {
    /// Makes the folder where it is missing (mode 0700) and tries that files can be made in it.
    pub fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let probe = path.join(format!(".handfast-{}.probe", std::process::id()));
        create_private(&probe)?;
        fs::remove_file(&probe)?;
        Ok(Self { path: path.to_owned(), staged: Vec::new() })
    }

    /// Where a file of this name lies.
    pub fn target(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of a file that lies there already.
    pub fn existing(&self, name: &str) -> io::Result<Option<SecretText>> {
        match fs::read(self.target(name)) {
            Ok(bytes) => Ok(Some(SecretText::new(String::from_utf8_lossy(&bytes).into_owned()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file under a temporary name, down to the disk.
    pub fn stage(&mut self, name: &str, text: &SecretText, replace: Replace) -> io::Result<()> {
        let temporary = self.path.join(format!(".{name}.{}.new", std::process::id()));
        let mut file = create_private(&temporary)?;
        self.staged.push(Staged { temporary, target: self.target(name), replace });
        file.write_all(text.expose().as_bytes())?;
        file.sync_all()
    }

    /// Puts every staged file in its place.
    pub fn commit(mut self) -> io::Result<()> {
        for staged in &self.staged {
            staged.place()?;
        }
        self.staged.clear();
        File::open(&self.path)?.sync_all()
    }
}

impl Drop for Folder {
    /// What was not committed goes, as it may hold a key.
    fn drop(&mut self) {
        for staged in &self.staged {
            let _ = fs::remove_file(&staged.temporary);
        }
    }
}

impl Staged {
    fn place(&self) -> io::Result<()> {
        match self.replace {
            Replace::Allowed => fs::rename(&self.temporary, &self.target),
            Replace::Never => match fs::hard_link(&self.temporary, &self.target) {
                Ok(()) => fs::remove_file(&self.temporary),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
                // A file system without hard links, a memory stick for one.
                Err(_) if !self.target.exists() => fs::rename(&self.temporary, &self.target),
                Err(error) => Err(error),
            },
        }
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
