//! What one connection carries, counted as it goes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a connection, inside TLS, and requests.
#[derive(Debug, Default)]
pub struct Traffic {
    incoming: AtomicU64,
    outgoing: AtomicU64,
    requests: AtomicU64,
}

impl Traffic {
    /// Bytes from the client.
    pub fn incoming(&self) -> u64 {
        self.incoming.load(Ordering::Relaxed)
    }

    /// Bytes to the client.
    pub fn outgoing(&self) -> u64 {
        self.outgoing.load(Ordering::Relaxed)
    }

    /// Requests that came so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn came(&self, bytes: usize) {
        self.incoming.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn went(&self, bytes: usize) {
        self.outgoing.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
