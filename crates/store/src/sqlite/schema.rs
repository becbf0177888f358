//! The tables, and how a connection to them is set up.
//!
//! Users and devices are never deleted, only marked as removed: certificates and events go on
//! naming them, and an id is never used again. CRLs are kept only in their latest state, as the log
//! tells of all.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migration::{APPLICATION_ID, VERSION, migrate, version};
use crate::error::OpenError;

/// How long to wait for a lock inside the database, which only a stranger can hold for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens for writing: makes the file where there is none, and brings the tables up to date.
pub(crate) fn open_owned(path: &Path, synced: bool) -> Result<Connection, OpenError> {
    make_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    identify(&conn, path)?;
    set_up(&conn, path, synced)?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens for reading, beside the owner or without one.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Absent(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    identify(&conn, path)?;
    let found = version(&conn)?;
    if found < VERSION {
        return Err(OpenError::SchemaOlder { found, known: VERSION });
    }
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// The database holds private keys: it is made with mode 0600, which SQLite gives its log as well.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let fault = |source| OpenError::File { path: path.to_owned(), source: Arc::new(source) };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => sync_folder(path).map_err(fault),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault(error)),
    }
}

/// A file is there after a power cut only once its folder was synced.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

fn identify(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let id = conn.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    let id = match id {
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        id => id?,
    };
    let empty = version(conn)? == 0 && table_count(conn)? == 0;
    if id != APPLICATION_ID && !empty {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let found = version(conn)?;
    if found > VERSION {
        return Err(OpenError::SchemaNewer { found, known: VERSION });
    }
    Ok(())
}

fn set_up(conn: &Connection, path: &Path, synced: bool) -> Result<(), OpenError> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(64);
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get(0))?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog(path.to_owned()));
    }
    conn.pragma_update(None, "synchronous", if synced { "FULL" } else { "OFF" })?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // Replaced keys are overwritten with zeros.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // The writer makes its checkpoints itself: SQLite would swallow their errors.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}

fn table_count(conn: &Connection) -> Result<i64, OpenError> {
    Ok(conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}
