//! The one place on the disk where the demo puts files.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};

/// A folder that nobody else may enter; it goes with its value.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make() -> Result<Self, Failure> {
        let base = std::env::temp_dir();
        for number in 0..1000 {
            let path = base.join(format!("handfast-demo-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                // Never one that is there already: somebody else may have put it there.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, &error)),
                Ok(()) => return Ok(Self(path)),
            }
        }
        Err(Failure::new(FailureKind::Environment, format!("{} is full of demos", base.display()))
            .hint("remove the folders handfast-demo-* in it"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a folder inside.
    pub(super) fn inner(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.file(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| failed(&path, &e))?;
        Ok(path)
    }

    /// Writes a file inside.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        fs::write(path, text).map_err(|e| failed(path, &e))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Environment, format!("{} can't be written", path.display()))
        .caused_by(error)
        .hint("name another place with TMPDIR")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_folder_is_closed_to_others_and_goes_with_its_value() {
        let folder = Folder::make().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        folder.inner("data").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
