//! From pushed options to the changes they ask for: a pure function.
//!
//! Every value that leaves here is an address, a number or a checked name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysio::{DomainName, Network};
use wire::push::{
    DhcpOption, DnsOption, DnsServer, DnsTransport, PushOption, RedirectFlags, RouteTarget,
    Topology,
};

use crate::Warning;
use crate::profile::Filter;

/// The options that count, and what the profile says about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    /// The profile's own.
    pub(crate) own: &'a [PushOption],
    /// The server's.
    pub(crate) pushed: &'a [PushOption],
    /// Which of the server's count.
    pub(crate) filters: &'a [Filter],
    /// The server's routes and name servers do not count.
    pub(crate) route_nopull: bool,
    /// The profile's MTU.
    pub(crate) tun_mtu: u16,
}

/// What the plan has to know of the world outside of the tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// The server's address.
    pub server: Option<IpAddr>,
    /// The gateway of the default route of IPv4.
    pub gateway: Option<Ipv4Addr>,
}

/// What is to be set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The interface's MTU.
    pub mtu: u16,
    /// Its addresses.
    pub addresses: Vec<TunnelAddress>,
    /// Routes, in the order in which they are made.
    pub routes: Vec<RouteChange>,
    /// The server must stay reachable past the tunnel, though a route above would catch it.
    pub past_tunnel: bool,
    /// IPv6 does not enter the tunnel and does not leave beside it.
    pub block_ipv6: bool,
    /// Name servers.
    pub dns: Option<NameServers>,
}

/// An address of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelAddress {
    /// Ours.
    pub address: IpAddr,
    /// The size of its network; all bits where there is a peer.
    pub bits: u8,
    /// The other end, in the topologies that have one.
    pub peer: Option<Ipv4Addr>,
}

/// A route that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// Into the tunnel.
    Tunnel {
        /// Where it leads.
        network: Network,
        /// Its metric.
        metric: Option<u32>,
    },
    /// Past the tunnel, by the gateway that was used before.
    Outside {
        /// Where it leads.
        network: Network,
        /// That gateway.
        gateway: Ipv4Addr,
        /// Its metric.
        metric: Option<u32>,
    },
}

impl RouteChange {
    /// Where it leads.
    pub fn network(&self) -> Network {
        match self {
            Self::Tunnel { network, .. } | Self::Outside { network, .. } => *network,
        }
    }
}

/// What the tunnel says about names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameServers {
    /// The servers to ask.
    pub servers: Vec<IpAddr>,
    /// Domains that are tried behind short names, or that alone are asked about.
    pub domains: Vec<DomainName>,
    /// Ask about all names.
    pub all_names: bool,
}

/// The server's options make no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// No address for us.
    NoAddress,
    /// A netmask with holes.
    BadNetmask(Ipv4Addr),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the server gave us no address in the tunnel"),
            Self::BadNetmask(mask) => write!(f, "the server pushed the netmask {mask}"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Makes a plan; what can't be honoured is told.
    pub(crate) fn make(
        wishes: Wishes<'_>,
        outside: Outside,
    ) -> Result<(Self, Vec<Warning>), PlanError> {
        let mut planner = Planner::new(wishes, outside);
        planner.ipv6_may_leave = !wishes.filters_take(&PushOption::BlockIpv6);
        for option in wishes.own.iter().chain(wishes.pushed.iter().filter(|o| wishes.takes(o))) {
            planner.take(option)?;
        }
        planner.finish()
    }
}

impl Wishes<'_> {
    fn takes(&self, option: &PushOption) -> bool {
        if self.route_nopull && is_route_or_name(option) {
            return false;
        }
        self.filters_take(option)
    }

    fn filters_take(&self, option: &PushOption) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let text = option.to_string();
        let first = self.filters.iter().find(|filter| text.starts_with(&filter.prefix));
        first.is_none_or(|filter| filter.accept)
    }
}

