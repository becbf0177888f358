//! The hash chain over the events: what binds an event to the one before.
//!
//! hash = SHA-256(domain, former hash, id, time, actor, kind, payload), numbers as 8 bytes
//! big-endian, texts each after their length, so that no two events have the same encoding. The
//! payload is hashed as the text that is stored.

use aws_lc_rs::digest::{Context, SHA256};

pub(crate) type Hash = [u8; 32];

/// An event's content, as it is hashed and stored.
pub(crate) struct Entry<'a> {
    pub(crate) id: i64,
    pub(crate) at_ms: i64,
    pub(crate) actor: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a str,
}

impl Entry<'_> {
    /// Its hash, behind the event with the hash `former`.
    pub(crate) fn hash(&self, former: &Hash) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        context.update(former);
        context.update(&self.id.to_be_bytes());
        context.update(&self.at_ms.to_be_bytes());
        for text in [self.actor, self.kind, self.payload] {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

/// As events and reports show it.
pub(crate) fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

const DOMAIN: &[u8] = b"handfast event 1\0";
