//! The doors that share ports with the TLS door: it gives away what is theirs.
//!
//! Each is here from the moment at which it is open. Invariant: nothing here waits.

use std::sync::{Arc, OnceLock};

use engine::{ForeignStream, Server};
use front::{Listen, Passed, Protocol};
use publish::Reception;
use sysio::TcpStream;

/// The doors beside the TLS door. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    vpn: OnceLock<Arc<Server>>,
    publishing: OnceLock<Reception>,
}

impl Neighbours {
    /// This takes OpenVPN's connections from here on.
    pub(crate) fn vpn_is(&self, server: Arc<Server>) {
        // A gateway opens its VPN once.
        let _ = self.0.vpn.set(server);
    }

    /// This takes requests in the clear from here on.
    pub(crate) fn publishing_is(&self, reception: Reception) {
        let _ = self.0.publishing.set(reception);
    }

    /// Requests in the clear that are for virtual servers are sent where these listen.
    pub(crate) fn send_to_https(&self, listen: &[Listen]) {
        if let Some(publishing) = self.0.publishing.get() {
            publishing.send_to_https(https_port(listen));
        }
    }
}

impl front::Neighbours for Neighbours {
    fn take_openvpn(&self, passed: Passed) -> bool {
        let Some(vpn) = self.0.vpn.get() else { return false };
        let Passed { stream, received, source, local, .. } = passed;
        match TcpStream::taken(stream, source, local) {
            Ok(stream) => vpn.take_in(ForeignStream { stream, received }),
            Err(error) => tracing::debug!(%error, "a connection for the VPN was lost"),
        }
        true
    }

    fn take_http(&self, passed: Passed) -> bool {
        let Some(publishing) = self.0.publishing.get() else { return false };
        let https = passed.beside_tls.then_some(passed.local.port());
        publishing.take(passed.stream, passed.source, passed.received, https);
        true
    }
}

/// The usual port where it is one of them, else the first.
fn https_port(listen: &[Listen]) -> Option<u16> {
    let ports = || listen.iter().filter(|one| one.takes(Protocol::Tls));
    let ports = || ports().map(|one| one.address.port());
    ports().find(|port| *port == HTTPS).or_else(|| ports().next())
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    #[test]
    fn browsers_are_sent_to_the_usual_port_or_to_the_first_that_speaks_tls() {
        let port = |listen: &[(&str, u16)]| {
            let of = |(mode, port): &(&str, u16)| {
                format!("[[tls.listen]]\naddress = \"[::]:{port}\"\nmode = \"{mode}\"\n")
            };
            let text = listen.iter().map(of).collect::<String>();
            let config: Config = toml::from_str(&text).expect("settings");
            https_port(&config.tls.listen)
        };
        assert_eq!(port(&[]), None);
        assert_eq!(port(&[("http", 443), ("starttls:smtp", 25)]), None);
        assert_eq!(port(&[("http", 80), ("shared", 8443), ("implicit", 8444)]), Some(8443));
        assert_eq!(port(&[("implicit", 8443), ("shared", 443)]), Some(443));
    }
}
