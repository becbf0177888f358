//! Where the secrets of a handshake of our own go: into memory, until its story is told, and nowhere else unless a file
//! for them was asked for.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use admin::failure::Failure;
use explain::KeyLog;
use zeroize::Zeroizing;

use super::written::unwritable;

#[derive(Default)]
pub(super) struct Secrets {
    log: Mutex<KeyLog>,
    written: Option<Mutex<Written>>,
}

/// A key log as other programs write it to `SSLKEYLOGFILE`. Nothing is buffered, so that no secret stays behind in memory.
struct Written {
    path: PathBuf,
    file: File,
    outcome: io::Result<()>,
}

impl Secrets {
    /// Those that are also written to this file.
    pub(super) fn written_to(file: File, path: &Path) -> Self {
        let written = Written { path: path.to_owned(), file, outcome: Ok(()) };
        Self { written: Some(Mutex::new(written)), ..Self::default() }
    }

    pub(super) fn take(&self) -> KeyLog {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether all were written.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let Some(written) = &self.written else { return Ok(()) };
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = std::mem::replace(&mut written.outcome, Ok(()));
        outcome.map_err(|error| unwritable(&written.path, &error))
    }
}

impl Written {
    fn line(&mut self, label: &str, client_random: &[u8], secret: &[u8]) {
        // Of its whole length at once: a line that grows leaves copies of itself behind.
        let length = label.len() + 2 * (client_random.len() + secret.len()) + 3;
        let mut line = Zeroizing::new(String::with_capacity(length));
        line.push_str(label);
        for part in [client_random, secret] {
            line.push(' ');
            for byte in part {
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        if self.outcome.is_ok() {
            self.outcome = self.file.write_all(line.as_bytes());
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).add(label, client_random, secret);
        if let Some(written) = &self.written {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            written.line(label, client_random, secret);
        }
    }
}
