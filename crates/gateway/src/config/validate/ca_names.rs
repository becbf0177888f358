//! What has to hold between the names that the CA may certify and those that it is to certify.

use front::{CertificateSource, VirtualServer};

use super::{Finding, refuse, refuse_at};
use crate::config::Config;

/// The first contradiction: a CA that is made by these settings could not certify what they name.
pub(super) fn consistent(config: &Config) -> Result<(), Finding> {
    let allowed = config.ca.names();
    if let Some(range) = allowed.excludes_gateway() {
        let message = format!(
            "ca.excluded_names has {range}, where the gateway's own name lies: no client would take the gateway for \
             what it is; leave it out"
        );
        return refuse(&["ca", "excluded_names"], message);
    }
    let names: Vec<_> = config.public.names.iter().map(|name| name.host().to_owned()).collect();
    if let Some(name) = allowed.outside(&names) {
        let message = format!(
            "public.names has {name}, which the CA may not certify by ca.permitted_names and ca.excluded_names: \
             {allowed}; add it there, or leave it out here"
        );
        return refuse(&["public", "names"], message);
    }
    let of_the_ca = |server: &VirtualServer| {
        server.certificate == CertificateSource::Own && !server.passthrough
    };
    let servers = config.tls.server.iter().enumerate();
    for (at, server) in servers.filter(|(_, server)| of_the_ca(server)) {
        let names: Vec<_> = server.names.iter().map(|name| name.as_str().to_owned()).collect();
        if let Some(name) = allowed.outside(&names) {
            let message = format!(
                "the CA may not certify {name} by ca.permitted_names and ca.excluded_names: {allowed}; add it there, \
                 or take a certificate of another CA: certificate = \"acme\""
            );
            return refuse_at(&["tls", "server", "names"], at, message);
        }
    }
    Ok(())
}