fn is_route_or_name(option: &PushOption) -> bool {
    matches!(
        option,
        PushOption::Route { .. }
            | PushOption::RouteV6 { .. }
            | PushOption::RedirectGateway(_)
            | PushOption::RedirectPrivate(_)
            | PushOption::BlockIpv6
            | PushOption::DhcpOption(_)
            | PushOption::Dns(_)
            | PushOption::BlockOutsideDns
    )
}

struct Planner {
    outside: Outside,
    plan: Plan,
    topology: Topology,
    ifconfig: Option<(Ipv4Addr, Ipv4Addr)>,
    metric: Option<u32>,
    redirect: Option<RedirectFlags>,
    /// The profile turns `block-ipv6` away.
    ipv6_may_leave: bool,
    plain_dns: NameServers,
    dns: Vec<(u8, Vec<DnsServer>)>,
    search: Vec<DomainName>,
    warnings: Vec<Warning>,
}

impl Planner {
    fn new(wishes: Wishes<'_>, outside: Outside) -> Self {
        Self {
            outside,
            plan: Plan { mtu: wishes.tun_mtu, ..Plan::default() },
            // What a client assumes that is told nothing (section 9.2).
            topology: Topology::Net30,
            ifconfig: None,
            metric: None,
            redirect: None,
            ipv6_may_leave: false,
            plain_dns: NameServers { all_names: true, ..NameServers::default() },
            dns: Vec::new(),
            search: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn take(&mut self, option: &PushOption) -> Result<(), PlanError> {
        match option {
            PushOption::Topology(topology) => self.topology = *topology,
            PushOption::Ifconfig { local, netmask } => self.ifconfig = Some((*local, *netmask)),
            PushOption::IfconfigV6 { addr, bits, .. } => {
                let address = TunnelAddress { address: (*addr).into(), bits: *bits, peer: None };
                self.plan.addresses.push(address);
            }
            PushOption::RouteMetric(metric) => self.metric = Some(*metric),
            PushOption::Route { network, netmask, gateway, metric } => {
                self.take_route(option, *network, *netmask, *gateway, *metric)?;
            }
            PushOption::RouteV6 { network, bits, metric, .. } => {
                if let Some(network) = Network::new((*network).into(), *bits) {
                    self.tunnel(network, *metric);
                }
            }
            PushOption::RedirectGateway(flags) => {
                self.redirect = Some(self.redirect.unwrap_or_default().with(*flags));
            }
            PushOption::BlockIpv6 => self.plan.block_ipv6 = true,
            PushOption::TunMtu(mtu) => self.plan.mtu = *mtu,
            PushOption::DhcpOption(option) => self.take_dhcp(option),
            PushOption::Dns(option) => self.take_dns(option),
            PushOption::RedirectPrivate(_)
            | PushOption::Inactive { .. }
            | PushOption::SessionTimeout(_)
            | PushOption::PingExit(_) => self.ignore(option, "it is not supported yet"),
            // The session has looked at it: it adds nothing to a packet.
            PushOption::Other(text) if text.starts_with("compress ") => {}
            PushOption::Other(_) => self.ignore(option, "it is unknown"),
            // The rest concerns the session, or other systems.
            _ => {}
        }
        Ok(())
    }

    fn take_route(
        &mut self,
        option: &PushOption,
        target: RouteTarget,
        netmask: Option<Ipv4Addr>,
        gateway: Option<RouteTarget>,
        metric: Option<u32>,
    ) -> Result<(), PlanError> {
        let address = match target {
            RouteTarget::Addr(address) => Some(address),
            RouteTarget::NetGateway => self.outside.gateway,
            RouteTarget::RemoteHost => match self.outside.server {
                Some(IpAddr::V4(server)) => Some(server),
                _ => None,
            },
            RouteTarget::VpnGateway => None,
        };
        let Some(address) = address else {
            self.ignore(option, "there is no such address here");
            return Ok(());
        };
        let bits = netmask.map_or(Ok(32), prefix_length)?;
        let Some(network) = Network::new(address.into(), bits) else { return Ok(()) };
        match (gateway, self.outside.gateway) {
            (Some(RouteTarget::NetGateway), Some(gateway)) => {
                self.plan.routes.push(RouteChange::Outside { network, gateway, metric });
            }
            (Some(RouteTarget::NetGateway), None) => {
                self.ignore(option, "there is no default gateway here");
            }
            // The tunnel has one other end, by whatever address it is called.
            _ => self.tunnel(network, metric),
        }
        Ok(())
    }

    /// Everything is taken in two halves: they win over the default route without replacing it.
    fn tunnel(&mut self, network: Network, metric: Option<u32>) {
        let metric = metric.or(self.metric);
        for network in halves(network) {
            self.plan.routes.push(RouteChange::Tunnel { network, metric });
        }
    }

    fn take_dhcp(&mut self, option: &DhcpOption) {
        match option {
            DhcpOption::Dns(server) => self.plain_dns.servers.push(*server),
            DhcpOption::Domain(name)
            | DhcpOption::AdapterDomainSuffix(name)
            | DhcpOption::DomainSearch(name) => {
                self.plain_dns.domains.extend(DomainName::new(name.as_str()));
            }
            _ => {}
        }
    }

    fn take_dns(&mut self, option: &DnsOption) {
        match option {
            DnsOption::SearchDomains(names) => {
                self.search.extend(names.iter().filter_map(|name| DomainName::new(name.as_str())));
            }
            DnsOption::Server { priority, setting } => {
                match self.dns.iter_mut().find(|(other, _)| other == priority) {
                    Some((_, settings)) => settings.push(setting.clone()),
                    None => self.dns.push((*priority, vec![setting.clone()])),
                }
            }
        }
    }

    fn ignore(&mut self, option: &PushOption, why: &'static str) {
        self.warnings.push(Warning::OptionIgnored { option: option.to_string(), why });
    }

    fn finish(mut self) -> Result<(Plan, Vec<Warning>), PlanError> {
        if let Some((local, second)) = self.ifconfig {
            let address = address_v4(self.topology, local, second)?;
            self.plan.addresses.insert(0, address);
        }
        if self.plan.addresses.is_empty() {
            return Err(PlanError::NoAddress);
        }
        if let Some(flags) = self.redirect {
            self.redirect(flags);
        }
        let server = self.outside.server;
        let caught = |route: &RouteChange| {
            matches!(route, RouteChange::Tunnel { network, .. }
                if server.is_some_and(|server| network.contains(server)))
        };
        let local = self.redirect.is_some_and(|flags| flags.contains(RedirectFlags::LOCAL));
        self.plan.past_tunnel = !local && self.plan.routes.iter().any(caught);
        self.plan.dns = self.name_servers();
        Ok((self.plan, self.warnings))
    }

    /// Halves beside the default route instead of one in its place: nothing has to be put back, and
    /// what a killed client leaves goes with its interface.
    fn redirect(&mut self, flags: RedirectFlags) {
        let v4 = [([0, 0, 0, 0], 1), ([128, 0, 0, 0], 1)];
        let v6 = [(0, 3), (0x2000, 4), (0x3000, 4), (0xfc00, 7)];
        let all_v4 = !flags.contains(RedirectFlags::NOT_IPV4);
        if all_v4 {
            for (address, bits) in v4 {
                let network = Network::new(Ipv4Addr::from(address).into(), bits);
                network.into_iter().for_each(|network| self.tunnel(network, None));
            }
        }
        let inside = self.plan.addresses.iter().any(|own| own.address.is_ipv6());
        if all_v4 && !inside && !flags.contains(RedirectFlags::IPV6) && !self.ipv6_may_leave {
            // Who wants all traffic in the tunnel wants none beside it.
            self.plan.block_ipv6 = true;
        }
        if flags.contains(RedirectFlags::IPV6) || self.plan.block_ipv6 {
            for (first, bits) in v6 {
                let address = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0);
                let network = Network::new(address.into(), bits);
                network.into_iter().for_each(|network| self.tunnel(network, None));
            }
        }
    }

    /// `dns` counts before `dhcp-option`, and of its servers the one with the lowest number that can
    /// be asked in the plain way.
    fn name_servers(&mut self) -> Option<NameServers> {
        self.dns.sort_by_key(|(priority, _)| *priority);
        let chosen = self.dns.iter().find_map(|(_, settings)| plain_server(settings));
        let mut chosen = match chosen {
            Some(chosen) => chosen,
            None => std::mem::take(&mut self.plain_dns),
        };
        if chosen.all_names {
            chosen.domains.append(&mut self.search);
        }
        (!chosen.servers.is_empty()).then_some(chosen)
    }
}

fn halves(network: Network) -> Vec<Network> {
    let upper: IpAddr = match network.address() {
        _ if network.bits() > 0 => return vec![network],
        IpAddr::V4(_) => Ipv4Addr::new(128, 0, 0, 0).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0).into(),
    };
    [network.address(), upper].into_iter().filter_map(|half| Network::new(half, 1)).collect()
}

