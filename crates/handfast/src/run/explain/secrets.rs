//! Where the secrets of a handshake of our own go, and nowhere else: into memory, until its story is told.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use explain::KeyLog;

#[derive(Default)]
pub(super) struct Secrets(Mutex<KeyLog>);

impl Secrets {
    pub(super) fn take(&self) -> KeyLog {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(label, client_random, secret);
    }
}
