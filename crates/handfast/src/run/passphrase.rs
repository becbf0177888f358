//! What somebody types and nobody sees: a line of standard input, or of a terminal that does not show it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use admin::failure::{Failure, FailureKind};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A new one: at a terminal it has to be typed twice.
pub(crate) fn typed_twice(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let first = typed(prompt)?;
    if !(LEAST..=MOST).contains(&first.len()) {
        let message = format!("a passphrase has {LEAST} octets or more");
        return Err(Failure::new(FailureKind::Usage, message));
    }
    if io::stdin().is_terminal() && typed("again: ")? != first {
        return Err(Failure::new(FailureKind::Usage, "the two are not the same"));
    }
    Ok(first)
}

/// A line of standard input; what is typed at a terminal is not shown.
pub(crate) fn typed(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let _hidden = Hidden::at_the_terminal(prompt);
    let mut line = Zeroizing::new(Vec::with_capacity(2 * MOST));
    io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| {
        Failure::new(FailureKind::Environment, "no passphrase could be read").caused_by(&error)
    })?;
    while line.last().is_some_and(|last| [b'\n', b'\r'].contains(last)) {
        line.pop();
    }
    Ok(line)
}

/// A terminal that shows nothing that is typed. Dropping it makes it as it was.
struct Hidden(Option<rustix::termios::Termios>);

impl Hidden {
    fn at_the_terminal(prompt: &str) -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let _ = write!(io::stderr(), "{prompt}");
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &silent);
        Self(Some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            let _ = writeln!(io::stderr());
        }
    }
}

const LEAST: usize = 8;
/// Also of a secret in a file.
pub(crate) const MOST: usize = 4096;