fn plain_server(settings: &[DnsServer]) -> Option<NameServers> {
    let mut found = NameServers { all_names: true, ..NameServers::default() };
    for setting in settings {
        match setting {
            DnsServer::Address(addresses) => {
                let plain = addresses.iter().filter(|(_, port)| matches!(port, None | Some(53)));
                found.servers.extend(plain.map(|(address, _)| *address));
            }
            DnsServer::ResolveDomains(names) => {
                found.all_names = false;
                let names = names.iter().filter_map(|name| DomainName::new(name.as_str()));
                found.domains.extend(names);
            }
            DnsServer::Transport(DnsTransport::Dot | DnsTransport::Doh) => return None,
            DnsServer::Transport(DnsTransport::Plain)
            | DnsServer::Dnssec(_)
            | DnsServer::Sni(_) => {}
        }
    }
    (!found.servers.is_empty()).then_some(found)
}

/// With topology subnet the second word of `ifconfig` is a netmask, else the other end.
fn address_v4(
    topology: Topology,
    local: Ipv4Addr,
    second: Ipv4Addr,
) -> Result<TunnelAddress, PlanError> {
    let address = local.into();
    match topology {
        Topology::Subnet => Ok(TunnelAddress { address, bits: prefix_length(second)?, peer: None }),
        // Servers exist that push a netmask and forget the topology.
        Topology::Net30 | Topology::P2p if second.octets()[0] == 255 => {
            Ok(TunnelAddress { address, bits: prefix_length(second)?, peer: None })
        }
        Topology::Net30 | Topology::P2p => {
            Ok(TunnelAddress { address, bits: 32, peer: Some(second) })
        }
    }
}

