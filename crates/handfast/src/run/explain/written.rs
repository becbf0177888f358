//! Where a story is written: in a former one's place, whole or not at all, and over nothing that it is told from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use admin::failure::{Failure, FailureKind};

use super::super::output::Output;
use crate::args::order::Written;

/// Prints it, or writes it where it was asked to be.
pub(super) fn put(text: String, written: &Written) -> Result<Output, Failure> {
    let Some(out) = &written.out else { return Ok(Output::done(text)) };
    replace(out, text.as_bytes()).map_err(|error| unwritable(out, &error))?;
    Ok(Output::done(format!("{}\n", out.display())))
}

/// Refuses to write where any of those stands, or will stand: the same file under whatever name.
pub(super) fn keep<'a>(
    written: &Written,
    others: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    let Some(out) = &written.out else { return Ok(()) };
    match others.into_iter().find(|other| is_same(out, other)) {
        None => Ok(()),
        Some(other) => {
            let message = format!("-o {} would write over {}", out.display(), other.display());
            Err(Failure::new(FailureKind::Conflict, message)
                .because("it is another file of this very command")
                .hint("name another file with -o"))
        }
    }
}

pub(super) fn unwritable(file: &Path, error: &io::Error) -> Failure {
    let failure =
        Failure::new(FailureKind::Environment, format!("{} can't be written", file.display()));
    failure.caused_by(error)
}

/// One file has one number on its file system, whichever names lead there; one that is not there yet has one place.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        (Err(_), Err(_)) => place(one).is_some_and(|one| place(other) == Some(one)),
        _ => false,
    }
}

/// Where a file would come to stand that is not there yet.
fn place(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder(&path).join(target);
    }
    Some(folder(&path).canonicalize().ok()?.join(path.file_name()?))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != "").unwrap_or(Path::new("."))
}

/// What stands there stays until all of the new text is on the disk. A device or a pipe is written to as it is, and so is a
/// file in a folder that takes no other.
fn replace(out: &Path, text: &[u8]) -> io::Result<()> {
    let former = fs::metadata(out).ok();
    if former.as_ref().is_some_and(|former| !former.is_file()) {
        return fs::write(out, text);
    }
    // A link goes on to lead to it.
    let Some(path) = out.canonicalize().ok().or_else(|| place(out)) else {
        return fs::write(out, text);
    };
    if former.is_some() {
        // Whoever may not write to it may not put another in its place.
        OpenOptions::new().write(true).open(&path)?;
    }
    let permitted = |file: &File| match &former {
        Some(former) => file.set_permissions(former.permissions()),
        None => Ok(()),
    };
    match sysio::replace_file(&path, text, 0o666, permitted) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied && former.is_some() => {
            fs::write(out, text)
        }
        replaced => replaced.map(drop),
    }
}

/// A chain of links that is longer leads nowhere, says the kernel as well.
const MOST_LINKS: usize = 40;
