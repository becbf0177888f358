//! Backups: all records in one file, also while their owner runs, and the way back.

use std::path::Path;

use crate::copy::{Beside, CopyError};
use crate::sqlite;

pub use crate::sqlite::Restoring;

/// Copies the records at `database` as they are at one moment, and `beside`, into the new file `to`. The
/// copy is as secret as the records.
///
/// # Errors
/// When the records can't be read or the file can't be written. Then no file has that name.
pub fn backup(database: &Path, to: &Path, beside: &[Beside]) -> Result<(), CopyError> {
    sqlite::backup(database, to, beside)
}

/// Reads the copy `from` back for `database`, which must not be there:
///
/// 1. have it read and looked at;
/// 2. put back what stood beside the records;
/// 3. [`Restoring::finish`] puts the records in their place.
///
/// # Errors
/// When it is no copy or not whole, or can't be written.
pub fn restore(from: &Path, database: &Path) -> Result<Restoring, CopyError> {
    sqlite::restore(from, database)
}
