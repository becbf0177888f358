//! What a device is pushed: its addresses, the timers, and what the settings add.
//!
//! All but the addresses is made ready once, when the settings are read, not for each admission.

use std::net::IpAddr;

use admin::transport::Transport;
use wire::push::{PushOption, PushOptionError, Topology};

use crate::member::Member;
use crate::net::{Net, Net4, Net6};
use crate::settings::Settings;

/// What every device is pushed, ready to be sent.
#[derive(Clone, Debug)]
pub struct PushPolicy {
    network: Net4,
    network6: Option<Net6>,
    before_addresses: Vec<PushOption>,
    after_addresses: Vec<PushOption>,
    /// What the settings add, in OpenVPN's words.
    said: Vec<String>,
    /// Windows asks the DNS servers of all adapters at once, so that names leak beside the tunnel. Closing
    /// that is right only where the tunnel brings a DNS server: else no name would resolve at all.
    pushes_dns: bool,
}

impl PushPolicy {
    /// From the settings.
    ///
    /// # Errors
    /// The first line that cannot be pushed, and why.
    pub fn new(settings: &Settings) -> Result<Self, (String, PushOptionError)> {
        let mut before_addresses = vec![
            PushOption::RouteGateway(Some(settings.network.gateway())),
            PushOption::Topology(Topology::Subnet),
            PushOption::Ping(settings.ping),
            PushOption::PingRestart(settings.ping_restart),
        ];
        for text in texts(settings) {
            before_addresses.push(PushOption::parse(&text).map_err(|error| (text, error))?);
        }
        let mut after_addresses = vec![PushOption::TunMtu(settings.tun_mtu)];
        // Profiles for TCP as well can't ask for it. The engine leaves it out over TCP.
        if settings.listen.iter().any(|listen| listen.transport == Transport::Tcp) {
            after_addresses.push(PushOption::ExplicitExitNotify(1));
        }
        let (network, network6) = (settings.network, settings.network6);
        let said = texts(settings);
        let pushes_dns = !settings.push.dns.is_empty();
        Ok(Self { network, network6, before_addresses, after_addresses, said, pushes_dns })
    }

    /// What the settings add to addresses and timers, in OpenVPN's words.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// The options for one device; the session adds cipher, peer-id and protocol flags. `platform` is what
    /// the client says that it runs on (IV_PLAT).
    pub(crate) fn options(&self, member: &Member, platform: Option<&str>) -> Vec<PushOption> {
        let mut options = self.before_addresses.clone();
        if let (Some(addr), Some(net6)) = (member.v6, self.network6) {
            let bits = net6.bits().clamp(64, 124);
            options.push(PushOption::IfconfigV6 { addr, bits, remote: net6.gateway() });
        }
        let netmask = self.network.netmask();
        options.push(PushOption::Ifconfig { local: member.v4, netmask });
        options.extend(self.after_addresses.iter().cloned());
        if self.pushes_dns && platform == Some("win") {
            options.push(PushOption::BlockOutsideDns);
        }
        options
    }
}

/// As OpenVPN writes them.
fn texts(settings: &Settings) -> Vec<String> {
    let push = &settings.push;
    let mut texts: Vec<String> = push.routes.iter().map(|route| route_text(*route)).collect();
    if push.redirect_gateway {
        let takes6 = settings.network6.is_some() || blocks_ipv6(settings);
        let flags = if takes6 { "def1 ipv6" } else { "def1" };
        texts.push(format!("redirect-gateway {flags}"));
    }
    if blocks_ipv6(settings) {
        texts.extend([NO_IPV6.to_owned(), "block-ipv6".to_owned()]);
    }
    texts.extend(push.dns.iter().map(|server| match server {
        IpAddr::V4(v4) => format!("dhcp-option DNS {v4}"),
        IpAddr::V6(v6) => format!("dhcp-option DNS6 {v6}"),
    }));
    texts
        .extend(push.dns_search.iter().map(|domain| format!("dhcp-option DOMAIN-SEARCH {domain}")));
    texts
}

