//! What carries the packets of a tunnel, as settings, profiles and answers write it.

use serde::{Deserialize, Serialize};

/// What carries the tunnel's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// One packet per datagram.
    Udp,
    /// Packets in a TCP connection, each behind its length.
    Tcp,
}

impl Transport {
    /// As it is written: `udp`, `tcp`.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}
