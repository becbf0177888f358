//! What was set up on this machine, looked at and put back.
//!
//! Other programs flush firewall rules, switch forwarding off, rename interfaces. Looking changes
//! nothing. Everything here waits for the kernel or for `nft`, some milliseconds, and is called where
//! that harms nobody. An interface that is gone is told and not made anew: its queues went with it.
//!
//! Invariant: what this holds is undone when it is dropped, forwarding before the fences around it.

use std::fmt::{self, Display};
use std::net::IpAddr;

use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkError, NetlinkErrorKind, Route, now};
use sysio::{
    FirewallError, FirewallHold, Network, NotUndone, Sysctl, SysctlError, SysctlHold, TUNNEL_GROUP,
    UndoStack,
};

/// This machine as the gateway made it.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The tunnel's interface.
    pub(crate) interface: String,
    /// Its number, which it keeps under another name.
    pub(crate) ifindex: u32,
    /// The gateway's inner addresses, with the bits of their networks.
    pub(crate) addresses: Vec<(IpAddr, u8)>,
    /// Somebody made the interface beforehand: it stays when its queues are closed.
    pub(crate) outlives_us: bool,
    pub(crate) forwarding: Option<SysctlHold>,
    pub(crate) firewall: Option<FirewallHold>,
}

/// What is not as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Gone { interface: String },
    Renamed { interface: String, to: String },
    Down { interface: String },
    OutOfGroup { interface: String },
    AddressGone { address: IpAddr, bits: u8 },
    RouteGone { network: Network },
    Setting(Sysctl),
    Rules { table: String },
}

/// Why something stays changed.
#[derive(Debug)]
pub(crate) enum PutBackError {
    Netlink(NetlinkError),
    Setting(SysctlError),
    Rules(FirewallError),
}

impl Machine {
    /// What is not as it was made. What can't be looked at is not among it.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes = self.of_interface();
        let lost = self.forwarding.as_ref().and_then(|hold| hold.lost().ok());
        changes.extend(lost.into_iter().flatten().map(Change::Setting));
        if let Some(firewall) = &self.firewall
            && let Ok(false) = firewall.is_in_force()
        {
            changes.push(Change::Rules { table: firewall.table().name().to_owned() });
        }
        changes
    }

    /// Makes as it was what these changes say. One that can't be undone does not keep the others; the
    /// first error is told.
    pub(crate) fn put_back(&mut self, changes: &[Change]) -> Result<(), PutBackError> {
        let fences = self.put_back_fences(changes);
        fences.and(self.put_back_interface(changes))
    }

    /// Rules first, and forwarding only behind them.
    fn put_back_fences(&mut self, changes: &[Change]) -> Result<(), PutBackError> {
        if changes.iter().any(|change| matches!(change, Change::Rules { .. }))
            && let Some(firewall) = &mut self.firewall
        {
            firewall.restore().map_err(PutBackError::Rules)?;
        }
        if changes.iter().any(|change| matches!(change, Change::Setting(_)))
            && let Some(forwarding) = &self.forwarding
        {
            forwarding.restore().map_err(PutBackError::Setting)?;
        }
        Ok(())
    }

    fn put_back_interface(&self, changes: &[Change]) -> Result<(), PutBackError> {
        let (ifindex, changes) = (self.ifindex, changes.to_vec());
        let mended = now(async move |netlink| {
            let mut first = Ok(());
            for change in &changes {
                let mended = mend_interface(netlink, ifindex, change).await;
                first = first.and(mended);
            }
            first
        });
        mended.map_err(PutBackError::Netlink)
    }

    /// Undoes everything, and says what stays. The interface goes with its last queue, or is left as it was
    /// found.
    pub(crate) fn undo(&mut self) -> Vec<NotUndone> {
        if std::mem::take(&mut self.outlives_us) {
            self.strip_interface();
        }
        let mut made = UndoStack::default();
        if let Some(firewall) = self.firewall.take() {
            made.push(firewall);
        }
        if let Some(forwarding) = self.forwarding.take() {
            made.push(forwarding);
        }
        made.undo()
    }

    /// Takes from the interface what was given to it. The next start finds it the same, whatever stays.
    fn strip_interface(&mut self) {
        let (ifindex, addresses) = (self.ifindex, std::mem::take(&mut self.addresses));
        let _ = now(async move |netlink| {
            for (address, bits) in addresses {
                let _ = netlink.address_delete(ifindex, address, bits).await;
            }
            let change = LinkChange { up: Some(false), group: Some(0), ..LinkChange::default() };
            netlink.link_set(ifindex, change).await
        });
    }

    fn of_interface(&self) -> Vec<Change> {
        let interface = || self.interface.clone();
        let (ifindex, wanted) = (self.ifindex, self.addresses.clone());
        let looked = now(async move |netlink| {
            let link = netlink.link(ifindex).await?;
            Ok((link, missing(netlink, ifindex, &wanted).await?))
        });
        let (link, missing) = match looked {
            Ok(looked) => looked,
            Err(error) if error.kind == NetlinkErrorKind::Missing => {
                return vec![Change::Gone { interface: interface() }];
            }
            Err(_) => return Vec::new(),
        };
        let mut changes = Vec::new();
        if link.name != self.interface {
            changes.push(Change::Renamed { interface: interface(), to: link.name });
        }
        if !link.up {
            changes.push(Change::Down { interface: interface() });
        }
        if link.group != TUNNEL_GROUP {
            changes.push(Change::OutOfGroup { interface: interface() });
        }
        changes.extend(missing);
        changes
    }
}

