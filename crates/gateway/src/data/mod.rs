//! The data folder: where everything a gateway must not lose stands, and who owns it.
//!
//! The folder and what is in it are readable by the owner alone. Where the group `handfast`
//! exists its members may pass through the folder to the control socket, nothing else.
//! Invariant: whoever changes anything in the folder holds its [`FolderLock`](store::FolderLock).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use error::DataError;
pub(crate) use group::shares;
pub use group::{HANDFAST_GROUP, group_id, user_name};

use crate::config;

mod error;
mod group;

/// The layout of a data folder. Creating the value touches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings.
    pub fn config(&self) -> PathBuf {
        self.path.join(config::FILE_NAME)
    }

    /// The records and their events.
    pub fn store(&self) -> PathBuf {
        self.path.join("handfast.db")
    }

    /// The keys of the CAs, which the signer alone reads.
    pub fn ca_keys(&self) -> PathBuf {
        self.path.join("ca")
    }

    /// Where a running gateway takes commands.
    pub fn socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// The CA's certificate, written when the first start has made it: a folder that has this file had
    /// records.
    pub fn ca_certificate(&self) -> PathBuf {
        self.path.join("ca.crt")
    }

    /// The administrator's programs, by the event that they are started for.
    pub fn hooks(&self) -> PathBuf {
        self.path.join("hooks.d")
    }

    /// What has to be put back after a crash: forwarding, firewall table, routes.
    pub fn undo_record(&self) -> PathBuf {
        self.path.join("undo")
    }

    /// Whether it is certain that no first start has been here. A folder that we may not look into
    /// is not empty.
    pub fn is_empty(&self) -> bool {
        let absent = |path: PathBuf| matches!(path.try_exists(), Ok(false));
        absent(self.store()) && absent(self.config())
    }

    /// Makes the folder where it is missing, and narrows its mode where it is too wide.
    pub fn prepare(&self) -> Result<(), DataError> {
        let failed = |source| DataError::Folder { path: self.path.clone(), source };
        if !self.path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(failed)?;
            sync_folder(self.path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        }
        let meta = fs::metadata(&self.path).map_err(failed)?;
        if !meta.is_dir() {
            return Err(DataError::NotAFolder { path: self.path.clone() });
        }
        let owner = own_uid();
        if meta.uid() != owner {
            let path = self.path.clone();
            return Err(DataError::WrongOwner { path, owner: meta.uid(), us: owner });
        }
        self.narrow(&meta).map_err(failed)
    }

    /// 0700, or 0710 for the group `handfast` where there is one and we may.
    fn narrow(&self, meta: &fs::Metadata) -> io::Result<()> {
        let mode = if shares(&self.path, meta) { 0o710 } else { 0o700 };
        if meta.mode() & 0o777 != mode {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Makes the folder of the CAs' keys, for what is put back into it.
    pub(crate) fn prepare_ca_keys(&self) -> Result<(), DataError> {
        let path = self.ca_keys();
        let made = signer::Vault::at(&path).make();
        made.map_err(|source| DataError::Folder { path, source })
    }

    /// Writes a file whole or not at all, readable by the folder's owner alone, also where root writes it.
    pub fn write_whole(&self, path: &Path, text: &[u8]) -> Result<(), DataError> {
        let failed = |source| DataError::Write { path: path.to_owned(), source };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = path.with_file_name(name);
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&temporary)?;
            if own_uid() == 0 {
                let folder = fs::metadata(&self.path)?;
                std::os::unix::fs::fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
            }
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            sync_folder(path.parent().unwrap_or(&self.path))
        };
        write().map_err(failed)
    }
}

/// The user this process acts as.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempFolder;

    #[test]
    fn the_folder_is_made_for_its_owner_alone() {
        let temp = TempFolder::new();
        let data = DataDir::new(temp.path().join("a/b"));
        data.prepare().expect("made");
        let mode = fs::metadata(data.path()).expect("there").mode() & 0o777;
        assert_eq!(mode & 0o067, 0, "{mode:o}");
    }

    #[test]
    fn a_folder_that_others_could_read_is_narrowed() {
        let temp = TempFolder::new();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).expect("widened");
        DataDir::new(temp.path()).prepare().expect("prepared");
        let mode = fs::metadata(temp.path()).expect("there").mode() & 0o777;
        assert_eq!(mode & 0o067, 0, "{mode:o}");
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let temp = TempFolder::new();
        let data = DataDir::new(temp.path());
        data.write_whole(&data.config(), b"one").expect("written");
        data.write_whole(&data.config(), b"two").expect("replaced");
        assert_eq!(fs::read(data.config()).expect("there"), b"two");
        assert_eq!(fs::metadata(data.config()).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(temp.path()).expect("listed").count(), 1);
    }
}
