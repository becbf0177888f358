//! All records in one file, and the way back from it.
//!
//! The file is a database by itself; what stands beside the records in the data folder goes with them, in
//! a table of its own. It is written under another name and gets its own when the disk has all of it.
//! Invariant: what has the name that was asked for is whole, and nobody but its owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, params};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use zeroize::Zeroizing;

use super::chain;
use super::schema::{self, open_source, sync_folder};
use crate::copy::{Beside, CopyError};

/// Copies the records at `database` into the new file `to`.
pub(crate) fn backup(database: &Path, to: &Path, beside: &[Beside]) -> Result<(), CopyError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(CopyError::Exists(to.to_owned()));
    }
    let source = schema::open_to_read(database)?;
    write(&source, to, beside).map_err(|error| error.of_the_copy(to))
}

fn write(source: &Connection, to: &Path, beside: &[Beside]) -> Result<(), CopyError> {
    let partial = Partial::make(to, ".partial")?;
    let copy = partial.fill_from(source)?;
    copy.execute_batch(
        "CREATE TABLE beside (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT",
    )?;
    for Beside { name, content } in beside {
        copy.execute("INSERT INTO beside VALUES (?, ?)", params![name, **content])?;
    }
    close(copy)?;
    partial.finish()
}

/// A copy that was read back, in a file beside its place.
#[derive(Debug)]
pub struct Restoring {
    partial: Partial,
    /// What stood beside the records.
    pub beside: Vec<Beside>,
}

/// Reads the copy `from` back, and finds it whole. `database` is not there yet, and is not made before
/// [`Restoring::finish`].
pub(crate) fn restore(from: &Path, database: &Path) -> Result<Restoring, CopyError> {
    let source = open_source(from)?;
    look_at(&source, from)?;
    read_back(&source, database).map_err(|error| error.of_the_copy(database))
}

fn read_back(source: &Connection, database: &Path) -> Result<Restoring, CopyError> {
    let partial = Partial::make(database, RESTORING)?;
    let copy = partial.fill_from(source)?;
    let beside = copy
        .prepare("SELECT name, content FROM beside ORDER BY name")?
        .query_map([], |row| {
            Ok(Beside { name: row.get(0)?, content: Zeroizing::new(row.get(1)?) })
        })?
        .collect::<Result<_, _>>()?;
    copy.execute_batch("DROP TABLE beside")?;
    close(copy)?;
    Ok(Restoring { partial, beside })
}

impl Restoring {
    /// Puts the records in their place.
    ///
    /// # Errors
    /// Where something stands there, or the disk does not take it.
    pub fn finish(self) -> Result<(), CopyError> {
        let place = self.partial.place.clone();
        self.partial.finish().map_err(|error| error.of_the_copy(&place))
    }
}

/// Each page and each event, before anybody relies on them.
fn look_at(source: &Connection, from: &Path) -> Result<(), CopyError> {
    let with_table = "SELECT count(*) FROM sqlite_schema WHERE name = 'beside' AND type = 'table'";
    if source.query_row(with_table, [], |row| row.get::<_, i64>(0))? == 0 {
        return Err(CopyError::NotACopy(from.to_owned()));
    }
    let found: String = source.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let chain = chain::verify(source)?;
    match (found.as_str(), chain.fault) {
        ("ok", None) => Ok(()),
        _ => Err(CopyError::Damaged(from.to_owned())),
    }
}

/// A file that is being written beside its place. What a killed process left of one goes first.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    place: PathBuf,
    /// The file as it was made: another process may have put its own under the same name.
    made: File,
}

impl Partial {
    fn make(place: &Path, ending: &str) -> Result<Self, CopyError> {
        let path = with_ending(place, ending);
        let new = || {
            remove(&path)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)
        };
        match new() {
            Ok(made) => Ok(Self { path, place: place.to_owned(), made }),
            Err(source) => Err(CopyError::File { path, source: Arc::new(source) }),
        }
    }

    /// All of the source, as of one moment.
    fn fill_from(&self, source: &Connection) -> Result<Connection, CopyError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut copy = Connection::open_with_flags(&self.path, flags)?;
        copy.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        Backup::new(source, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
        // One file from here on, and no keys in what is left of rows.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        copy.pragma_update(None, "secure_delete", true)?;
        Ok(copy)
    }

    fn finish(self) -> Result<(), CopyError> {
        let put = || -> io::Result<()> {
            self.made.sync_all()?;
            let (ours, there) = (self.made.metadata()?, fs::symlink_metadata(&self.path)?);
            if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            renameat_with(CWD, &self.path, CWD, &self.place, RenameFlags::NOREPLACE)?;
            sync_folder(&self.place)
        };
        put().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CopyError::Exists(self.place.clone()),
            _ => self.fault(error),
        })
    }

    fn fault(&self, source: io::Error) -> CopyError {
        CopyError::File { path: self.path.clone(), source: Arc::new(source) }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After its end there is nothing of that name; and what fails here is removed the next time.
        let _ = remove(&self.path);
    }
}

/// The database file of this name, and what SQLite keeps beside it.
fn remove(path: &Path) -> io::Result<()> {
    for ending in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(with_ending(path, ending)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn close(copy: Connection) -> Result<(), CopyError> {
    copy.close().map_err(|(_, error)| error.into())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What a database is called while it is restored.
const RESTORING: &str = ".restoring";
