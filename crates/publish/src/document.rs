//! Something that is handed out as it is, with what caches want to know of it.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use pki::Timestamp;

/// Octets, and what caches want to know of them.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) octets: Bytes,
    pub(crate) content_type: &'static str,
    /// A strong validator: the SHA-256, in quotes.
    pub(crate) etag: String,
    pub(crate) last_modified: Timestamp,
    /// From here on it is stale.
    pub(crate) fresh_until: Timestamp,
}

impl Document {
    pub(crate) fn new(
        content_type: &'static str,
        octets: Vec<u8>,
        last_modified: Timestamp,
        fresh_until: Timestamp,
    ) -> Self {
        let etag = format!("\"{}\"", HEXLOWER.encode(digest(&SHA256, &octets).as_ref()));
        Self { octets: octets.into(), content_type, etag, last_modified, fresh_until }
    }
}
