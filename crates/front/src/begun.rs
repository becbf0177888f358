//! TLS that begins, and what is known of it before.

/// TLS that begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// What came of it.
    pub(crate) first: Vec<u8>,
    /// The protocol that it is to carry, as ALPN calls it, where that is known.
    pub(crate) inside: Option<&'static str>,
    /// Whom the client asked for before it.
    pub(crate) asked: Option<String>,
    /// How it asked for TLS, where its backend has to be asked the same way.
    pub(crate) request: Vec<u8>,
}
