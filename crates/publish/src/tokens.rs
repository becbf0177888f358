//! Texts that another CA reads here to find that a name is ours (RFC 8555 section 8.3).
//!
//! Not here: whence they come. Invariant: nothing is told but what was put here, to whoever knows its token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The texts that are read at this moment, by their tokens. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<HashMap<String, String>>>);

impl Tokens {
    /// From here on this one is read.
    pub fn show(&self, token: &str, text: &str) {
        self.all().insert(token.to_owned(), text.to_owned());
    }

    /// It is not from here on.
    pub fn take_down(&self, token: &str) {
        self.all().remove(token);
    }

    /// What is read at this path, if any is.
    pub fn at(&self, path: &str) -> Option<String> {
        self.all().get(path.strip_prefix(FOLDER)?).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) const FOLDER: &str = "/.well-known/acme-challenge/";
