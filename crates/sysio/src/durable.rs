//! Files that are either the old or the new one after a crash, never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Puts `content` in the place of `path`. `prepare` sees the new file, which is empty still and has no name that anybody
/// looks for.
pub fn replace(
    path: &Path,
    content: &[u8],
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    let temporary = temporary(path)?;
    let file = created(&temporary, mode)?;
    let filled = fill_and_name(file, &temporary, path, content, prepare);
    if filled.is_err() {
        // The first error is the one that tells; a leftover goes next time.
        let _ = fs::remove_file(&temporary);
    }
    filled
}

/// Removes a file, durably. One that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

/// A file of one's own, also in a folder where others may put theirs, or links to somebody else's.
fn created(temporary: &Path, mode: u32) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary);
    match create() {
        // Left by one that was killed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            create()
        }
        made => made,
    }
}

fn fill_and_name(
    mut file: File,
    temporary: &Path,
    path: &Path,
    content: &[u8],
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    prepare(&file)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_folder(path)?;
    Ok(file)
}

fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        None => Path::new("/"),
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Is gone with what is in it when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let name = format!("handfast-durable-{test}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_that_stands_in_the_temporary_files_place() {
        let folder = Scratch::new("link");
        let (path, other) = (folder.0.join("file"), folder.0.join("other"));
        fs::write(&other, "somebody else's").expect("written");
        symlink(&other, temporary(&path).expect("a name")).expect("a link");
        replace(&path, b"ours", 0o600, |_| Ok(())).expect("replaced");
        assert_eq!(fs::read(&other).expect("read"), b"somebody else's");
        assert_eq!(fs::read(&path).expect("read"), b"ours");
        assert!(path.symlink_metadata().expect("there").is_file());
    }

    #[test]
    fn what_is_prepared_holds_before_anything_is_in_the_file() {
        let folder = Scratch::new("prepared");
        let path = folder.0.join("file");
        let private = |file: &File| {
            assert_eq!(file.metadata()?.len(), 0);
            file.set_permissions(fs::Permissions::from_mode(0o600))
        };
        replace(&path, b"ours", 0o666, private).expect("replaced");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_fails_leaves_the_former_file_and_nothing_beside_it() {
        let folder = Scratch::new("failed");
        let path = folder.0.join("file");
        fs::write(&path, "the former").expect("written");
        let refused = |_: &File| Err(io::ErrorKind::PermissionDenied.into());
        replace(&path, b"ours", 0o600, refused).expect_err("refused");
        assert_eq!(fs::read(&path).expect("read"), b"the former");
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1);
    }
}
