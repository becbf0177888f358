//! This machine's side of the tunnel: interface, addresses, forwarding, NAT; and all of it undone.
//!
//! Whatever is made has a guard from that moment on, so that a start that fails at any later step, here
//! or elsewhere, leaves nothing behind. Forwarding is recorded before it is changed, so that a gateway
//! that was killed is cleaned up after at its next start. The firewall table is ours alone and replaced
//! as a whole, which is cleaning up too.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Offloads;
use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkError};
use sysio::{
    FirewallHold, FirewallRules, FirewallTable, Network, Sysctl, SysctlError, SysctlHold,
    SysctlLedger, TUNNEL_GROUP, Tun, UndoStack, enable_forwarding,
};

use crate::error::VpnError;
use crate::settings::Settings;

/// What was set up. Dropping it undoes it, forwarding before the fences around it.
#[derive(Debug)]
pub(crate) struct TunnelNetwork {
    pub(crate) queues: Vec<Arc<Tun>>,
    forwarding: Option<SysctlHold>,
    firewall: Option<FirewallHold>,
}

/// Makes the interface and everything around it.
pub(crate) async fn set_up(
    settings: &Settings,
    undo_places: &[PathBuf],
    offloads: Offloads,
    workers: u16,
) -> Result<TunnelNetwork, VpnError> {
    let ledger = ledger(undo_places)?;
    let count = if offloads.queues { usize::from(workers) * engine::QUEUES_PER_WORKER } else { 1 };
    let queues = Tun::create_queues(&settings.interface, settings.tun_mtu, offloads.tun, count)
        .map_err(VpnError::Interface)?;
    let tun = &queues[0];
    let netlink = Netlink::open().map_err(VpnError::Netlink)?;
    addresses(&netlink, tun, settings).await.map_err(VpnError::Addresses)?;
    let name = tun.name().to_owned();
    let queues = queues.into_iter().map(Arc::new).collect();
    let mut network = TunnelNetwork { queues, forwarding: None, firewall: None };
    if settings.nat {
        let before = forwarded_before(&ledger, settings);
        network.firewall = fence(&name, settings, &before).await;
        // Without the fences it would open subscribers and the machine's other networks.
        if network.firewall.is_some() {
            network.forwarding = Some(forward(&ledger, settings).await?);
        }
    } else {
        remove_left_over(&name).await;
    }
    Ok(network)
}

impl TunnelNetwork {
    /// Puts everything back, and says what stays. The interface goes with its last user.
    pub(crate) async fn take_down(self) {
        let mut made = UndoStack::default();
        if let Some(firewall) = self.firewall {
            made.push(firewall);
        }
        if let Some(forwarding) = self.forwarding {
            made.push(forwarding);
        }
        let stays = tokio::task::spawn_blocking(move || made.undo()).await;
        for error in stays.into_iter().flatten() {
            tracing::error!("{error}");
        }
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
        tracing::warn!(setting = ?change, "put back what a killed gateway had changed");
    }
    Ok(ledger)
}

async fn addresses(netlink: &Netlink, tun: &Tun, settings: &Settings) -> Result<(), NetlinkError> {
    let index = netlink.link_index(tun.name()).await?;
    let up = LinkChange { up: Some(true), group: Some(TUNNEL_GROUP), ..LinkChange::default() };
    netlink.link_set(index, up).await?;
    let net = settings.network;
    netlink.address_add(index, net.gateway().into(), net.bits()).await?;
    if let Some(net6) = settings.network6
        && let Err(error) = netlink.address_add(index, net6.gateway().into(), net6.bits()).await
    {
        // A machine without IPv6 still serves IPv4.
        tracing::warn!(%error, "no IPv6 inside the tunnel");
    }
    Ok(())
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
    let vpn = settings;
    let mut inner = network(vpn.network.address().into(), vpn.network.bits());
    let mut own: Vec<IpAddr> = vec![vpn.network.gateway().into()];
    if let Some(net6) = vpn.network6 {
        inner.extend(network(net6.address().into(), net6.bits()));
        own.push(net6.gateway().into());
    }
    let families = [IpFamily::V4, IpFamily::V6].into_iter();
    FirewallRules {
        tun: tun.to_owned(),
        inner,
        own,
        allow_in: settings.allow_in.iter().filter_map(|net| net.outside()).collect(),
        client_to_client: vpn.client_to_client,
        masquerade: true,
        tunnels_only: families.filter(|family| !before.contains(family)).collect(),
    }
}

/// A gateway that was killed while it translated left its table; this one would not replace it.
async fn remove_left_over(interface: &str) {
    let table = FirewallTable::of_interface(interface);
    let removed = tokio::task::spawn_blocking(move || table.remove()).await;
    if let Ok(Err(error)) = removed {
        // Without nft there is no table of ours either.
        tracing::debug!(%error, "no left-over firewall table removed");
    }
}

fn network(address: IpAddr, bits: u8) -> Vec<Network> {
    Network::new(address, bits).into_iter().collect()
}
