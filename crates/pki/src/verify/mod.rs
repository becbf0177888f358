//! Does this certificate open this door? Path, purpose, time and standing, each with its reason.
//!
//! Not a revocation store: who is known and who is revoked is asked of a [`Roster`].

mod gateway;
mod leaf;
mod passed;
mod path;
mod server;

use std::fmt::Debug;

pub use gateway::GatewayVerifier;
pub(crate) use leaf::Leaf;
pub use leaf::{leaf_not_after, leaf_serial};
pub use path::AnchorError;
pub use server::{NameRule, ServerNameVerifier};

use crate::{RevocationReason, Serial, Timestamp};

/// What is known of issued certificates at this moment.
///
/// Called on the path of every handshake, so it answers from memory.
pub trait Roster: Send + Sync + Debug {
    /// Where the certificate of this serial stands.
    fn standing(&self, serial: &Serial) -> Standing;
}

/// Where a certificate stands with whoever issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was issued and holds.
    Good,
    /// It was revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// It holds, but its device is disabled.
    DeviceDisabled,
    /// It holds, but its user is disabled.
    UserDisabled,
    /// Nothing is known of it.
    Unknown,
}
