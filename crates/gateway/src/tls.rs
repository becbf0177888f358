//! What doors prove themselves with and ask of others in TLS: the gateway's own certificates, and the CAs
//! whose devices come in. Made anew whenever either set changes; renewed certificates of the same CA need
//! no new one.

use std::sync::Arc;

use authority::Authority;
use pki::{AnchorError, ClockTime, GatewayVerifier};

use crate::context::Context;
use crate::current_view::CurrentView;
use crate::error::GatewayError;

/// For the issuers as they are at this moment, and the current view.
pub(crate) fn config(at: &Context) -> Result<Arc<rustls::ServerConfig>, GatewayError> {
    let verifier = verifier(&at.authority, &at.view)?;
    let time = Arc::new(ClockTime(Arc::clone(&at.clock)));
    Ok(Arc::new(pki::server_config(at.authority.resolver(), verifier, time)?))
}

/// Who looks at clients' certificates: by the CAs as they are at this moment, and the current view.
pub(crate) fn verifier(
    authority: &Authority,
    view: &CurrentView,
) -> Result<Arc<GatewayVerifier>, AnchorError> {
    let issuers = authority.issuers();
    let cas: Vec<_> = issuers.trusted().map(|ca| ca.certificate().der().clone()).collect();
    GatewayVerifier::new(&cas, Arc::new(view.clone()))
}
