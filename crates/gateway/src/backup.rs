//! `backup` and `restore`: the data folder in one file, and back into an empty one.
//!
//! A backup is made beside a running gateway, by whoever may read the folder; a restore makes a folder that
//! nobody owns yet. Invariant: a folder that was half restored has no records and a mark, so that nothing
//! starts on it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};
use signer::Place;
use store::{Beside, CopyError, FolderLock};
use zeroize::Zeroizing;

use crate::data::DataDir;
use crate::error::GatewayError;

/// Copies the folder's records and settings into the new file `to`.
///
/// # Errors
/// When the folder can't be read or the file can't be written. Then there is no such file.
pub fn back_up(data: &DataDir, to: &Path) -> Result<(), Failure> {
    back_up_by(data, to, |beside| store::backup(&data.store(), to, beside))
}

fn back_up_by(
    data: &DataDir,
    to: &Path,
    mut copy: impl FnMut(&[Beside]) -> Result<(), CopyError>,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        // The signer's first: its lists are then no newer than the records, which hold all that is on them.
        let keys = keys(data)?;
        let files = keys.iter().cloned().chain([data.config(), data.ca_certificate()]);
        let beside: Result<Vec<_>, _> = files.map(|path| read(data, &path)).collect();
        copy(&beside?).map_err(|error| failure(&error))?;
        // And none came or went meanwhile: the records know of no CA whose key is not in the copy.
        if self::keys(data).is_ok_and(|after| after == keys) {
            return Ok(());
        }
        let _ = fs::remove_file(to);
    }
    Err(on_their_way(data))
}

/// Makes the folder from the backup `from`.
///
/// # Errors
/// When there is something in the folder, or `from` is no whole backup.
pub fn restore(data: &DataDir, from: &Path) -> Result<(), Failure> {
    let made = |error: crate::data::DataError| Failure::from(GatewayError::from(error));
    data.prepare().map_err(made)?;
    let _lock =
        FolderLock::take(data.path()).map_err(|error| Failure::from(GatewayError::from(error)))?;
    look_for_others(data)?;
    let restoring = store::restore(from, &data.store()).map_err(|error| failure(&error))?;
    // First what tells that there were records: a start without them is refused from here on.
    let beside = [data.ca_certificate(), data.config()];
    let write = || {
        for path in &beside {
            let content = restoring.beside.iter().find(|file| Some(&*file.name) == name(path));
            let Some(Beside { content, .. }) = content else { continue };
            data.write_whole(path, content).map_err(made)?;
        }
        let key = |file: &&Beside| file.name.starts_with(KEYS);
        let mut keys = restoring.beside.iter().filter(key).peekable();
        if keys.peek().is_some() {
            data.prepare_ca_keys().map_err(made)?;
        }
        keys.try_for_each(|Beside { name, content }| {
            let place = name.strip_prefix(KEYS).and_then(plain);
            let place = place.ok_or_else(|| strange(from, name))?;
            data.write_whole(&data.ca_keys().join(place), content).map_err(made)
        })
    };
    let done = write().and_then(|()| restoring.finish().map_err(|error| failure(&error)));
    if done.is_err() {
        // So that it can be repeated. What can't be removed is named then.
        beside.iter().for_each(|path| drop(fs::remove_file(path)));
        let _ = fs::remove_dir_all(data.ca_keys());
    }
    done
}

/// Whether a restore into this folder was begun and not finished.
pub(crate) fn is_half_done(data: &DataDir) -> bool {
    data.path().join(HALF_DONE).exists()
}

