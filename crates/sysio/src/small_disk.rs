//! A disk of a certain size, which can be filled, emptied and made read-only: for tests. It is memory.
//!
//! Nothing of it is seen outside the thread that made it, and what that thread starts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// Mounted as long as this value lives; to be dropped on the thread that made it.
#[derive(Debug)]
pub struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Gives the calling thread mounts of its own. Threads and programs that it starts later share them.
    ///
    /// # Errors
    /// Where it is not root.
    pub fn private_mounts() -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none = None::<&Path>;
        Ok(mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?)
    }

    /// Puts an empty disk of so many bytes over the folder `place`, after [`SmallDisk::private_mounts`].
    ///
    /// # Errors
    /// Where that can't be done.
    pub fn mount(place: &Path, bytes: u64) -> io::Result<Self> {
        let options = format!("size={bytes},mode=700");
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("none"), place, Some("tmpfs"), flags, Some(options.as_str()))?;
        Ok(Self { place: place.to_owned() })
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// Where something else than a lack of room stops it.
    pub fn fill(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(self.filling())?;
        let block = [0; 4096];
        loop {
            match file.write_all(&block) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                written => written?,
            }
        }
    }

    /// Takes away what filled it.
    ///
    /// # Errors
    /// Where it was not filled.
    pub fn empty(&self) -> io::Result<()> {
        fs::remove_file(self.filling())
    }

    /// Gives the room of a file on it to what fills it.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn eat(&self, file: &str) -> io::Result<()> {
        File::options().write(true).open(self.place.join(file))?.set_len(0)?;
        self.fill()
    }

    /// Has it take no writes, or take them again. Nobody may have a file open for writing.
    ///
    /// # Errors
    /// Where somebody has.
    pub fn set_read_only(&self, read_only: bool) -> io::Result<()> {
        let none = None::<&Path>;
        let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        flags.set(MsFlags::MS_RDONLY, read_only);
        Ok(mount(none, &self.place, none, flags, none)?)
    }

    fn filling(&self) -> PathBuf {
        self.place.join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its end is the end of the mounts' name space at the latest.
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
    }
}
