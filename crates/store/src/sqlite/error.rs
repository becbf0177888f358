//! SQLite's error codes as the store's faults.

use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

use crate::copy::CopyError;
use crate::error::{Cause, Fault, OpenError, StoreError};

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let cause: Cause = Arc::new(error);
        match code {
            Some(ErrorCode::DiskFull) => Self::DiskFull(cause),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(cause),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(cause),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(cause),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io(cause),
            _ => Self::Database(cause),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Fault::from(error).into()
    }
}

/// Whether nobody knows what the disk has.
pub(super) fn is_failed_sync(fault: &Fault) -> bool {
    let Fault::Io(cause) = fault else { return false };
    let code = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error);
    matches!(
        code.map(|e| e.extended_code),
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_become_typed_faults() {
        let fault = |code| {
            let cause = rusqlite::ffi::Error::new(code);
            Fault::from(rusqlite::Error::SqliteFailure(cause, None))
        };
        assert!(matches!(fault(rusqlite::ffi::SQLITE_FULL), Fault::DiskFull(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_BUSY), Fault::Busy(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_IOERR_FSYNC), Fault::Io(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_CORRUPT), Fault::Corrupt(_)));
        assert!(matches!(fault(rusqlite::ffi::SQLITE_MISUSE), Fault::Database(_)));
    }
}
