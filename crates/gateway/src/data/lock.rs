//! One owner: an advisory lock on a file in the data folder, dropped by the kernel with its holder.
//!
//! A process that died holds no lock, whatever it left lying about; so the lock, not the presence
//! of a socket or a process number, tells whether a gateway runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{DataDir, DataError};

/// The right to change the data folder, as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(data: &DataDir) -> Result<Self, DataError> {
        let failed = |source| DataError::Folder { path: data.path().to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(data.lock_file()).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                return Err(DataError::Busy { path: data.path().to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // For people and messages only; who reads it knows that it may be stale.
        let _ = note_holder(&mut file);
        Ok(Self { _file: file })
    }
}

fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempFolder;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let temp = TempFolder::new();
        let data = DataDir::new(temp.path());
        let first = Lock::take(&data).expect("free");
        match Lock::take(&data) {
            Err(DataError::Busy { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&data).expect("free again");
    }
}