/// Addresses that the interface does not have, and networks without the route that came with them. Where
/// policy rules send such packets elsewhere, that is their maker's choice and was put there for a reason.
async fn missing(
    netlink: &Netlink,
    ifindex: u32,
    wanted: &[(IpAddr, u8)],
) -> Result<Vec<Change>, NetlinkError> {
    let present = netlink.address_list(Some(ifindex)).await?;
    let mut missing = Vec::new();
    for (address, bits) in wanted {
        let (address, bits) = (*address, *bits);
        if !present.iter().any(|other| other.address == address && other.bits == bits) {
            missing.push(Change::AddressGone { address, bits });
        } else if let Some(network) = Network::new(address, bits)
            && !has_route(netlink, ifindex, network).await?
        {
            missing.push(Change::RouteGone { network });
        }
    }
    Ok(missing)
}

async fn has_route(
    netlink: &Netlink,
    ifindex: u32,
    network: Network,
) -> Result<bool, NetlinkError> {
    let family = if network.address().is_ipv4() { IpFamily::V4 } else { IpFamily::V6 };
    let routes = netlink.route_list(family).await?;
    Ok(routes.iter().any(|route| route.destination == network && route.ifindex == Some(ifindex)))
}

async fn mend_interface(
    netlink: &Netlink,
    ifindex: u32,
    change: &Change,
) -> Result<(), NetlinkError> {
    let none = LinkChange::default();
    let mended = match change {
        Change::Renamed { interface, .. } => rename(netlink, ifindex, interface).await,
        Change::Down { .. } => {
            netlink.link_set(ifindex, LinkChange { up: Some(true), ..none }).await
        }
        Change::OutOfGroup { .. } => {
            netlink.link_set(ifindex, LinkChange { group: Some(TUNNEL_GROUP), ..none }).await
        }
        Change::AddressGone { address, bits } => {
            netlink.address_add(ifindex, *address, *bits).await
        }
        Change::RouteGone { network } => {
            netlink.route_add(&Route::on_link(*network, ifindex)).await
        }
        Change::Gone { .. } | Change::Setting(_) | Change::Rules { .. } => Ok(()),
    };
    match mended {
        // Whoever took it away has brought it back.
        Err(error) if error.kind == NetlinkErrorKind::Exists => Ok(()),
        mended => mended,
    }
}

/// Kernels before 6.2 rename no interface that is up. What goes with it is missed at the next look.
async fn rename(netlink: &Netlink, ifindex: u32, name: &str) -> Result<(), NetlinkError> {
    let Err(refused) = netlink.link_rename(ifindex, name).await else { return Ok(()) };
    let up = |up| LinkChange { up: Some(up), ..LinkChange::default() };
    netlink.link_set(ifindex, up(false)).await.map_err(|_| refused)?;
    let renamed = netlink.link_rename(ifindex, name).await;
    netlink.link_set(ifindex, up(true)).await.and(renamed)
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { interface } => write!(f, "the interface {interface} is gone"),
            Self::Renamed { interface, to } => {
                write!(f, "the interface {interface} was renamed to {to}")
            }
            Self::Down { interface } => write!(f, "the interface {interface} was taken down"),
            Self::OutOfGroup { interface } => {
                write!(f, "the interface {interface} was put into another group")
            }
            Self::AddressGone { address, bits } => {
                write!(f, "the address {address}/{bits} was taken from the interface")
            }
            Self::RouteGone { network } => write!(f, "{network} does not lead into the tunnel"),
            Self::Setting(key) => {
                let dotted = key.to_string().replace('/', ".");
                write!(f, "the kernel setting {dotted} was changed")
            }
            Self::Rules { table } => {
                write!(f, "the firewall table inet {table} was changed or removed")
            }
        }
    }
}

impl Display for PutBackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netlink(error) => error.fmt(f),
            Self::Setting(error) => error.fmt(f),
            Self::Rules(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PutBackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Netlink(error) => error.source(),
            Self::Setting(error) => error.source(),
            Self::Rules(error) => error.source(),
        }
    }
}
