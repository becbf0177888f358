//! Links, addresses and routes of one network namespace, over rtnetlink.
//!
//! It does what it is told; what is to be undone later is asked for with `_hold`, which yields a
//! guard. To be made and used inside a tokio runtime.

use std::io;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth};
use tokio::task::JoinHandle;

use crate::{Netns, NetnsError};

mod address;
mod error;
mod hold;
mod now;
mod route;
mod watch;

pub use address::Address;
pub use error::{NetlinkError, NetlinkErrorKind};
pub use hold::{AddressHold, RouteHold};
pub use now::now;
pub use route::{DefaultRoute, IpFamily, Route, RouteLookup};
pub use watch::NetworkWatch;

use error::During;

/// A connection to the kernel's network configuration.
#[derive(Debug)]
pub struct Netlink {
    handle: Handle,
    /// Moves the messages; ended with the connection.
    pump: JoinHandle<()>,
}

impl Netlink {
    /// Connects to the calling thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self { handle, pump: tokio::spawn(connection) })
    }

    /// Connects to another network namespace.
    pub fn open_in(netns: &Netns) -> Result<Self, NetnsError> {
        let runtime = tokio::runtime::Handle::current();
        let opened = netns.run(|| {
            let _inside = runtime.enter();
            Self::open()
        })?;
        opened.map_err(NetnsError::Other)
    }

    /// The index of the interface with this name.
    pub async fn link_index(&self, name: &str) -> Result<u32, NetlinkError> {
        let request = self.handle.link().get().match_name(name);
        let link = request.execute().try_next().await.during("look an interface up")?;
        let link = link.ok_or_else(|| NetlinkError::missing("look an interface up"))?;
        Ok(link.header.index)
    }

    /// What is known of an interface.
    pub async fn link(&self, index: u32) -> Result<Link, NetlinkError> {
        let request = self.handle.link().get().match_index(index);
        let link = request.execute().try_next().await.during("look an interface up")?;
        link.map(Link::from_message).ok_or_else(|| NetlinkError::missing("look an interface up"))
    }

    /// All interfaces.
    pub async fn link_list(&self) -> Result<Vec<Link>, NetlinkError> {
        let links = self.handle.link().get().execute().map_ok(Link::from_message);
        links.try_collect().await.during("list the interfaces")
    }

    /// Changes what `change` names and leaves the rest.
    pub async fn link_set(&self, index: u32, change: LinkChange) -> Result<(), NetlinkError> {
        let mut message = LinkUnspec::new_with_index(index);
        message = match change.up {
            Some(true) => message.up(),
            Some(false) => message.down(),
            None => message,
        };
        if let Some(mtu) = change.mtu {
            message = message.mtu(mtu.into());
        }
        if let Some(txqueuelen) = change.txqueuelen {
            message = message.txqueuelen(txqueuelen);
        }
        if let Some(group) = change.group {
            message = message.link_group(group);
        }
        self.link_change(message, "change an interface").await
    }

    /// Deletes an interface.
    pub async fn link_delete(&self, index: u32) -> Result<(), NetlinkError> {
        self.handle.link().del(index).execute().await.during("delete an interface")
    }

    /// Moves an interface into another namespace. It arrives without addresses, and down.
    pub async fn link_move(&self, index: u32, netns: &Netns) -> Result<(), NetlinkError> {
        use std::os::fd::{AsFd, AsRawFd};
        let message = LinkUnspec::new_with_index(index).setns_by_fd(netns.as_fd().as_raw_fd());
        self.link_change(message, "move an interface").await
    }

    /// Gives an interface that is down another name.
    pub async fn link_rename(&self, index: u32, name: &str) -> Result<(), NetlinkError> {
        let message = LinkUnspec::new_with_index(index).name(name.to_owned());
        self.link_change(message, "rename an interface").await
    }

    /// Makes two interfaces that are the ends of one cable.
    pub async fn veth_add(&self, name: &str, peer: &str) -> Result<(), NetlinkError> {
        let message = LinkVeth::new(name, peer).build();
        self.handle.link().add(message).execute().await.during("make a veth pair")
    }

    async fn link_change(
        &self,
        message: LinkMessageBuilder<LinkUnspec>,
        doing: &'static str,
    ) -> Result<(), NetlinkError> {
        self.handle.link().set(message.build()).execute().await.during(doing)
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// What [`Netlink::link_set`] changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// Bring it up or take it down.
    pub up: Option<bool>,
    /// The largest packet.
    pub mtu: Option<u16>,
    /// How many packets may wait to be sent.
    pub txqueuelen: Option<u32>,
    /// The group of interfaces that it belongs to, which firewall rules can name.
    pub group: Option<u32>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// The largest packet.
    pub mtu: u32,
    /// How many packets may wait to be sent.
    pub txqueuelen: u32,
    /// The group of interfaces that it belongs to.
    pub group: u32,
    /// It is a TUN or TAP interface.
    pub tun: bool,
    /// Something is at its other end: for a TUN interface, a process that has a queue of it.
    pub carrier: bool,
}

impl Link {
    fn from_message(message: LinkMessage) -> Self {
        let up = message.header.flags.contains(LinkFlags::Up);
        let index = message.header.index;
        let mut link = Self {
            index,
            name: String::new(),
            up,
            mtu: 0,
            txqueuelen: 0,
            group: 0,
            tun: false,
            carrier: false,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::TxQueueLen(len) => link.txqueuelen = len,
                LinkAttribute::Group(group) => link.group = group,
                LinkAttribute::Carrier(carrier) => link.carrier = carrier != 0,
                LinkAttribute::LinkInfo(infos) => {
                    link.tun = infos.contains(&LinkInfo::Kind(InfoKind::Tun));
                }
                _ => {}
            }
        }
        link
    }
}

/// Whether an address can name this machine to others, going by its own look alone.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}