/// Nothing of somebody's may stand in the folder; what a killed restore left may.
fn look_for_others(data: &DataDir) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("{} can't be read", data.path().display());
        Failure::new(FailureKind::Environment, message).caused_by(&error)
    };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(data.path()).map_err(failed)? {
        names.insert(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    let half_done = names.contains(HALF_DONE);
    let ours = |name: &String| {
        LOCKS.contains(&name.as_str()) || half_done && REMAINS.iter().any(|r| name.starts_with(r))
    };
    match names.iter().find(|name| !ours(name)) {
        None => Ok(()),
        Some(one) => {
            let message = format!("{} is not empty: {one} is in it", data.path().display());
            Err(Failure::new(FailureKind::Conflict, message)
                .hint("name an empty folder with --data, or move away what is in this one"))
        }
    }
}

/// What the signer keeps, but for what it is writing, by name.
fn keys(data: &DataDir) -> Result<BTreeSet<PathBuf>, Failure> {
    let folder = data.ca_keys();
    let place = Place { folder: folder.clone(), records: data.store() };
    let entries = match fs::read_dir(&folder) {
        // A start was killed while it moved the keys, or is about to.
        Err(_) if place.moving().exists() => return Err(on_their_way(data)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(|error| unreadable(&folder, &error))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths: Result<Vec<_>, _> = paths.collect();
    let whole = |path: &PathBuf| name(path).and_then(plain).is_some();
    Ok(paths.map_err(|error| unreadable(&folder, &error))?.into_iter().filter(whole).collect())
}

fn on_their_way(data: &DataDir) -> Failure {
    let message = format!("the CA's keys are on their way into {}", data.ca_keys().display());
    Failure::new(FailureKind::Busy, message)
        .because("a copy that was made meanwhile could lack them")
        .hint("start the gateway once, which moves what is left, and repeat this")
}

/// The name of a file that can stand in a folder, and is no hidden one.
fn plain(name: &str) -> Option<&str> {
    (!name.starts_with('.') && !name.contains('/')).then_some(name)
}

fn strange(from: &Path, name: &str) -> Failure {
    let message = format!("{} has a key of the name {name:?}", from.display());
    Failure::new(FailureKind::Failed, message).hint("no backup of ours has one; use another")
}

fn read(data: &DataDir, path: &Path) -> Result<Beside, Failure> {
    let content = Zeroizing::new(fs::read(path).map_err(|error| unreadable(path, &error))?);
    let name = name(path).unwrap_or_default();
    let name = match path.parent() == Some(&data.ca_keys()) {
        true => format!("{KEYS}{name}"),
        false => name.to_owned(),
    };
    Ok(Beside { name, content })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => FailureKind::Forbidden,
        ErrorKind::NotFound => FailureKind::NotFound,
        _ => FailureKind::Environment,
    };
    let failure = Failure::new(kind, format!("{} can't be read", path.display())).caused_by(error);
    match kind {
        FailureKind::Forbidden => failure
            .hint("a backup has the CA's key in it: make it as root, or as the gateway's own user"),
        _ => failure,
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn failure(error: &CopyError) -> Failure {
    let kind = match error {
        CopyError::Open(error) => return GatewayError::from(error.clone()).into(),
        CopyError::Exists(_) => FailureKind::Conflict,
        CopyError::File { .. } | CopyError::Full { .. } => FailureKind::Environment,
        CopyError::NotACopy(_) | CopyError::Damaged(_) => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.to_string()).hint(error.mend());
    match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    }
}

/// Keys come and go with a CA, and hardly ever.
const TRIES: usize = 5;
/// There while a restore is under way, and after it was killed.
const HALF_DONE: &str = "handfast.db.restoring";
const REMAINS: [&str; 4] = [HALF_DONE, "ca.crt", "ca", "handfast.toml"];
/// What the names of the signer's files begin with in a backup.
const KEYS: &str = "ca/";
const LOCKS: [&str; 2] = ["lock", "handfast.db.lock"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_while_the_records_are_copied_is_in_the_copy() {
        let folder = std::env::temp_dir().join(format!("handfast-backup-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let (data, to) = (DataDir::new(&folder), folder.join("copy"));
        fs::create_dir_all(data.ca_keys()).expect("made");
        for file in [data.config(), data.ca_certificate(), data.ca_keys().join("one.pem")] {
            fs::write(file, "one").expect("written");
        }
        let mut copied = Vec::new();
        let copy = |beside: &[Beside]| {
            fs::write(data.ca_keys().join("two.pem"), "two").expect("written");
            assert!(!to.exists(), "the one without it is gone");
            fs::write(&to, "a copy").expect("written");
            copied = beside.iter().map(|file| file.name.clone()).collect();
            Ok(())
        };
        back_up_by(&data, &to, copy).expect("backed up");
        assert!(copied.contains(&"ca/two.pem".to_owned()), "{copied:?}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
