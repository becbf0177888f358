//! A port on this machine that leads to a service elsewhere over TLS, as the settings write it: `[[tls.client]]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use uplink::Target;

use crate::trust::Trust;

/// A port on this machine that leads to a service elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientPort {
    /// Where programs connect to, in the clear: on this machine alone.
    pub listen: SocketAddr,
    /// Which service it leads to.
    pub target: Target,
    /// What has to hold of it.
    #[serde(flatten)]
    pub trust: Trust,
}
