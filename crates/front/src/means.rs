//! What all virtual servers are made with, besides the settings of each.

use std::sync::Arc;

use clock::Clock;
use pki::GatewayVerifier;
use tokio::runtime::Handle;

use crate::certificates::Keyring;
use crate::directory::Directory;
use crate::site_name::SiteName;

/// What all sites are made with.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) keyring: Keyring,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) verifier: Arc<GatewayVerifier>,
    pub(crate) clock: Arc<dyn Clock>,
    /// For what goes on behind them.
    pub(crate) runtime: Handle,
    /// Of all sites.
    pub(crate) names: Vec<SiteName>,
}
