//! Keys of CAs that earlier releases kept with the records: read once, and forgotten once they are
//! elsewhere. For whoever takes them over, before anybody opens the records.

use std::path::Path;

use crate::error::OpenError;
use crate::records::CaKey;
use crate::sqlite;

/// The CAs whose keys are among the records at `database`; none where there are no records.
///
/// # Errors
/// When the records can't be read.
pub fn ca_keys_read(database: &Path) -> Result<Vec<CaKey>, OpenError> {
    sqlite::ca_keys_read(database)
}

/// Removes these keys from the records, from their free pages and their log too.
///
/// # Errors
/// When the records can't be written.
pub fn ca_keys_forget(database: &Path) -> Result<(), OpenError> {
    sqlite::ca_keys_forget(database)
}
