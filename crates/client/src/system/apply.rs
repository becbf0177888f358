//! Carries plans out and undoes them.
//!
//! Every change goes with a guard: a step that fails, a task that is dropped and a panic undo what was
//! done before. What does not go with the interface by itself is on record before it is made.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkError, NetlinkErrorKind, Route};
use sysio::{Dns, DnsError, DnsSettings, Network, Tun, Undo};
use tokio::task::block_in_place;

use super::SystemError;
use super::held::{HeldRoute, Making, NotHeld, SharedRecord};
use super::plan::{NameServers, Outside, Plan, RouteChange, TunnelAddress};
use super::record::{Record, mend_all};
use super::way::Way;
use crate::Warning;

/// The TUN interface and everything that was changed for it. Dropping it undoes all: name servers
/// first, then the routes that do not go with the interface, which goes last.
pub(crate) struct System {
    dns: Option<Dns>,
    /// Another tunnel has the name servers; ours are set when it ends.
    names_wait: bool,
    /// The route that keeps the server reachable past the tunnel.
    past_tunnel: Option<HeldRoute>,
    /// Other routes that do not go with the interface.
    outside: Vec<HeldRoute>,
    plan: Option<Plan>,
    netlink: Arc<Netlink>,
    queues: Vec<Arc<Tun>>,
    ifindex: u32,
    record: SharedRecord,
    making: Making,
    dns_backup: PathBuf,
}

impl System {
    /// Mends what a killed client left, and makes the interface. It stays down.
    pub(crate) async fn open(
        pattern: &str,
        mtu: u16,
        state: &Path,
        dns_backup: &Path,
    ) -> Result<(Self, Vec<Warning>), SystemError> {
        let netlink = Netlink::open().map_err(SystemError::Netlink)?;
        let wanted = engine::Offloads::wanted();
        let count = if wanted.queues { engine::QUEUES_PER_WORKER } else { 1 };
        let queues =
            Tun::create_queues(pattern, mtu, wanted.tun, count).map_err(SystemError::Tun)?;
        let tun = &queues[0];
        let ifindex = netlink
            .link_index(tun.name())
            .await
            .map_err(|source| SystemError::Refused { what: tun.name().to_owned(), source })?;
        let (record, mut mended) = Record::open(state, &netlink).await?;
        mended.extend(mend_names(dns_backup));
        let system = Self {
            dns: None,
            names_wait: false,
            past_tunnel: None,
            outside: Vec::new(),
            plan: None,
            netlink: Arc::new(netlink),
            queues: queues.into_iter().map(Arc::new).collect(),
            ifindex,
            record: Arc::new(Mutex::new(record)),
            making: Making::default(),
            dns_backup: dns_backup.to_owned(),
        };
        Ok((system, mended))
    }

    /// The queues of the TUN device.
    pub(crate) fn queues(&self) -> Vec<Arc<Tun>> {
        self.queues.clone()
    }

    /// The TUN device's name.
    pub(crate) fn interface(&self) -> &str {
        self.queues[0].name()
    }

    /// Whether a plan is in force.
    pub(crate) fn is_set_up(&self) -> bool {
        self.plan.is_some()
    }

    /// What a plan has to know.
    pub(crate) async fn outside(&self, server: IpAddr) -> Outside {
        Outside { server: Some(server), gateway: self.gateway().await }
    }

    /// Puts a plan in force; `true` if the one in force says the same.
    pub(crate) async fn set_up(
        &mut self,
        plan: Plan,
        server: IpAddr,
        warnings: &mut Vec<Warning>,
    ) -> Result<bool, SystemError> {
        if self.plan.as_ref().is_some_and(|present| same_settings(present, &plan)) {
            return Ok(true);
        }
        self.take_down(warnings).await;
        self.plan = Some(plan.clone());
        if plan.past_tunnel {
            self.keep_past_tunnel(server).await?;
        }
        let link = LinkChange { up: Some(true), mtu: Some(plan.mtu), ..LinkChange::default() };
        let linked = self.netlink.link_set(self.ifindex, link).await;
        linked.map_err(|source| self.refused("the interface", source))?;
        for address in &plan.addresses {
            self.add_address(address, warnings).await?;
        }
        for change in &plan.routes {
            self.add_route(change, warnings).await?;
        }
        if let Some(servers) = &plan.dns {
            self.set_names(servers.clone(), warnings);
        }
        Ok(false)
    }

