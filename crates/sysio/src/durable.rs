//! Files that are either the old or the new one after a crash, never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Puts `content` in the place of `path`. `prepare` sees the new file before it gets its name.
pub fn replace(
    path: &Path,
    content: &[u8],
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    let temporary = temporary(path)?;
    let file = write_and_name(&temporary, path, content, mode, prepare);
    if file.is_err() {
        // The first error is the one that tells; a leftover is overwritten next time.
        let _ = fs::remove_file(&temporary);
    }
    file
}

/// Removes a file, durably. One that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

fn write_and_name(
    temporary: &Path,
    path: &Path,
    content: &[u8],
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(temporary)?;
    file.write_all(content)?;
    prepare(&file)?;
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
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
