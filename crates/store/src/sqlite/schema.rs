//! The tables, and how a connection to them is set up.
//!
//! Users and devices are never deleted, only marked as removed: certificates and events go on
//! naming them, and an id is never used again. CRLs are kept only in their latest state, as the log
//! tells of all.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::migration::{APPLICATION_ID, VERSION, migrate, version};
use crate::error::OpenError;

/// How long to wait for a lock inside the database, which only a stranger can hold for long.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a copy is made between two looks at the database's lock.
const PAGES_AT_ONCE: i32 = 4096;

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

/// Opens for writing what is there, and leaves the tables as they are.
pub(crate) fn open_former(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    identify(&conn, path)?;
    set_up(&conn, path, true)?;
    Ok(conn)
}

/// Opens a copy, in memory, of a database on a disk that can't be written: SQLite's log wants files
/// beside the database. The caller holds the owner's lock, as none is taken here.
pub(crate) fn open_copy(path: &Path) -> Result<Connection, OpenError> {
    let source = open_source(path)?;
    let found = version(&source)?;
    if found < VERSION {
        return Err(OpenError::SchemaOlder { found, known: VERSION });
    }
    let mut copy = Connection::open_in_memory()?;
    Backup::new(&source, &mut copy)?.run_to_completion(PAGES_AT_ONCE, Duration::ZERO, None)?;
    copy.pragma_update(None, "foreign_keys", true)?;
    Ok(copy)
}

/// Opens what nobody has open, and makes no file beside it.
pub(crate) fn open_source(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Absent(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = match has_log(path) {
        true => Connection::open_with_flags_and_vfs(path, flags, c"unix-none")?,
        false => Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
    };
    // The log's index is kept in memory then, and not in a file.
    source.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    identify(&source, path)?;
    Ok(source)
}

/// Opens for reading, whatever the disk.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    match is_read_only(path) {
        true => open_copy(path),
        false => open_read_only(path),
    }
}

/// Whether the disk with this file takes no writes.
pub(crate) fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// The file as one that nobody changes.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = OsString::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => uri.push(format!("%{byte:02X}")),
            byte => uri.push(OsStr::from_bytes(&[*byte])),
        }
    }
    uri.push("?immutable=1");
    uri.into()
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
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
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
