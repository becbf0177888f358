//! This machine's side of the tunnel: interface, addresses, forwarding, fences, NAT; kept as they were
//! made, and all of it undone.
//!
//! Whatever is made has a guard from that moment on, so that a start that fails at any later step, here
//! or elsewhere, leaves nothing behind. Forwarding is recorded before it is changed, so that a gateway
//! that was killed is cleaned up after at its next start. The firewall table is ours alone and replaced
//! as a whole, which is cleaning up too.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use engine::Offloads;
use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkError, NetlinkErrorKind, Route};
use sysio::{
    FirewallHold, FirewallRules, FirewallTable, Network, Sysctl, SysctlError, SysctlHold,
    SysctlLedger, TUNNEL_GROUP, Tun, enable_forwarding,
};

use crate::error::VpnError;
use crate::settings::Settings;

mod machine;
mod watch;

use machine::Machine;

/// What was set up, and is kept so. Dropping it undoes it.
#[derive(Debug)]
pub(crate) struct TunnelNetwork {
    pub(crate) queues: Vec<Arc<Tun>>,
    machine: Arc<Mutex<Machine>>,
    watching: tokio::task::AbortHandle,
}

/// Makes the interface and everything around it.
pub(crate) async fn set_up(
    settings: &Settings,
    undo_places: &[PathBuf],
    offloads: Offloads,
    workers: u16,
) -> Result<TunnelNetwork, VpnError> {
    let ledger = ledger(undo_places)?;
    let netlink = Netlink::open().map_err(VpnError::Netlink)?;
    inner_networks_are_free(&netlink, settings).await?;
    let count = if offloads.queues { usize::from(workers) * engine::QUEUES_PER_WORKER } else { 1 };
    let queues = Tun::create_queues(&settings.interface, settings.tun_mtu, offloads.tun, count)
        .map_err(VpnError::Interface)?;
    let tun = &queues[0];
    let interface = tun.name().to_owned();
    let (ifindex, addresses) =
        addresses(&netlink, tun, settings).await.map_err(VpnError::Addresses)?;
    warn_of_routes_inside(&netlink, settings, ifindex).await;
    let outlives_us = tun.was_there();
    let queues = queues.into_iter().map(Arc::new).collect();
    let (forwarding, firewall) = (None, None);
    let mut machine = Machine { interface, ifindex, addresses, outlives_us, forwarding, firewall };
    remove_left_over(&machine.interface, settings.nat).await;
    if settings.nat {
        let before = forwarded_before(&ledger, settings);
        if !before.contains(&IpFamily::V4) {
            tracing::info!(
                "this machine forwarded nothing before: between its other networks it still does not"
            );
        }
        machine.firewall = fence(&machine.interface, settings, &before).await;
        // Without the fences it would open subscribers and the machine's other networks.
        if machine.firewall.is_some() {
            machine.forwarding = Some(forward(&ledger, settings).await?);
        }
    }
    let machine = Arc::new(Mutex::new(machine));
    let watching = tokio::spawn(watch::watch(Arc::clone(&machine))).abort_handle();
    Ok(TunnelNetwork { queues, machine, watching })
}

impl TunnelNetwork {
    /// For whoever asks how it is.
    pub(crate) fn view(&self) -> NetworkView {
        NetworkView(Arc::clone(&self.machine))
    }

    /// Makes everything as it was made, now.
    pub(crate) async fn put_back(&self) {
        watch::mend(&self.machine, &mut Vec::new()).await;
    }

    /// Undoes everything, and says what stays. The interface goes with its last user.
    pub(crate) async fn take_down(self) {
        self.watching.abort();
        let stays = watch::on_machine(&self.machine, Machine::undo).await;
        for error in stays.into_iter().flatten() {
            tracing::error!("{error}");
        }
    }
}

/// Looks at what was set up, and has it mended. Keeps nothing of it alive.
#[derive(Clone, Debug)]
pub struct NetworkView(Arc<Mutex<Machine>>);

impl NetworkView {
    /// What is not as it was made, in words.
    pub async fn changes(&self) -> Vec<String> {
        watch::changes(&self.0).await.iter().map(ToString::to_string).collect()
    }

