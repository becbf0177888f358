//! What a device is pushed: its addresses, the timers, and what the settings add.

use std::net::IpAddr;

use wire::push::{PushOption, PushOptionError, Topology};

use crate::config::{Config, Transport};
use crate::live::Admitted;

/// The options for one device; the session adds cipher, peer-id and protocol flags.
pub(crate) fn options(admitted: &Admitted, config: &Config) -> Vec<PushOption> {
    let net = admitted.addressing.network;
    let mut options = vec![
        PushOption::RouteGateway(Some(net.gateway())),
        PushOption::Topology(Topology::Subnet),
        PushOption::Ping(config.vpn.ping),
        PushOption::PingRestart(config.vpn.ping_restart),
    ];
    options.extend(from_settings(config));
    if let (Some(addr), Some(net6)) = (admitted.v6, admitted.addressing.network6) {
        let bits = net6.bits().clamp(64, 124);
        options.push(PushOption::IfconfigV6 { addr, bits, remote: net6.gateway() });
    }
    options.push(PushOption::Ifconfig { local: admitted.v4, netmask: net.netmask() });
    options.push(PushOption::TunMtu(config.vpn.tun_mtu));
    // Profiles for TCP as well can't ask for it. The engine leaves it out over TCP.
    if config.vpn.listen.iter().any(|listen| listen.transport == Transport::Tcp) {
        options.push(PushOption::ExplicitExitNotify(1));
    }
    options
}

/// The same for every device. What cannot be pushed was refused when the settings were read.
fn from_settings(config: &Config) -> Vec<PushOption> {
    texts(config).iter().filter_map(|text| PushOption::parse(text).ok()).collect()
}

/// The first line that cannot be pushed, and why.
pub(crate) fn unusable(config: &Config) -> Option<(String, PushOptionError)> {
    texts(config).into_iter().find_map(|text| {
        let error = PushOption::parse(&text).err()?;
        Some((text, error))
    })
}

fn texts(config: &Config) -> Vec<String> {
    let push = &config.vpn.push;
    let mut texts: Vec<String> = push.routes.iter().filter_map(|route| route_text(route)).collect();
    if push.redirect_gateway {
        let flags = if config.vpn.network6.is_some() { "def1 ipv6" } else { "def1" };
        texts.push(format!("redirect-gateway {flags}"));
    }
    texts.extend(push.dns.iter().map(|server| match server {
        IpAddr::V4(v4) => format!("dhcp-option DNS {v4}"),
        IpAddr::V6(v6) => format!("dhcp-option DNS6 {v6}"),
    }));
    texts
        .extend(push.dns_search.iter().map(|domain| format!("dhcp-option DOMAIN-SEARCH {domain}")));
    texts
}

/// `10.0.0.0/8` becomes `route 10.0.0.0 255.0.0.0`, an IPv6 network `route-ipv6`.
fn route_text(route: &str) -> Option<String> {
    if let Ok(net) = route.parse::<crate::config::Net4>() {
        return Some(format!("route {} {}", net.address(), net.netmask()));
    }
    let net: crate::config::Net6 = route.parse().ok()?;
    Some(format!("route-ipv6 {net}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_pushed_in_openvpns_words() {
        assert_eq!(route_text("10.99.0.0/24").as_deref(), Some("route 10.99.0.0 255.255.255.0"));
        assert_eq!(route_text("fd99::/64").as_deref(), Some("route-ipv6 fd99::/64"));
        assert_eq!(route_text("nonsense"), None);
    }
}