    /// Before a server is tried, and whenever the network changed: its route past a tunnel that is in
    /// force leads there by the gateway of today, and so do others past the tunnel.
    pub(crate) async fn keep_reachable(&mut self, server: IpAddr) -> Result<(), SystemError> {
        self.follow_gateway().await?;
        let led_inside = |route: &RouteChange| matches!(route, RouteChange::Tunnel { network, .. } if network.contains(server));
        if self.plan.as_ref().is_some_and(|plan| plan.routes.iter().any(led_inside)) {
            return self.keep_past_tunnel(server).await;
        }
        // What can't be removed is on record.
        drop(self.past_tunnel.take());
        Ok(())
    }

    /// How packets to an address leave, or would leave if there were no tunnel; `None` without a
    /// network that leads there.
    pub(crate) async fn way_to(&self, to: IpAddr) -> Option<Way> {
        let kept = self.past_tunnel.as_ref().map(|kept| *kept.route());
        let is_kept = kept.is_some_and(|kept| kept.destination.contains(to));
        let found = self.netlink.route_lookup(to).await.ok();
        if let Some(found) = found.filter(|found| found.ifindex != self.ifindex && !is_kept) {
            let (ifindex, gateway) = (found.ifindex, found.gateway);
            return Some(Way { ifindex, gateway, local: found.local });
        }
        let routes = self.routes_outside(to).await;
        Way::by_routes(routes.iter().filter(|route| Some(**route) != kept), to)
    }

    /// The name of the interface that a way leads by.
    pub(crate) async fn interface_of(&self, way: Way) -> Option<String> {
        self.netlink.link(way.ifindex).await.ok().map(|link| link.name)
    }

    /// Whether an address is one of this machine's.
    pub(crate) async fn has_address(&self, address: IpAddr) -> bool {
        let all = self.netlink.address_list(None).await;
        // Where the kernel does not say, nothing has changed.
        all.map_or(true, |all| all.iter().any(|own| own.address == address))
    }

    /// The name servers that are asked, or would be if there were no tunnel.
    pub(crate) fn outer_name_servers(&self) -> Vec<IpAddr> {
        self.dns.as_ref().map_or_else(sysio::name_servers, Dns::former_servers)
    }

    /// Puts the plan's name servers in force again where another program has overwritten them, or
    /// another tunnel had them and ended. Whether it had to.
    pub(crate) fn keep_names(&mut self, warnings: &mut Vec<Warning>) -> bool {
        if let Some(dns) = &mut self.dns {
            match block_in_place(|| dns.keep()) {
                Ok(again) => {
                    warnings.extend(again.then_some(Warning::NamesSetAgain));
                    return again;
                }
                // Another program took them for good; ours are tried again.
                Err(_) => (self.dns, self.names_wait) = (None, true),
            }
        }
        let Some(servers) = self.plan.as_ref().and_then(|plan| plan.dns.clone()) else {
            return false;
        };
        if !self.names_wait {
            return false;
        }
        // That they wait was said once.
        self.set_names(servers, &mut Vec::new());
        let set = self.dns.is_some();
        warnings.extend(set.then_some(Warning::NamesSetAgain));
        set
    }

    /// Undoes everything.
    pub(crate) async fn close(mut self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        self.take_down(&mut warnings).await;
        // A route that was given up on while it was made is undone by whoever makes it.
        drop(self.making.lock().await);
        let gone = match self.queues[0].was_there() {
            // Made beforehand to stay, it is left as it was found.
            true => {
                let down = LinkChange { up: Some(false), ..LinkChange::default() };
                self.netlink.link_set(self.ifindex, down).await
            }
            // The data worker may hold the interface a moment longer; it must not outlive this call.
            false => self.netlink.link_delete(self.ifindex).await,
        };
        match gone {
            Err(error) if error.kind != NetlinkErrorKind::Missing => {
                warnings.push(Warning::NotUndone(format!("{}: {error}", self.interface())));
            }
            _ => {}
        }
        warnings
    }

