//! A disk with a file system that gives up while files on it are open, as one does whose disk reports errors.
//!
//! An image on a loop device, formatted as ext4. After [`FailingDisk::fail`] it is read-only until it was
//! unmounted: only [`FailingDisk::mend`] brings it back, and nobody may use it meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounted as long as this value lives, for the thread that made it and what that starts.
#[derive(Debug)]
pub struct FailingDisk {
    image: PathBuf,
    place: PathBuf,
}

impl FailingDisk {
    /// Puts an empty disk of so many bytes, kept in the file `image`, over the folder `place`. The thread has
    /// mounts of its own.
    ///
    /// # Errors
    /// What the machine lacks for it.
    pub fn mount(image: &Path, place: &Path, bytes: u64) -> Result<Self, String> {
        File::create(image)
            .and_then(|file| file.set_len(bytes))
            .map_err(|error| error.to_string())?;
        run("mkfs.ext4", [OsStr::new("-q"), "-F".as_ref(), image.as_ref()])?;
        let disk = Self { image: image.to_owned(), place: place.to_owned() };
        disk.put_in_place()?;
        Ok(disk)
    }

    /// From here on each write and sync is refused, also to files that are open.
    pub fn fail(&self) {
        run("mount", ["-o".as_ref(), "remount,abort".as_ref(), self.place.as_os_str()])
            .expect("the file system gives up");
    }

    /// Has it take writes again. Nobody may have a file open on it.
    pub fn mend(&self) {
        run("umount", [&self.place]).expect("nobody uses it");
        self.put_in_place().expect("mounted again");
    }

    fn put_in_place(&self) -> Result<(), String> {
        let options = ["-o".as_ref(), "loop,nosuid,nodev".as_ref()];
        let places = [self.image.as_os_str(), self.place.as_os_str()];
        run("mount", options.into_iter().chain(places))
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = run("umount", ["-l".as_ref(), self.place.as_os_str()]);
    }
}

fn run<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