    /// Makes everything as it was made, now.
    pub async fn put_back(&self) {
        watch::mend(&self.0, &mut Vec::new()).await;
    }
}

impl Drop for TunnelNetwork {
    fn drop(&mut self) {
        self.watching.abort();
        // The aborted task may hold on to the machine for a while.
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.undo();
    }
}

/// In the first place that can be used. Puts back what a killed gateway had left there.
fn ledger(places: &[PathBuf]) -> Result<SysctlLedger, VpnError> {
    let mut errors = Vec::new();
    for place in places {
        match recovered(place) {
            Ok(ledger) => return Ok(ledger),
            Err(error) => errors.push(error),
        }
    }
    Err(VpnError::UndoRecord(errors))
}

fn recovered(place: &Path) -> Result<SysctlLedger, SysctlError> {
    let ledger = SysctlLedger::open(place)?;
    for change in ledger.recover()? {
        tracing::warn!(setting = %change, "put back what a killed gateway had changed");
    }
    Ok(ledger)
}

/// The gateway's inner addresses, with the bits of their networks.
fn inner_networks(settings: &Settings) -> Vec<(IpAddr, u8)> {
    let net = settings.network;
    let v6 = settings.network6.map(|net6| (net6.gateway().into(), net6.bits()));
    [(net.gateway().into(), net.bits())].into_iter().chain(v6).collect()
}

/// Two interfaces with the same network would each get half of the answers, and the fences keep out a
/// network that lies inside ours. One that lies around ours, as a provider's 10.0.0.0/8 may, does no harm;
/// nor does what a killed gateway left on an interface that was made to stay, and that nobody has.
async fn inner_networks_are_free(netlink: &Netlink, settings: &Settings) -> Result<(), VpnError> {
    let inner = inner_networks(settings);
    for present in netlink.address_list(None).await.map_err(VpnError::Addresses)? {
        let overlaps = |(address, bits): &(IpAddr, u8)| {
            let ours = Network::new(*address, *bits);
            let inside = ours.is_some_and(|ours| ours.contains(present.address));
            *address == present.address || (inside && present.bits >= *bits)
        };
        if inner.iter().any(overlaps) {
            let link = netlink.link(present.ifindex).await.map_err(VpnError::Addresses)?;
            if link.name == settings.interface && link.tun && !link.carrier {
                continue;
            }
            let (address, bits) = (present.address, present.bits);
            return Err(VpnError::InnerNetworkTaken { interface: link.name, address, bits });
        }
    }
    Ok(())
}

/// A route of the machine to a part of our network takes the answers to the subscribers there somewhere else.
/// It may be meant so, by whoever gave that part away: it is said, and stops nothing.
async fn warn_of_routes_inside(netlink: &Netlink, settings: &Settings, tunnel: u32) {
    let ours: Vec<_> = inner_networks(settings)
        .into_iter()
        .filter_map(|(address, bits)| Network::new(address, bits))
        .collect();
    for family in [IpFamily::V4, IpFamily::V6] {
        let routes = netlink.route_list(family).await.unwrap_or_default();
        let elsewhere = routes.into_iter().filter(|route| route.ifindex != Some(tunnel));
        for Route { destination, ifindex, .. } in elsewhere {
            let is_inside = |ours: &Network| {
                ours.contains(destination.address()) && destination.bits() >= ours.bits()
            };
            if !ours.iter().any(is_inside) {
                continue;
            }
            let interface = match ifindex {
                Some(index) => netlink.link(index).await.map(|link| link.name).ok(),
                None => None,
            };
            let interface = interface.as_deref().unwrap_or("elsewhere");
            tracing::warn!(
                route = %destination, interface,
                "a part of vpn.network is routed to another interface: subscribers with addresses there are \
                 not answered; remove the route, or choose another network"
            );
        }
    }
}

/// Returns the interface's number and the addresses that it got.
async fn addresses(
    netlink: &Netlink,
    tun: &Tun,
    settings: &Settings,
) -> Result<(u32, Vec<(IpAddr, u8)>), NetlinkError> {
    let index = netlink.link_index(tun.name()).await?;
    let up = LinkChange { up: Some(true), group: Some(TUNNEL_GROUP), ..LinkChange::default() };
    netlink.link_set(index, up).await?;
    let mut given = Vec::new();
    for (address, bits) in inner_networks(settings) {
        match netlink.address_add(index, address, bits).await {
            Ok(()) => given.push((address, bits)),
            Err(error) if error.kind == NetlinkErrorKind::Exists => given.push((address, bits)),
            // A machine without IPv6 still serves IPv4.
            Err(error) if address.is_ipv6() => tracing::warn!(%error, "no IPv6 inside the tunnel"),
            Err(error) => return Err(error),
        }
    }
    Ok((index, given))
}

