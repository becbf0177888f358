//! Settings by a rewritten resolv.conf.
//!
//! Order of things: the former content is on disk before the file is touched, and the backup goes
//! only after the file is as it was. The backup is locked by the process whose tunnel it belongs
//! to, so that a start tells a killed one from a running one. What somebody else has written over
//! ours is left as it is at the end; meanwhile [`Rewritten::keep`] takes it for the new former content.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{DnsError, DnsSettings, DomainName, io_error};
use crate::durable;

/// A rewritten file.
#[derive(Debug)]
pub(super) struct Rewritten {
    backup: PathBuf,
    kept: Backup,
    content: String,
    lock: File,
}

/// What a file said before it was rewritten.
#[derive(Debug, Serialize, Deserialize)]
struct Backup {
    /// The file itself, links followed.
    place: PathBuf,
    /// `None` if it did not exist.
    former: Option<Vec<u8>>,
}

pub(super) fn apply(
    settings: &DnsSettings,
    file: &Path,
    backup: &Path,
) -> Result<Rewritten, DnsError> {
    recover(backup)?;
    let place = resolve(file).map_err(|error| io_error(file, error))?;
    let former = match fs::read(&place) {
        Ok(content) => Some(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_error(&place, error)),
    };
    let rewritten = Rewritten::begin(backup, Backup { place, former }, settings)?;
    if let Err(error) = write(&rewritten.kept.place, rewritten.content.as_bytes()) {
        let error = io_error(&rewritten.kept.place, error);
        // The first error is the one that tells; the backup stays if this fails too.
        let _ = rewritten.put_back();
        return Err(error);
    }
    Ok(rewritten)
}

pub(super) fn recover(backup: &Path) -> Result<bool, DnsError> {
    let lock = match File::open(backup) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|error| io_error(backup, error))?,
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(DnsError::Taken { backup: backup.to_owned() });
        }
        Err(errno) => return Err(io_error(backup, errno.into())),
    }
    let kept = fs::read(backup).map_err(|error| io_error(backup, error))?;
    let kept = serde_json::from_slice(&kept)
        .map_err(|source| DnsError::Damaged { backup: backup.to_owned(), source })?;
    Rewritten { backup: backup.to_owned(), kept, content: String::new(), lock }.put_back()?;
    Ok(true)
}

impl Rewritten {
    fn begin(backup: &Path, kept: Backup, settings: &DnsSettings) -> Result<Self, DnsError> {
        let io = |error| io_error(backup, error);
        if let Some(folder) = backup.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let record = serde_json::to_vec(&kept).map_err(|error| io(error.into()))?;
        let lock = durable::replace(backup, &record, 0o600, |file| {
            Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?)
        });
        let content = content(settings, kept.former.as_deref().unwrap_or_default(), backup);
        Ok(Self { backup: backup.to_owned(), kept, content, lock: lock.map_err(io)? })
    }

    /// Writes the settings again where somebody else has overwritten them. Whether it had to.
    pub(super) fn keep(&mut self, settings: &DnsSettings, file: &Path) -> Result<bool, DnsError> {
        let place = resolve(file).map_err(|error| io_error(file, error))?;
        let moved = place != self.kept.place;
        let found = match fs::read(&place) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(&place, error)),
        };
        let present = found.as_deref().unwrap_or_default();
        if !moved && present == self.content.as_bytes() {
            return Ok(false);
        }
        if present.starts_with(MARK.as_bytes()) && (moved || !self.is_part(present)) {
            // Another tunnel of ours: who wrote last has it.
            return Ok(false);
        }
        if moved || !self.is_part(present) {
            let kept = Backup { place, former: found };
            let former = std::mem::replace(self, Self::begin(&self.backup, kept, settings)?);
            if moved {
                former.put_back_content()?;
            }
        }
        let place = &self.kept.place;
        write(place, self.content.as_bytes()).map_err(|error| io_error(place, error))?;
        Ok(true)
    }

    /// What a crash in the middle, or somebody who has only begun to write, leaves of ours.
    fn is_part(&self, present: &[u8]) -> bool {
        self.content.as_bytes().starts_with(present)
    }

    pub(super) fn former_servers(&self) -> Vec<IpAddr> {
        servers_in(self.kept.former.as_deref().unwrap_or_default())
    }

    pub(super) fn put_back(&self) -> Result<(), DnsError> {
        self.put_back_content()?;
        durable::remove(&self.backup).map_err(|error| io_error(&self.backup, error))
    }

    fn put_back_content(&self) -> Result<(), DnsError> {
        let place = &self.kept.place;
        let done = match &self.kept.former {
            _ if !is_ours(place) => Ok(()),
            Some(former) => write(place, former),
            None => durable::remove(place),
        };
        done.map_err(|error| io_error(place, error))
    }
}

impl Drop for Rewritten {
    fn drop(&mut self) {
        // Closing alone would leave the lock to copies in programs that are just being started.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// The file that a path leads to, be it there or not.
fn resolve(file: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(file) {
            Ok(target) => Ok(file.parent().unwrap_or(Path::new("/")).join(target)),
            Err(_) => Ok(file.to_owned()),
        },
        other => other,
    }
}

/// The addresses behind `nameserver`, at most as many as the C library asks.
pub(super) fn servers_in(content: &[u8]) -> Vec<IpAddr> {
    let content = String::from_utf8_lossy(content);
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    };
    content.lines().filter_map(address).take(MOST_SERVERS).collect()
}

fn content(settings: &DnsSettings, former: &[u8], backup: &Path) -> String {
    let mut text = format!("{MARK} for {}.\n", settings.interface);
    // Writing into a string can't fail.
    let _ = writeln!(text, "# The former content is in {} and comes back.", backup.display());
    for server in &settings.servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !settings.search.is_empty() {
        let search: Vec<_> = settings.search.iter().map(DomainName::as_str).collect();
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    let former = String::from_utf8_lossy(former);
    for options in former.lines().filter(|line| line.starts_with("options")) {
        let _ = writeln!(text, "{options}");
    }
    text
}

/// Whether the file is the one we wrote, or what is left of it after a crash in the middle.
fn is_ours(place: &Path) -> bool {
    match fs::read(place) {
        Ok(content) => {
            content.starts_with(MARK.as_bytes()) || MARK.as_bytes().starts_with(&content)
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Replaces the file as a whole or, where it is a mount of its own as in containers, in place.
fn write(place: &Path, content: &[u8]) -> io::Result<()> {
    if durable::replace(place, content, 0o644, |_| Ok(())).is_ok() {
        return Ok(());
    }
    let mut file = File::options().write(true).create(true).truncate(true).open(place)?;
    file.write_all(content)?;
    file.sync_all()
}

const MARK: &str = "# Written by handfast";
const MOST_SERVERS: usize = 3;

#[cfg(test)]
mod tests;
