//! The log of a process that stays: lines on stderr, for a person or the journal.
//!
//! Invariant: a log that can't be written, since its disk is full or its reader gone, harms nobody.
//! Lines are lost then, and the next one that can be written says how many.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

/// Starts logging at `level`, unless `HANDFAST_LOG` says otherwise.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_env("HANDFAST_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lines { to: io::stderr(), lost: &LOST })
        .with_ansi(io::stderr().is_terminal() && !no_color())
        .with_target(false)
        .init();
}

/// Whether somebody wants no colour (no-color.org): any value that is not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Takes every line, whether it can be written or not.
struct Lines<'a, W> {
    to: W,
    lost: &'a AtomicU64,
}

impl<W: Write> Write for Lines<'_, W> {
    /// Called with one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let told = if lost == 0 {
            Ok(())
        } else {
            writeln!(self.to, "{lost} lines of this log could not be written")
        };
        let kept = if told.is_ok() { 0 } else { lost };
        let unwritten = u64::from(told.and_then(|()| self.to.write_all(line)).is_err());
        self.lost.fetch_add(kept + unwritten, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.to.flush();
        Ok(())
    }
}

static LOST: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is full for the first lines.
    struct Disk {
        full_for: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.full_for > 0 {
                self.full_for -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_and_told_by_the_next_that_can() {
        let lost = AtomicU64::new(0);
        let mut disk = Disk { full_for: 3, written: Vec::new() };
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            let mut lines = Lines { to: &mut disk, lost: &lost };
            lines.write_all(line.as_bytes()).expect("taken");
            lines.flush().expect("taken");
        }
        let written = String::from_utf8(disk.written).expect("text");
        assert_eq!(written, "3 lines of this log could not be written\nfour\nfive\n");
    }
}