async fn forward(ledger: &SysctlLedger, settings: &Settings) -> Result<SysctlHold, VpnError> {
    let uplink = match Netlink::open() {
        Ok(netlink) => netlink.default_route(IpFamily::V6).await.ok().flatten(),
        Err(_) => None,
    };
    let uplink = uplink.as_ref().map(|route| route.name.as_str());
    let forwarding = enable_forwarding(ledger, settings.network6.is_some(), uplink)
        .map_err(VpnError::Forwarding)?;
    if forwarding.ipv6_missing {
        tracing::warn!("this kernel has no IPv6; IPv6 is not forwarded");
    }
    Ok(forwarding.hold)
}

/// The families that this machine forwarded before a gateway came.
fn forwarded_before(ledger: &SysctlLedger, settings: &Settings) -> Vec<IpFamily> {
    let on = |key: &Sysctl| ledger.original(key).is_ok_and(|value| value != "0");
    let families = [(IpFamily::V4, Sysctl::Ipv4Forward), (IpFamily::V6, Sysctl::Ipv6Forward)];
    // What is not ours to switch on stays as it is.
    let ours = |family: &IpFamily| *family == IpFamily::V4 || settings.network6.is_some();
    families.into_iter().filter(|(family, key)| !ours(family) || on(key)).map(|(f, _)| f).collect()
}

/// Subscribers reach the gateway itself without, so its lack is said and not fatal.
async fn fence(tun: &str, settings: &Settings, before: &[IpFamily]) -> Option<FirewallHold> {
    let (table, rules) = (FirewallTable::of_interface(tun), rules(tun, settings, before));
    let made = tokio::task::spawn_blocking(move || {
        let hold = table.hold(&rules)?;
        Ok::<_, sysio::FirewallError>((hold, table.blockers(&rules.tun)?))
    });
    match made.await {
        Ok(Ok((hold, blockers))) => {
            for blocker in blockers {
                tracing::warn!(%blocker, "tunnel traffic may be dropped");
            }
            Some(hold)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "no NAT and no forwarding: subscribers reach the gateway only");
            None
        }
        Err(_) => None,
    }
}

fn rules(tun: &str, settings: &Settings, before: &[IpFamily]) -> FirewallRules {
    let inner = inner_networks(settings);
    let families = [IpFamily::V4, IpFamily::V6].into_iter();
    FirewallRules {
        tun: tun.to_owned(),
        inner: inner.iter().filter_map(|(address, bits)| Network::new(*address, *bits)).collect(),
        own: inner.iter().map(|(address, _)| *address).collect(),
        allow_in: settings.allow_in.iter().filter_map(|net| net.outside()).collect(),
        client_to_client: settings.client_to_client,
        masquerade: true,
        tunnels_only: families.filter(|family| !before.contains(family)).collect(),
    }
}

/// A gateway that was killed left its table, which drops what is not its own tunnel's: all whose gateways
/// are gone are removed, and that of our own interface where none is to take its place.
async fn remove_left_over(interface: &str, replaces: bool) {
    let own = FirewallTable::of_interface(interface);
    let removed = tokio::task::spawn_blocking(move || {
        let mut tables = FirewallTable::left_over()?;
        tables.retain(|table| *table != own);
        for table in &tables {
            table.remove()?;
        }
        if !replaces {
            own.remove()?;
        }
        Ok::<_, sysio::FirewallError>(tables)
    });
    match removed.await {
        Ok(Ok(tables)) => {
            for table in tables {
                tracing::warn!(
                    table = table.name(),
                    "removed the firewall table of a killed gateway"
                );
            }
        }
        // Without nft there is no table of ours either.
        Ok(Err(error)) => tracing::debug!(%error, "no left-over firewall table removed"),
        Err(_) => {}
    }
}