    async fn take_down(&mut self, warnings: &mut Vec<Warning>) {
        self.names_wait = false;
        if let Some(mut dns) = self.dns.take()
            && let Err(error) = block_in_place(|| dns.undo())
        {
            warnings.push(Warning::NotUndone(format!("the name servers stay changed: {error}")));
        }
        let Some(plan) = self.plan.take() else { return };
        for held in self.past_tunnel.take().into_iter().chain(self.outside.drain(..)) {
            warnings.extend(block_in_place(|| held.release()));
        }
        for change in &plan.routes {
            if let RouteChange::Tunnel { network, metric } = change {
                // One that never came to be is no error, and all go with the interface.
                let _ = self.netlink.route_delete(&self.tunnel_route(*network, *metric)).await;
            }
        }
        for TunnelAddress { address, bits, .. } in &plan.addresses {
            let _ = self.netlink.address_delete(self.ifindex, *address, *bits).await;
        }
    }

    /// Holds the route to the server by the way of this moment. Where there is no way, it stays as it
    /// is; where somebody else has made such a route, that one does.
    async fn keep_past_tunnel(&mut self, server: IpAddr) -> Result<(), SystemError> {
        let routes = self.routes_outside(server).await;
        let kept = self.past_tunnel.as_ref().map(|kept| *kept.route());
        let Some(way) = self.way_to(server).await else { return Ok(()) };
        let wanted = way.route_to(server);
        let of_others =
            |route: &&Route| route.destination == wanted.destination && Some(**route) != kept;
        if kept == Some(wanted) && routes.contains(&wanted) {
            return Ok(());
        }
        // The new one may have the place of the former.
        drop(self.past_tunnel.take());
        if way.local || routes.iter().any(|route| of_others(&route)) {
            return Ok(());
        }
        self.past_tunnel = self.hold(&wanted).await?;
        Ok(())
    }

    /// Routes past the tunnel that the server asked for lead by the gateway of today.
    async fn follow_gateway(&mut self) -> Result<(), SystemError> {
        let Some(today) = self.gateway().await else { return Ok(()) };
        for at in 0..self.plan.as_ref().map_or(0, |plan| plan.routes.len()) {
            let Some(change) = self.plan.as_ref().and_then(|plan| plan.routes.get(at)) else {
                break;
            };
            let RouteChange::Outside { network, gateway, metric } = *change else { continue };
            if gateway == today {
                continue;
            }
            let route = outside_route(network, today, metric);
            self.outside.retain(|held| held.route().destination != route.destination);
            let held = self.hold(&route).await?;
            self.outside.extend(held);
            // Where the route can't be made yet, the next look tries again.
            let change = self.plan.as_mut().and_then(|plan| plan.routes.get_mut(at));
            if let Some(RouteChange::Outside { gateway, .. }) = change {
                *gateway = today;
            }
        }
        Ok(())
    }

    /// Makes a route that does not go with the interface; none where there is one already.
    async fn hold(&self, route: &Route) -> Result<Option<HeldRoute>, SystemError> {
        match HeldRoute::make(&self.netlink, route, &self.record, &self.making).await {
            Ok(held) => Ok(Some(held)),
            Err(NotHeld::Record(error)) => Err(error),
            Err(NotHeld::Refused(error)) if error.kind == NetlinkErrorKind::Exists => Ok(None),
            Err(NotHeld::Refused(error)) => {
                Err(self.refused(&format!("the route to {}", route.destination), error))
            }
        }
    }

    async fn gateway(&self) -> Option<Ipv4Addr> {
        let route = self.netlink.default_route(IpFamily::V4).await.ok().flatten()?;
        match route.gateway? {
            IpAddr::V4(gateway) => Some(gateway),
            IpAddr::V6(_) => None,
        }
    }