/// Without IPv6 inside it would go beside a tunnel that is to carry everything. Clients from 2.5 on
/// answer it themselves; earlier ones need an address to send it into the tunnel, where it ends.
fn blocks_ipv6(settings: &Settings) -> bool {
    let push = &settings.push;
    push.redirect_gateway && push.block_ipv6 && settings.network6.is_none()
}

/// An address that nobody has: no packet from it passes the gateway.
const NO_IPV6: &str = "ifconfig-ipv6 fd48:616e:6466:6173::2/64 fd48:616e:6466:6173::1";

/// `10.0.0.0/8` becomes `route 10.0.0.0 255.0.0.0`, an IPv6 network `route-ipv6`.
fn route_text(route: Net) -> String {
    match route {
        Net::V4(net) => format!("route {} {}", net.address(), net.netmask()),
        Net::V6(net) => format!("route-ipv6 {net}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_pushed_in_openvpns_words() {
        let text = |route: &str| Net::try_from(route.to_owned()).map(route_text).ok();
        assert_eq!(text("10.99.0.0/24").as_deref(), Some("route 10.99.0.0 255.255.255.0"));
        assert_eq!(text("fd99::/64").as_deref(), Some("route-ipv6 fd99::/64"));
        assert_eq!(text("nonsense"), None);
    }

    #[test]
    fn ipv6_is_taken_along_or_blocked_where_everything_is_redirected() {
        let pushed = |redirect: bool, block: bool, network6: Option<&str>| {
            let mut settings = Settings::default();
            settings.push.redirect_gateway = redirect;
            settings.push.block_ipv6 = block;
            settings.network6 = network6.map(|net| net.parse().expect("a network"));
            let policy = PushPolicy::new(&settings).expect("it can be pushed");
            let options: Vec<_> = policy.before_addresses.iter().map(ToString::to_string).collect();
            let has = |start: &str| options.iter().any(|option| option.starts_with(start));
            [has("redirect-gateway def1 ipv6"), has("block-ipv6"), has("ifconfig-ipv6 ")]
        };
        assert_eq!(pushed(true, true, None), [true, true, true]);
        assert_eq!(pushed(true, true, Some("fd71::/64")), [true, false, false]);
        assert_eq!(pushed(true, false, None), [false, false, false]);
        assert_eq!(pushed(false, true, None), [false, false, false]);
    }

    #[test]
    fn a_member_gets_its_own_addresses_between_what_all_get() {
        let mut settings = Settings::default();
        settings.push.dns = vec![IpAddr::from([10, 71, 0, 1])];
        let policy = PushPolicy::new(&settings).expect("it can be pushed");
        let options: Vec<_> =
            policy.options(&member(), Some("linux")).iter().map(ToString::to_string).collect();
        let at = |text: &str| options.iter().position(|option| option == text);
        assert!(
            at("dhcp-option DNS 10.71.0.1") < at("ifconfig 10.71.0.9 255.255.0.0"),
            "{options:?}"
        );
        assert!(at("ifconfig 10.71.0.9 255.255.0.0") < at("tun-mtu 1500"), "{options:?}");
        assert!(!options.iter().any(|option| option.starts_with("ifconfig-ipv6")), "{options:?}");
    }
    #[test]
    fn windows_is_kept_from_asking_beside_the_tunnel_where_it_brings_dns() {
        let guarded = |dns: &[IpAddr], platform: Option<&str>| {
            let mut settings = Settings::default();
            settings.push.dns = dns.to_vec();
            let policy = PushPolicy::new(&settings).expect("it can be pushed");
            policy.options(&member(), platform).contains(&PushOption::BlockOutsideDns)
        };
        let dns = [IpAddr::from([10, 71, 0, 1])];
        assert!(guarded(&dns, Some("win")));
        assert!(!guarded(&[], Some("win")), "no name would resolve");
        assert!(!guarded(&dns, Some("linux")) && !guarded(&dns, None));
    }

    fn member() -> Member {
        Member {
            user: "alice".parse().expect("a name"),
            device: "phone".parse().expect("a name"),
            v4: [10, 71, 0, 9].into(),
            v6: None,
        }
    }
}
