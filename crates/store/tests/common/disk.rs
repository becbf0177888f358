//! A disk that keeps only what was synced: file contents by a sync of the file, names by a sync of
//! the folder. Of the rest a power cut leaves what chance wants: nothing, everything, or any part of
//! it in any order, down to single sectors of a write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Seeded;
use super::trace::Step;

const SECTOR: usize = 512;

#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Names as the running system sees them, and as the disk has them.
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Pending>,
}

enum Pending {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// How much of what was not synced is there after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    Nothing,
    Everything,
    Some,
}

impl Disk {
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Create { path } if concerns(path) => self.create(path),
            Step::Write { path, offset, bytes } if concerns(path) => {
                self.file(path).pending.push(Pending::Write(*offset, bytes.clone()));
            }
            Step::Truncate { path, length } if concerns(path) => {
                self.file(path).pending.push(Pending::Truncate(*length));
            }
            Step::Unlink { path } => {
                self.names.remove(path);
            }
            Step::Sync { path } if concerns(path) => self.file(path).sync(),
            Step::Sync { path } => self.sync_folder(path),
            _ => {}
        }
    }

    /// Writes to `folder` what a power cut leaves.
    pub(crate) fn cut_power(&self, seeded: &mut Seeded, folder: &Path) {
        let luck = match seeded.below(4) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            _ => Luck::Some,
        };
        let all: BTreeSet<&String> = self.names.keys().chain(self.synced_names.keys()).collect();
        for name in all {
            let number = match luck.keeps(seeded) {
                true => self.names.get(name),
                false => self.synced_names.get(name),
            };
            if let Some(number) = number {
                let bytes = self.files[*number].after_cut(luck, seeded);
                std::fs::write(folder.join(Path::new(name).file_name().unwrap()), bytes).unwrap();
            }
        }
    }

    fn create(&mut self, path: &str) {
        if !self.names.contains_key(path) {
            self.names.insert(path.to_owned(), self.files.len());
            self.files.push(File::default());
        }
    }

    fn file(&mut self, path: &str) -> &mut File {
        let number = *self.names.get(path).unwrap_or_else(|| panic!("{path} was never created"));
        &mut self.files[number]
    }

    fn sync_folder(&mut self, folder: &str) {
        let inside = |path: &str| Path::new(path).parent() == Some(Path::new(folder));
        self.synced_names.retain(|path, _| !inside(path));
        let names = self.names.iter().filter(|(path, _)| inside(path));
        self.synced_names.extend(names.map(|(path, number)| (path.clone(), *number)));
    }
}

impl File {
    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced, |_| true);
        }
    }

    fn after_cut(&self, luck: Luck, seeded: &mut Seeded) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for change in &self.pending {
            if luck.keeps(seeded) {
                // Half of the writes that survive do so in parts.
                let torn = luck == Luck::Some && seeded.below(2) == 0;
                change.apply(&mut bytes, |_| !torn || seeded.below(2) == 0);
            }
        }
        bytes
    }
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>, mut keeps: impl FnMut(usize) -> bool) {
        match self {
            Self::Truncate(length) => bytes.resize(*length, 0),
            Self::Write(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                let sectors = written.chunks(SECTOR).enumerate();
                for (at, sector) in sectors.filter(|(number, _)| keeps(*number)) {
                    let start = offset + at * SECTOR;
                    bytes[start..start + sector.len()].copy_from_slice(sector);
                }
            }
        }
    }
}

impl Luck {
    fn keeps(self, seeded: &mut Seeded) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some => seeded.below(2) == 0,
        }
    }
}

/// The database, its log and its journal. Shared memory and the lock file mean nothing after a
/// restart.
fn concerns(path: &str) -> bool {
    path.ends_with("store.db") || path.ends_with("store.db-wal") || path.ends_with("-journal")
}