    async fn routes_outside(&self, like: IpAddr) -> Vec<Route> {
        let family = if like.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 };
        let mut routes = self.netlink.route_list(family).await.unwrap_or_default();
        routes.retain(|route| route.ifindex != Some(self.ifindex));
        // As ours are compared: the kernel adds what it chose itself.
        let plain = |route: &mut Route| {
            route.source = None;
            route.metric = route.metric.filter(|metric| !DEFAULT_METRICS.contains(metric));
        };
        routes.iter_mut().for_each(plain);
        routes
    }

    async fn add_address(
        &self,
        address: &TunnelAddress,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        let TunnelAddress { address, bits, peer } = *address;
        let added = match peer {
            Some(peer) => {
                self.netlink.address_add_with_peer(self.ifindex, address, peer.into()).await
            }
            None => self.netlink.address_add(self.ifindex, address, bits).await,
        };
        self.tolerate(added, &format!("the address {address}"), address.is_ipv6(), warnings)
    }

    async fn add_route(
        &mut self,
        change: &RouteChange,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        match *change {
            RouteChange::Outside { network, gateway, metric } => {
                let held = self.hold(&outside_route(network, gateway, metric)).await?;
                warnings.extend(held.is_none().then_some(Warning::OwnNetwork(network)));
                self.outside.extend(held);
                Ok(())
            }
            RouteChange::Tunnel { network, .. } if self.is_own_network(network).await => {
                warnings.push(Warning::OwnNetwork(network));
                Ok(())
            }
            RouteChange::Tunnel { network, metric } => {
                let added = self.netlink.route_add(&self.tunnel_route(network, metric)).await;
                if added.as_ref().is_err_and(|error| error.kind == NetlinkErrorKind::Exists) {
                    warnings.push(Warning::OwnNetwork(network));
                    return Ok(());
                }
                let v6 = network.address().is_ipv6();
                self.tolerate(added, &format!("the route to {network}"), v6, warnings)
            }
        }
    }

    /// Whether this machine is in that very network. A route into the tunnel would win over the one that is
    /// there, by its metric, and take what is around here away.
    async fn is_own_network(&self, network: Network) -> bool {
        let all = self.netlink.address_list(None).await.unwrap_or_default();
        let outside = all.iter().filter(|own| own.ifindex != self.ifindex && own.bits > 0);
        outside
            .filter_map(|own| Network::new(own.address, own.bits))
            .any(|own| own == network && own != Network::host(network.address()))
    }

    /// A machine without IPv6 leaks none.
    fn tolerate(
        &self,
        result: Result<(), NetlinkError>,
        what: &str,
        v6: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind == NetlinkErrorKind::Denied && !v6 => {
                Err(self.refused(what, error))
            }
            Err(error) if v6 || error.kind == NetlinkErrorKind::Exists => {
                warnings.push(Warning::NotSet(format!("{what} was not set: {error}")));
                Ok(())
            }
            Err(error) => Err(self.refused(what, error)),
        }
    }

    fn tunnel_route(&self, network: Network, metric: Option<u32>) -> Route {
        Route { metric, ..Route::on_link(network, self.ifindex) }
    }

    fn set_names(&mut self, servers: NameServers, warnings: &mut Vec<Warning>) {
        let settings = DnsSettings {
            interface: self.interface().to_owned(),
            servers: servers.servers,
            search: servers.domains,
            all_names: servers.all_names,
        };
        match block_in_place(|| Dns::apply(&settings, &self.dns_backup)) {
            Ok(dns) => (self.dns, self.names_wait) = (Some(dns), false),
            Err(DnsError::Taken { .. }) => {
                self.names_wait = true;
                warnings.push(Warning::NamesTaken);
            }
            Err(error) => {
                warnings.push(Warning::NotSet(format!("the name servers were not set: {error}")));
            }
        }
    }

    fn refused(&self, what: &str, source: NetlinkError) -> SystemError {
        SystemError::Refused { what: format!("{what} for {}", self.interface()), source }
    }
}

fn outside_route(network: Network, gateway: Ipv4Addr, metric: Option<u32>) -> Route {
    Route { metric, ..Route::by_gateway(network, gateway.into()) }
}

/// What does not depend on the server's own address.
fn same_settings(present: &Plan, next: &Plan) -> bool {
    let next = Plan { past_tunnel: present.past_tunnel, ..next.clone() };
    *present == next
}

/// Undoes what killed clients left that kept their records here, and says what that was.
///
/// # Errors
/// When the kernel's network configuration can't be reached.
pub async fn mend(state: &Path, dns_backup: &Path) -> Result<Vec<Warning>, SystemError> {
    let netlink = Netlink::open().map_err(SystemError::Netlink)?;
    let mut mended = mend_all(state, &netlink).await;
    mended.extend(mend_names(dns_backup));
    Ok(mended)
}

fn mend_names(backup: &Path) -> Option<Warning> {
    match Dns::recover(backup) {
        Ok(true) => Some(Warning::Mended("/etc/resolv.conf is as before".to_owned())),
        // Another client's settings are in force and none of our business.
        Ok(false) | Err(DnsError::Taken { .. }) => None,
        Err(error) => Some(Warning::NotUndone(format!("the name servers stay changed: {error}"))),
    }
}

/// What the kernel gives a route that asks for none, in IPv4 and IPv6.
const DEFAULT_METRICS: [u32; 2] = [0, 1024];
