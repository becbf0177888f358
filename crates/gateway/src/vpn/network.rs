//! This machine's side of the tunnel: interface, addresses, forwarding, NAT; and all of it undone.
//!
//! Whatever is made has a guard from that moment on, so that a start that fails at any later step, here
//! or elsewhere, leaves nothing behind. Forwarding is recorded before it is changed, so that a gateway
//! that was killed is cleaned up after at its next start. The NAT table is ours alone and replaced as
//! a whole, which is cleaning up too.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use engine::Offloads;
use sysio::netlink::{IpFamily, LinkChange, Netlink};
use sysio::{
    NAT_TABLE, NatHold, NatRules, NatTable, Network, SYSCTL_LEDGER, SysctlError, SysctlHold,
    SysctlLedger, Tun, UndoStack, enable_forwarding,
};

use crate::config::Config;
use crate::data::DataDir;

/// What was set up. Dropping it undoes it.
#[derive(Debug)]
pub(crate) struct TunnelNetwork {
    pub(crate) queues: Vec<Arc<Tun>>,
    made: UndoStack,
}

/// Makes the interface and everything around it.
pub(crate) async fn set_up(
    data: &DataDir,
    state: Option<&Path>,
    config: &Config,
    offloads: Offloads,
    workers: u16,
) -> Result<TunnelNetwork, Failure> {
    let ledger = ledger(data, state)?;
    let count = if offloads.queues { usize::from(workers) * engine::QUEUES_PER_WORKER } else { 1 };
    let vpn = &config.vpn;
    let queues = Tun::create_queues(&vpn.interface, vpn.tun_mtu, offloads.tun, count)
        .map_err(|e| failed("the tunnel's interface could not be made", &e))?;
    let tun = &queues[0];
    addresses(tun, config)
        .await
        .map_err(|e| failed("the tunnel's interface could not be set up", &*e))?;
    let name = tun.name().to_owned();
    let queues = queues.into_iter().map(Arc::new).collect();
    let mut made = UndoStack::default();
    if config.vpn.nat {
        made.push(forward(&ledger, config).await?);
        if let Some(table) = masquerade(name, config).await {
            made.push(table);
        }
    } else {
        remove_left_over(&name).await;
    }
    Ok(TunnelNetwork { queues, made })
}

impl TunnelNetwork {
    /// Puts everything back, and says what stays. The interface goes with its last user.
    pub(crate) async fn take_down(self) {
        let made = self.made;
        let stays = tokio::task::spawn_blocking(move || made.undo()).await;
        for error in stays.into_iter().flatten() {
            tracing::error!("{error}");
        }
    }
}

/// Where the caller says; else in the system's place, so that gateways on one machine know of each
/// other; else, where we may not write there, in the data folder. Puts back what a killed gateway had
/// left.
fn ledger(data: &DataDir, state: Option<&Path>) -> Result<SysctlLedger, Failure> {
    let places = match state {
        Some(state) => vec![state.to_owned()],
        None => vec![PathBuf::from(SYSCTL_LEDGER), data.undo_record()],
    };
    let mut failure = Failure::new(FailureKind::Environment, "kernel settings could not be read");
    for place in places {
        match recovered(&place) {
            Ok(ledger) => return Ok(ledger),
            Err(error) => failure = failure.caused_by(&error),
        }
    }
    Err(failure)
}

fn recovered(place: &Path) -> Result<SysctlLedger, SysctlError> {
    let ledger = SysctlLedger::open(place)?;
    for change in ledger.recover()? {
        tracing::warn!(setting = ?change, "put back what a killed gateway had changed");
    }
    Ok(ledger)
}

async fn addresses(tun: &Tun, config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let netlink = Netlink::open()?;
    let index = netlink.link_index(tun.name()).await?;
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    netlink.link_set(index, up).await?;
    let net = config.vpn.network;
    netlink.address_add(index, net.gateway().into(), net.bits()).await?;
    if let Some(net6) = config.vpn.network6
        && let Err(error) = netlink.address_add(index, net6.gateway().into(), net6.bits()).await
    {
        // A machine without IPv6 still serves IPv4.
        tracing::warn!(%error, "no IPv6 inside the tunnel");
    }
    Ok(())
}

async fn forward(ledger: &SysctlLedger, config: &Config) -> Result<SysctlHold, Failure> {
    let uplink = match Netlink::open() {
        Ok(netlink) => netlink.default_route(IpFamily::V6).await.ok().flatten(),
        Err(_) => None,
    };
    let uplink = uplink.as_ref().map(|route| route.name.as_str());
    let forwarding = enable_forwarding(ledger, config.vpn.network6.is_some(), uplink)
        .map_err(|e| failed("forwarding could not be switched on", &e))?;
    if forwarding.ipv6_missing {
        tracing::warn!("this kernel has no IPv6; IPv6 is not forwarded");
    }
    Ok(forwarding.hold)
}

/// Subscribers reach the gateway itself without NAT, so its lack is said and not fatal.
async fn masquerade(tun: String, config: &Config) -> Option<NatHold> {
    let mut sources = network(config.vpn.network.address().into(), config.vpn.network.bits());
    if let Some(net6) = config.vpn.network6 {
        sources.extend(network(net6.address().into(), net6.bits()));
    }
    let table = table(&tun);
    let rules = NatRules { tun, sources, masquerade: true };
    match tokio::task::spawn_blocking(move || table.hold(&rules)).await {
        Ok(Ok((table, blockers))) => {
            for blocker in blockers {
                tracing::warn!(%blocker, "tunnel traffic may be dropped");
            }
            Some(table)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "no NAT: subscribers reach the gateway only");
            None
        }
        Err(_) => None,
    }
}

/// A gateway that was killed while it translated left its table; this one would not replace it.
async fn remove_left_over(interface: &str) {
    let table = table(interface);
    let removed = tokio::task::spawn_blocking(move || table.remove()).await;
    if let Ok(Err(error)) = removed {
        // Without nft there is no table of ours either.
        tracing::debug!(%error, "no left-over NAT table removed");
    }
}

/// One table for each interface, so that gateways on one machine leave each other's alone.
fn table(interface: &str) -> NatTable {
    if interface == NAT_TABLE {
        return NatTable::default();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = interface.chars().map(plain).collect();
    NatTable::named(&format!("{NAT_TABLE}_{name}")).unwrap_or_default()
}

fn network(address: IpAddr, bits: u8) -> Vec<Network> {
    Network::new(address, bits).into_iter().collect()
}

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, what).caused_by(error)
}
