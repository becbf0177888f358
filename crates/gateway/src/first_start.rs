//! What the first start is told on the command line, and the settings that it writes.
//!
//! Settings that are there are somebody's choice: nothing here changes them.

use std::net::{IpAddr, UdpSocket};

use crate::config::{
    Config, FirstConfig, Listen, Net, PublicName, PublicUrl, Push, Transport, random_ula,
};
use crate::data::DataDir;
use crate::error::GatewayError;

/// What the first start is told on the command line, for the settings that it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstStart {
    /// The name that profiles point to; without it, the address of the default route's interface.
    pub public: Option<PublicName>,
    /// Sockets; without any, the usual one.
    pub listen: Vec<Listen>,
    /// TCP too, at the ports of UDP.
    pub tcp: bool,
    /// Networks behind the gateway.
    pub routes: Vec<Net>,
    /// Name servers for clients.
    pub dns: Vec<IpAddr>,
    /// All traffic of clients goes through the tunnel.
    pub full_tunnel: bool,
}

impl FirstStart {
    /// The sockets, where something was said of them.
    fn sockets(&self) -> Vec<Listen> {
        let usual = (self.tcp && self.listen.is_empty()).then(Listen::default);
        let mut sockets: Vec<_> = self.listen.iter().copied().chain(usual).collect();
        if self.tcp {
            let tcp = |socket: &Listen| Listen { transport: Transport::Tcp, ..*socket };
            let more: Vec<_> =
                sockets.iter().map(tcp).filter(|tcp| !sockets.contains(tcp)).collect();
            sockets.extend(more);
        }
        sockets
    }

    /// The keys of which these settings say something else.
    pub(crate) fn differing(&self, config: &Config) -> Vec<&'static str> {
        let (vpn, push) = (&config.vpn, &config.vpn.push);
        let sockets = self.sockets();
        let names = &config.public.names;
        let differs = [
            ("public.names", self.public.as_ref().is_some_and(|name| !names.contains(name))),
            ("vpn.listen", !sockets.is_empty() && sockets != vpn.listen),
            ("vpn.push.routes", self.routes.iter().any(|route| !push.routes.contains(route))),
            ("vpn.push.dns", self.dns.iter().any(|server| !push.dns.contains(server))),
            ("vpn.push.redirect_gateway", self.full_tunnel && !push.redirect_gateway),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// Writes the settings of a first start.
    pub(crate) fn write_settings(&self, data: &DataDir) -> Result<(), GatewayError> {
        let public_url = self.public.as_ref().map(PublicUrl::of);
        let named = self.public.clone().or_else(|| default_address().map(PublicName::from));
        let text = FirstConfig {
            names: named.into_iter().collect(),
            public_url,
            network6: Some(random_ula(authority::random_bytes()?)),
            listen: self.sockets(),
            push: Push {
                routes: self.routes.clone(),
                dns: self.dns.clone(),
                redirect_gateway: self.full_tunnel,
                ..Push::default()
            },
        }
        .text();
        Ok(data.write_whole(&data.config(), text.as_bytes())?)
    }
}

/// The address packets to the world leave from. Connecting a UDP socket sends nothing.
fn default_address() -> Option<IpAddr> {
    let towards = |from: &str, to: &str| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Documentation addresses (RFC 5737, RFC 3849): routed by the default route, owned by nobody.
    towards("0.0.0.0:0", "192.0.2.1:9").or_else(|| towards("[::]:0", "[2001:db8::1]:9"))
}
