//! As whom a server greets before TLS, when somebody else speaks for it.

/// As whom a server greets before TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Its host name.
    pub host: String,
    /// Capabilities that it names beside TLS, each a line or a word as the protocol has it.
    pub offers: Vec<String>,
    /// The backend's own first message, of a protocol that [`crate::Protocol::greets_for_good`].
    pub service: Vec<u8>,
}

impl Greeting {
    /// Of a host that offers nothing else.
    pub fn of(host: impl Into<String>) -> Self {
        Self { host: host.into(), offers: Vec::new(), service: Vec::new() }
    }
}
