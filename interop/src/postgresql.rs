//! Where Debian keeps PostgreSQL's own programs: in a folder for each version, and in no search path.

use std::fs;
use std::path::PathBuf;

/// The folder with those of the newest version that is installed.
pub fn postgresql_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists()).max()
}
