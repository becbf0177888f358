//! What a handshake of our own leaves behind where that is asked for: a capture of what went through its sockets, and
//! the secrets to read it with.
//!
//! Both files are their owner's alone, written over nothing, and in no folder where somebody else could put another file
//! in their place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use admin::failure::{Failure, FailureKind};
use explain::capture::written;
use sysio::FolderError;

use super::secrets::Secrets;
use super::written::unwritable;
use crate::args::order::KeptOrder;
use crate::show::table::visible;

/// The files, and the secrets until their story is told.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) secrets: Arc<Secrets>,
    capture: Option<Arc<Mutex<Capture>>>,
    files: Vec<PathBuf>,
}

struct Capture {
    path: PathBuf,
    out: BufWriter<File>,
    frames: u32,
    outcome: io::Result<()>,
}

impl Kept {
    /// Makes the files that are asked for.
    pub(super) fn open(order: &KeptOrder) -> Result<Self, Failure> {
        let mut kept = Self::default();
        match kept.fill(order) {
            Ok(()) => Ok(kept),
            Err(failure) => {
                kept.discard();
                Err(failure)
            }
        }
    }

    fn fill(&mut self, order: &KeptOrder) -> Result<(), Failure> {
        if let Some(path) = &order.keylog {
            self.secrets = Arc::new(Secrets::written_to(self.make(path)?, path));
        }
        if let Some(path) = &order.capture {
            let mut out = BufWriter::new(self.make(path)?);
            let outcome = out.write_all(&written::head());
            let capture = Capture { path: path.clone(), out, frames: 0, outcome };
            self.capture = Some(Arc::new(Mutex::new(capture)));
        }
        Ok(())
    }

    fn make(&mut self, path: &Path) -> Result<File, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        sysio::keeps_files(folder).map_err(|error| unsafe_place(path, &error))?;
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = new.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(
                FailureKind::Conflict,
                format!("{} is there already, and is not written over", path.display()),
            ),
            _ => unwritable(path, &error),
        })?;
        self.files.push(path.to_owned());
        Ok(file)
    }

    pub(super) fn is_asked_for(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether packets are kept, by whose numbers parts of a story are then named.
    pub(super) fn captures(&self) -> bool {
        self.capture.is_some()
    }

    /// Keeps the record of a packet, and gives its number in the capture.
    pub(super) fn packet(&self, record: &[u8]) -> Option<u32> {
        let mut capture = self.capture.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        if capture.outcome.is_ok() {
            capture.outcome = capture.out.write_all(record);
        }
        capture.frames = capture.frames.saturating_add(1);
        Some(capture.frames)
    }

    /// All is written.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        self.secrets.finish()?;
        let Some(capture) = &self.capture else { return Ok(()) };
        let mut capture = capture.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = std::mem::replace(&mut capture.outcome, Ok(()));
        outcome
            .and_then(|()| capture.out.flush())
            .map_err(|error| unwritable(&capture.path, &error))?;
        let frames = capture.frames;
        let path = visible(&capture.path.display().to_string());
        let _ = writeln!(io::stderr(), "{path}: {frames} packets");
        Ok(())
    }

    /// Nothing was said: files with nothing in them are in the way of the next try.
    pub(super) fn discard(&self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

fn unsafe_place(path: &Path, error: &FolderError) -> Failure {
    let failure =
        Failure::new(FailureKind::Environment, format!("{} can't be written", path.display()));
    match error {
        FolderError::OthersWrite(_) => failure.caused_by(error).hint(OWN_FOLDER),
        _ => failure.caused_by(error),
    }
}

const OWN_FOLDER: &str = "name a file in a folder that you alone write to, or in one like /tmp";
