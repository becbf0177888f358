//! From pushed options to the changes they ask for: a pure function.
//!
//! It knows no kernel and no file. Invariant: what can't be honoured is told, never left out in silence.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysio::{DomainName, Network};
use wire::push::{
    DhcpOption, DnsOption, DnsServer, DnsTransport, PushOption, RedirectFlags, RouteTarget,
    Topology,
};

use super::plan::{NameServers, Outside, Plan, PlanError, RouteChange, TunnelAddress, Wishes};
use crate::Warning;

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
            // What a client assumes that is told nothing.
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
mod tests;
