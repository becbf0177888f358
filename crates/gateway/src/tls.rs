//! What doors prove themselves with and ask of others in TLS: the gateway's own certificates, and the CAs
//! whose devices come in. Made anew whenever either set changes; renewed certificates of the same CA need
//! no new one.

use std::sync::Arc;

use pki::{ClockTime, GatewayVerifier};

use crate::context::Context;
use crate::error::GatewayError;

/// For the issuers as they are at this moment, and the current view.
pub(crate) fn config(at: &Context) -> Result<Arc<rustls::ServerConfig>, GatewayError> {
    let issuers = at.authority.issuers();
    let cas: Vec<_> = issuers.trusted().map(|ca| ca.certificate().der().clone()).collect();
    let verifier = GatewayVerifier::new(&cas, Arc::new(at.view.clone()))?;
    let time = Arc::new(ClockTime(Arc::clone(&at.clock)));
    Ok(Arc::new(pki::server_config(at.authority.resolver(), verifier, time)?))
}
