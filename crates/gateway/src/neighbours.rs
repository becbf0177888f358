//! The doors that share ports with the TLS door: it gives away what is theirs.
//!
//! Each is here from the moment at which it is open. Invariant: nothing here waits.

use std::sync::{Arc, OnceLock};

use engine::{ForeignStream, Server};
use front::{Passed, Protocol, Settings};
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

    /// Requests in the clear that are for virtual servers are sent where these settings have them.
    pub(crate) fn send_to_https(&self, settings: &Settings) {
        if let Some(publishing) = self.0.publishing.get() {
            publishing.send_to_https(https_port(settings));
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
        let https = publishing.https_port().map(|port| nearest(port, &passed));
        publishing.take(passed.stream, passed.source, passed.received, https);
        true
    }
}

/// The usual port where it is one of them, else the first; none where nobody speaks HTTP behind it.
fn https_port(settings: &Settings) -> Option<u16> {
    settings.server.iter().find(|server| server.speaks_http())?;
    let ports = || settings.listen.iter().filter(|one| one.takes(Protocol::Tls));
    let ports = || ports().map(|one| one.address.port());
    ports().find(|port| *port == HTTPS).or_else(|| ports().next())
}

/// For requests that came elsewhere than at a listener of their own: they need not leave their port where the usual one
/// is not open.
fn nearest(port: u16, passed: &Passed) -> u16 {
    match passed.beside_tls && port != HTTPS {
        true => passed.local.port(),
        false => port,
    }
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use std::net;

    use crate::config::Config;

    use super::*;

    #[test]
    fn browsers_are_sent_to_the_usual_port_or_to_the_first_that_speaks_tls() {
        let port = |listen: &[(&str, u16)]| https_port(&settings(listen, HTTP));
        assert_eq!(port(&[]), None);
        assert_eq!(port(&[("http", 443), ("starttls:smtp", 25)]), None);
        assert_eq!(port(&[("http", 80), ("shared", 8443), ("implicit", 8444)]), Some(8443));
        assert_eq!(port(&[("implicit", 8443), ("shared", 443)]), Some(443));
        let database = "shared\"\nprotocols = [\"postgresql\", \"http\"]\n#\"";
        assert_eq!(port(&[(database, 443)]), None);
    }

    #[test]
    fn browsers_are_sent_nowhere_while_no_server_would_understand_them() {
        let port = |server: &str| https_port(&settings(&[("implicit", 443)], server));
        assert_eq!(port(""), None);
        let database = server("backend = \"tcp:127.0.0.1:5432\"\n");
        assert_eq!(port(&database), None);
        assert_eq!(port(&(database.clone() + "alpn = [\"postgresql\"]\n")), None);
        assert_eq!(port(&(database + "alpn = [\"http/1.1\"]\n")), Some(443));
        assert_eq!(port(HTTP), Some(443));
    }

    #[test]
    fn a_request_at_a_shared_port_is_sent_to_the_usual_one_if_that_is_open_and_else_stays() {
        let socket = net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        let at = |beside_tls| Passed {
            stream: net::TcpStream::connect(address).expect("connected"),
            received: Vec::new(),
            source: ([192, 0, 2, 7], 4000).into(),
            local: ([192, 0, 2, 1], 80).into(),
            beside_tls,
        };
        assert_eq!(nearest(443, &at(true)), 443);
        assert_eq!(nearest(8443, &at(true)), 80);
        assert_eq!(nearest(8443, &at(false)), 8443);
    }

    fn settings(listen: &[(&str, u16)], server: &str) -> Settings {
        let of = |(mode, port): &(&str, u16)| {
            format!("[[tls.listen]]\naddress = \"[::]:{port}\"\nmode = \"{mode}\"\n")
        };
        let text = listen.iter().map(of).collect::<String>() + server;
        let config: Config = toml::from_str(&text).expect("settings");
        config.tls
    }

    fn server(more: &str) -> String {
        format!("[[tls.server]]\nnames = [\"a.example.org\"]\n{more}")
    }

    const HTTP: &str =
        "[[tls.server]]\nnames = [\"a.example.org\"]\nbackend = \"http://127.0.0.1:8080\"\n";
}