fn prefix_length(netmask: Ipv4Addr) -> Result<u8, PlanError> {
    let bits = netmask.to_bits();
    let ones = bits.leading_ones();
    if bits.count_ones() != ones {
        return Err(PlanError::BadNetmask(netmask));
    }
    u8::try_from(ones).map_err(|_| PlanError::BadNetmask(netmask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_push_gives_addresses_and_no_routes() {
        let (plan, warnings) = plan(&[
            "topology subnet",
            "ifconfig 10.71.0.5 255.255.0.0",
            "ifconfig-ipv6 fd00::5/64 fd00::1",
            "tun-mtu 1400",
        ]);
        assert_eq!(plan.mtu, 1400);
        assert_eq!(
            plan.addresses,
            [
                TunnelAddress { address: ip("10.71.0.5"), bits: 16, peer: None },
                TunnelAddress { address: ip("fd00::5"), bits: 64, peer: None },
            ]
        );
        assert!(plan.routes.is_empty() && !plan.past_tunnel && plan.dns.is_none());
        assert!(warnings.is_empty());
    }

    #[test]
    fn without_a_topology_the_second_address_is_the_other_end() {
        let (plan, _) = plan(&["ifconfig 10.8.0.6 10.8.0.5"]);
        let peer = Some(Ipv4Addr::new(10, 8, 0, 5));
        assert_eq!(plan.addresses, [TunnelAddress { address: ip("10.8.0.6"), bits: 32, peer }]);
    }

    #[test]
    fn redirect_gateway_makes_halves_and_keeps_the_server_outside() {
        let (plan, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1 ipv6"]);
        assert_eq!(
            networks(&plan),
            ["0.0.0.0/1", "128.0.0.0/1", "::/3", "2000::/4", "3000::/4", "fc00::/7"]
        );
        assert!(plan.past_tunnel);
    }

    #[test]
    fn without_an_inner_ipv6_address_redirected_traffic_takes_ipv6_along_to_its_end() {
        let all_v6 = ["::/3", "2000::/4", "3000::/4", "fc00::/7"];
        let six = |plan: &Plan| {
            let all = networks(plan).into_iter();
            all.filter(|network| network.contains(':')).collect::<Vec<_>>()
        };
        let (alone, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1"]);
        assert!(alone.block_ipv6 && six(&alone) == all_v6, "{alone:?}");
        let (asked, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "block-ipv6"]);
        assert!(asked.block_ipv6 && six(&asked) == all_v6, "{asked:?}");
        let inside = "ifconfig-ipv6 fd00::5/64 fd00::1";
        let (inside, _) = plan(&[SUBNET[0], SUBNET[1], inside, "redirect-gateway def1"]);
        assert!(!inside.block_ipv6 && six(&inside).is_empty(), "{inside:?}");
        let (split, _) = plan(&[SUBNET[0], SUBNET[1], "route 10.9.0.0 255.255.0.0"]);
        assert!(!split.block_ipv6 && six(&split).is_empty(), "{split:?}");
        let (only_six, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway !ipv4 def1"]);
        assert!(!only_six.block_ipv6, "{only_six:?}");
    }

    #[test]
    fn a_profile_may_let_ipv6_leave_beside_the_tunnel() {
        let pushed = options(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "block-ipv6"]);
        let filters = [Filter { prefix: "block-ipv6".into(), accept: false }];
        let wishes = Wishes { filters: &filters, ..wishes(&pushed) };
        let (plan, _) = Plan::make(wishes, outside()).unwrap();
        assert!(!plan.block_ipv6 && networks(&plan) == ["0.0.0.0/1", "128.0.0.0/1"], "{plan:?}");
    }

    #[test]
    fn a_pushed_route_that_would_catch_the_server_keeps_it_outside_too() {
        let (caught, _) = plan(&[SUBNET[0], SUBNET[1], "route 203.0.113.0 255.255.255.0"]);
        assert!(caught.past_tunnel);
        let (elsewhere, _) = plan(&[SUBNET[0], SUBNET[1], "route 10.99.0.0 255.255.255.0"]);
        assert!(!elsewhere.past_tunnel);
        let (local, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1 local"]);
        assert!(!local.past_tunnel);
    }

    #[test]
    fn route_keywords_mean_the_world_outside() {
        let (plan, _) = plan(&[
            SUBNET[0],
            SUBNET[1],
            "route-metric 7",
            "route 10.1.0.0 255.255.0.0 vpn_gateway 3",
            "route 10.2.0.0 255.255.0.0",
            "route 10.3.0.0 255.255.0.0 net_gateway",
            "route-ipv6 fd99::/64",
        ]);
        let tunnel = |network: &str, metric| RouteChange::Tunnel { network: net(network), metric };
        let gateway = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!(
            plan.routes,
            [
                tunnel("10.1.0.0/16", Some(3)),
                tunnel("10.2.0.0/16", Some(7)),
                RouteChange::Outside { network: net("10.3.0.0/16"), gateway, metric: None },
                tunnel("fd99::/64", Some(7)),
            ]
        );
    }

    #[test]
    fn dns_options_count_before_dhcp_options_and_the_lowest_number_wins() {
        let (plan, _) = plan(&[
            SUBNET[0],
            SUBNET[1],
            "dhcp-option DNS 10.0.0.1",
            "dns search-domains corp.example",
            "dns server 5 address 10.0.0.5",
            "dns server 2 address 10.0.0.2 [fd00::2]:53",
            "dns server 1 address 10.0.0.9",
            "dns server 1 transport DoT",
        ]);
        let dns = plan.dns.unwrap();
        assert_eq!(dns.servers, [ip("10.0.0.2"), ip("fd00::2")]);
        assert_eq!(dns.domains, [DomainName::new("corp.example").unwrap()]);
        assert!(dns.all_names);
    }

    #[test]
    fn a_server_for_some_domains_is_asked_about_those_only() {
        let (plan, _) = plan(&[
            SUBNET[0],
            SUBNET[1],
            "dns server 0 address 10.0.0.2",
            "dns server 0 resolve-domains corp.example",
        ]);
        assert!(!plan.dns.unwrap().all_names);
    }

    #[test]
    fn dhcp_options_alone_name_servers_and_domains() {
        let (plan, _) = plan(&[
            SUBNET[0],
            SUBNET[1],
            "dhcp-option DNS 10.0.0.1",
            "dhcp-option DOMAIN x.example",
        ]);
        let dns = plan.dns.unwrap();
        assert_eq!((dns.servers.len(), dns.domains.len(), dns.all_names), (1, 1, true));
    }

    #[test]
    fn the_profile_may_turn_pushed_options_away() {
        let pushed = options(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "route 10.9.0.0"]);
        let mut wishes = wishes(&pushed);
        wishes.route_nopull = true;
        assert!(Plan::make(wishes, outside()).unwrap().0.routes.is_empty());
        let filters = [Filter { prefix: "redirect".into(), accept: false }];
        let wishes = Wishes { filters: &filters, route_nopull: false, ..wishes };
        assert_eq!(networks(&Plan::make(wishes, outside()).unwrap().0), ["10.9.0.0/32"]);
    }

    #[test]
    fn an_unusable_push_is_an_error_and_an_unknown_option_a_warning() {
        let none = options(&["ping 10"]);
        assert_eq!(Plan::make(wishes(&none), outside()), Err(PlanError::NoAddress));
        let holes = options(&["topology subnet", "ifconfig 10.0.0.1 255.0.255.0"]);
        let mask = Ipv4Addr::new(255, 0, 255, 0);
        assert_eq!(Plan::make(wishes(&holes), outside()), Err(PlanError::BadNetmask(mask)));
        let (_, warnings) = plan(&[SUBNET[0], SUBNET[1], "up /bin/sh"]);
        assert!(
            matches!(&warnings[..], [Warning::OptionIgnored { option, .. }] if option == "up /bin/sh")
        );
    }

    const SUBNET: [&str; 2] = ["topology subnet", "ifconfig 10.71.0.5 255.255.0.0"];

    fn plan(texts: &[&str]) -> (Plan, Vec<Warning>) {
        Plan::make(wishes(&options(texts)), outside()).unwrap()
    }

    fn wishes(pushed: &[PushOption]) -> Wishes<'_> {
        Wishes { own: &[], pushed, filters: &[], route_nopull: false, tun_mtu: 1500 }
    }

    fn outside() -> Outside {
        let gateway = Some(Ipv4Addr::new(192, 0, 2, 1));
        Outside { server: Some(ip("203.0.113.2")), gateway }
    }

    fn options(texts: &[&str]) -> Vec<PushOption> {
        texts.iter().map(|text| PushOption::parse(text).unwrap()).collect()
    }

    fn networks(plan: &Plan) -> Vec<String> {
        plan.routes.iter().map(|route| route.network().to_string()).collect()
    }

    fn net(text: &str) -> Network {
        let (address, bits) = text.split_once('/').unwrap();
        Network::new(ip(address), bits.parse().unwrap()).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
