//! Carries plans out and undoes them.
//!
//! Every change is noted before it is made, so that an end at any moment finds what there is to undo.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkError, NetlinkErrorKind, Route};
use sysio::{Dns, DnsError, DnsSettings, Network, Tun};

use super::SystemError;
use super::plan::{NameServers, Outside, Plan, RouteChange, TunnelAddress};
use super::record::Record;
use crate::Warning;

/// The TUN interface and everything that was changed for it.
pub(crate) struct System {
    netlink: Netlink,
    queues: Vec<Arc<Tun>>,
    ifindex: u32,
    record: Record,
    plan: Option<Plan>,
    /// Routes that do not go with the interface.
    outside: Vec<Route>,
    /// The route that keeps the server reachable past the tunnel; it is among those above.
    past_tunnel: Option<Route>,
    dns: Option<Dns>,
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
            netlink,
            queues: queues.into_iter().map(Arc::new).collect(),
            ifindex,
            record,
            plan: None,
            outside: Vec::new(),
            past_tunnel: None,
            dns: None,
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
        let route = self.netlink.default_route(IpFamily::V4).await.ok().flatten();
        let gateway = route.and_then(|route| match route.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        });
        Outside { server: Some(server), gateway }
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
        // While the way to the server is still the one outside.
        if plan.past_tunnel {
            self.keep_past_tunnel(server, warnings).await?;
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
            self.set_names(servers.clone(), warnings).await;
        }
        Ok(false)
    }

    /// Before a server is tried: its route past a tunnel that is in force must lead there by the
    /// gateway of today.
    pub(crate) async fn keep_reachable(
        &mut self,
        server: IpAddr,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        let caught = self.plan.as_ref().is_some_and(|plan| {
            let routes = plan.routes.iter();
            routes
                .filter(|r| matches!(r, RouteChange::Tunnel { .. }))
                .any(|r| r.network().contains(server))
        });
        if let Some(route) = self.past_tunnel.take() {
            self.remove_outside(&route, warnings).await;
        }
        if caught { self.keep_past_tunnel(server, warnings).await } else { Ok(()) }
    }

    /// Undoes everything.
    pub(crate) async fn close(mut self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        self.take_down(&mut warnings).await;
        // The data worker may hold the interface a moment longer; it must not outlive this call.
        match self.netlink.link_delete(self.ifindex).await {
            Err(error) if error.kind != NetlinkErrorKind::Missing => {
                warnings.push(Warning::NotUndone(format!("{}: {error}", self.interface())));
            }
            _ => {}
        }
        if warnings.is_empty() {
            self.record.close();
        }
        warnings
    }

    async fn take_down(&mut self, warnings: &mut Vec<Warning>) {
        self.past_tunnel = None;
        if let Some(dns) = self.dns.take() {
            let released = tokio::task::spawn_blocking(move || dns.release()).await;
            if let Ok(Err(error)) = released {
                warnings
                    .push(Warning::NotUndone(format!("the name servers stay changed: {error}")));
            }
        }
        let Some(plan) = self.plan.take() else { return };
        for route in std::mem::take(&mut self.outside) {
            self.remove_outside(&route, warnings).await;
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

    async fn keep_past_tunnel(
        &mut self,
        server: IpAddr,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        let Some(route) = self.way_outside(server).await else { return Ok(()) };
        self.past_tunnel = Some(route);
        self.add_outside(route, warnings).await
    }

    /// The route to the server that does not lead into the tunnel; `None` if it needs none of its own.
    async fn way_outside(&self, server: IpAddr) -> Option<Route> {
        let destination = Network::host(server);
        let found = self.netlink.route_lookup(server).await.ok();
        if let Some(found) = found.filter(|found| found.ifindex != self.ifindex) {
            let ifindex = Some(found.ifindex);
            let route =
                Route { destination, via: found.gateway, ifindex, metric: None, source: None };
            return (!found.local).then_some(route);
        }
        let family = if server.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 };
        let default = self.netlink.default_route(family).await.ok().flatten()?;
        let (via, ifindex) = (default.gateway, Some(default.ifindex));
        Some(Route { destination, via, ifindex, metric: None, source: None })
    }

    async fn add_outside(
        &mut self,
        route: Route,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), SystemError> {
        self.record.add(&route)?;
        self.outside.push(route);
        let Err(error) = self.netlink.route_add(&route).await else { return Ok(()) };
        // It is not ours to remove.
        self.outside.retain(|other| *other != route);
        self.past_tunnel.take_if(|other| *other == route);
        self.record.remove(&route)?;
        match error.kind {
            NetlinkErrorKind::Exists => {
                warnings.push(exists(route.destination));
                Ok(())
            }
            _ => Err(self.refused(&format!("the route to {}", route.destination), error)),
        }
    }

    async fn remove_outside(&mut self, route: &Route, warnings: &mut Vec<Warning>) {
        self.outside.retain(|other| other != route);
        match self.netlink.route_delete(route).await {
            Err(error) if error.kind != NetlinkErrorKind::Missing && !is_gone(&error) => {
                let what = format!("the route to {} stays: {error}", route.destination);
                warnings.push(Warning::NotUndone(what));
            }
            _ => {}
        }
        if let Err(error) = self.record.remove(route) {
            warnings.push(Warning::NotUndone(error.to_string()));
        }
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
                let route = Route { metric, ..Route::by_gateway(network, gateway.into()) };
                self.add_outside(route, warnings).await
            }
            RouteChange::Tunnel { network, metric } => {
                let added = self.netlink.route_add(&self.tunnel_route(network, metric)).await;
                let v6 = network.address().is_ipv6();
                self.tolerate(added, &format!("the route to {network}"), v6, warnings)
            }
        }
    }

    /// A machine without IPv6 leaks none; a route that is there was made by somebody with a reason.
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

    async fn set_names(&mut self, servers: NameServers, warnings: &mut Vec<Warning>) {
        let settings = DnsSettings {
            interface: self.interface().to_owned(),
            servers: servers.servers,
            search: servers.domains,
            all_names: servers.all_names,
        };
        let backup = self.dns_backup.clone();
        let applied = tokio::task::spawn_blocking(move || Dns::apply(&settings, &backup)).await;
        match applied {
            Ok(Ok(dns)) => self.dns = Some(dns),
            Ok(Err(error)) => {
                warnings.push(Warning::NotSet(format!("the name servers were not set: {error}")));
            }
            Err(_) => warnings.push(Warning::NotSet("the name servers were not set".to_owned())),
        }
    }

    fn refused(&self, what: &str, source: NetlinkError) -> SystemError {
        SystemError::Refused { what: format!("{what} for {}", self.interface()), source }
    }
}

/// What does not depend on the server's own address.
fn same_settings(present: &Plan, next: &Plan) -> bool {
    let next = Plan { past_tunnel: present.past_tunnel, ..next.clone() };
    *present == next
}

fn exists(network: Network) -> Warning {
    Warning::NotSet(format!("a route to {network} exists already and stays"))
}

/// The route went with its interface or its gateway's network.
fn is_gone(error: &NetlinkError) -> bool {
    matches!(error.kind, NetlinkErrorKind::Unreachable | NetlinkErrorKind::Down)
}

fn mend_names(backup: &Path) -> Option<Warning> {
    match Dns::recover(backup) {
        Ok(true) => Some(Warning::Mended("/etc/resolv.conf is as before".to_owned())),
        // Another client's settings are in force and none of our business.
        Ok(false) | Err(DnsError::Taken { .. }) => None,
        Err(error) => Some(Warning::NotUndone(format!("the name servers stay changed: {error}"))),
    }
}
