//! As whom a server greets before TLS, when somebody else speaks for it.

use crate::fault::Fault;
use crate::mysql;
use crate::protocol::Protocol;

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
    /// How many octets a service's own first message still lacks, of a protocol that [`Protocol::greets_for_good`]; none
    /// of one that the door greets for.
    ///
    /// # Errors
    /// Where the service takes no connection, or what it says is no greeting.
    pub fn lacks(protocol: Protocol, heard: &[u8]) -> Result<usize, Fault> {
        match protocol.greets_for_good() {
            true => mysql::lacks(heard),
            false => Ok(0),
        }
    }

    /// Of a host that offers nothing else.
    pub fn of(host: impl Into<String>) -> Self {
        Self { host: host.into(), offers: Vec::new(), service: Vec::new() }
    }
}
