//! Room that is kept free: a file beside the database, made smaller when the disk is full and a change
//! that withdraws a right has to be written.
//!
//! Not on file systems that can't reserve room (`fallocate`). Invariant: what is given up is asked back
//! after each use, so that nothing else of ours lives on it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

/// The file, and how much of it holds room.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: Option<File>,
    bytes: u64,
    wanted: u64,
}

impl Reserve {
    /// What a former owner left. Nothing is taken from the disk yet.
    pub(crate) fn beside(database: &Path, wanted: u64) -> Self {
        let mut options = OpenOptions::new();
        options.write(true).create(wanted > 0).truncate(false).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(path_beside(database)).ok();
        let bytes = file.as_ref().map_or(0, room_in);
        Self { file, bytes, wanted }
    }

    /// How much room is kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives a piece back to the disk. `false` if there is none.
    pub(crate) fn give_up(&mut self) -> bool {
        if self.bytes == 0 {
            return false;
        }
        self.resize(self.bytes.saturating_sub(STEP));
        true
    }

    /// Takes what is wanted, as far as the disk has it.
    pub(crate) fn fill(&mut self) {
        while self.is_short() && self.take_step() {
            self.bytes += STEP;
        }
    }

    /// Whether there could be more of it one day.
    pub(crate) fn is_short(&self) -> bool {
        self.file.is_some() && self.bytes < self.wanted
    }

    fn take_step(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let taken = fallocate(file, FallocateFlags::empty(), self.bytes, STEP);
        match taken {
            Ok(()) => return true,
            // It can't be had here, now or later.
            Err(Errno::NOTSUP | Errno::NOSYS) => self.file = None,
            // The piece may be there in part.
            Err(_) => drop(file.set_len(self.bytes)),
        }
        false
    }

    fn resize(&mut self, bytes: u64) {
        let Some(file) = &self.file else { return };
        // Some file systems have the room back only after the change was written down.
        let _ = file.set_len(bytes).and_then(|()| file.sync_all());
        self.bytes = bytes;
    }
}

fn path_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".reserve");
    PathBuf::from(name)
}

/// A copy of the file may have holes where the room was.
fn room_in(file: &File) -> u64 {
    let Ok(meta) = file.metadata() else { return 0 };
    if meta.blocks() * 512 >= meta.len() { meta.len() } else { 0 }
}

/// A change with its CRL fits into one.
const STEP: u64 = 128 << 10;
