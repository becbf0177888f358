//! What is checked of each control packet where it is read, before anything is kept for its sender.
//!
//! It is stateless and shared by everything that reads from the network, and opens the packets of
//! sessions as well, whose keys are the shared ones. It is not the wrapping of a session: what passes it
//! begins a session with the [`ControlWrap`] that it is given here. Where each client has a key, that is
//! another one, and packets behind the first have to be opened by who knows the session.

use std::sync::Arc;

use crate::control::ControlPacket;
use crate::replay::ReplayStamp;
use crate::tls_auth::Suspect;
use crate::wrap::{ControlWrap, Unwrapped, WrapError};

/// The check that every control packet has to pass.
#[derive(Clone, Debug)]
pub struct StrangerCheck {
    shared: Arc<ControlWrap>,
}

impl StrangerCheck {
    /// One wrapping for all clients.
    pub fn shared(wrap: Arc<ControlWrap>) -> Self {
        Self { shared: wrap }
    }

    /// Verifies and unwraps a packet of anybody.
    pub fn open(&self, datagram: &[u8]) -> Result<Unwrapped, WrapError> {
        self.shared.open(datagram)
    }

    /// Wraps an answer to somebody for whom nothing is kept.
    pub fn seal(&self, stamp: ReplayStamp, packet: &ControlPacket) -> Vec<u8> {
        self.shared.seal(stamp, packet)
    }

    /// What is likely wrong with a packet that [`Self::open`] called forged. Not cheap.
    pub fn diagnose(&self, datagram: &[u8]) -> Option<Suspect> {
        self.shared.diagnose(datagram)
    }

    /// The wrapping of a session whose packets pass this check.
    pub fn session_wrap(&self) -> Arc<ControlWrap> {
        Arc::clone(&self.shared)
    }
}
