//! Addresses of interfaces.

use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};

use super::error::During;
use super::{Netlink, NetlinkError, is_global};

impl Netlink {
    /// Gives an interface an address. For IPv6 the search for duplicates is skipped, since nobody
    /// else on a tunnel can have it; packets to it are still answered only some milliseconds later,
    /// when the kernel's own worker has made its route.
    pub async fn address_add(
        &self,
        index: u32,
        address: IpAddr,
        bits: u8,
    ) -> Result<(), NetlinkError> {
        self.add(index, address, bits, None).await
    }

    /// Gives a point-to-point interface an address and the address of its other end.
    pub async fn address_add_with_peer(
        &self,
        index: u32,
        address: IpAddr,
        peer: IpAddr,
    ) -> Result<(), NetlinkError> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        self.add(index, address, bits, Some(peer)).await
    }

    /// Takes an address from an interface.
    pub async fn address_delete(
        &self,
        index: u32,
        address: IpAddr,
        bits: u8,
    ) -> Result<(), NetlinkError> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.family = family(address);
        message.header.prefix_len = bits;
        message.attributes.push(AddressAttribute::Local(address));
        let request = self.handle.address().del(message);
        request.execute().await.during("remove an address")
    }

    /// All addresses, of one interface or of all.
    pub async fn address_list(&self, index: Option<u32>) -> Result<Vec<Address>, NetlinkError> {
        let mut request = self.handle.address().get();
        if let Some(index) = index {
            request = request.set_link_index_filter(index);
        }
        let messages: Vec<_> =
            request.execute().try_collect().await.during("list the addresses")?;
        Ok(messages.into_iter().filter_map(Address::from_message).collect())
    }

    async fn add(
        &self,
        index: u32,
        address: IpAddr,
        bits: u8,
        peer: Option<IpAddr>,
    ) -> Result<(), NetlinkError> {
        let mut request = self.handle.address().add(index, address, bits);
        let message = request.message_mut();
        if address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        if let Some(peer) = peer {
            for attribute in &mut message.attributes {
                if let AddressAttribute::Address(other_end) = attribute {
                    *other_end = peer;
                }
            }
        }
        request.execute().await.during("add an address")
    }
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub ifindex: u32,
    /// The address.
    pub address: IpAddr,
    /// The size of the network that it lies in.
    pub bits: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// It is meant to be found by others: not loopback, link-local, temporary or about to go.
    pub lasting: bool,
}

impl Address {
    fn from_message(message: AddressMessage) -> Option<Self> {
        let (mut local, mut other_end) = (None, None);
        let mut flags = AddressFlags::from_bits_truncate(message.header.flags.bits().into());
        for attribute in message.attributes {
            match attribute {
                AddressAttribute::Local(address) => local = Some(address),
                AddressAttribute::Address(address) => other_end = Some(address),
                AddressAttribute::Flags(all) => flags = all,
                _ => {}
            }
        }
        let address = local.or(other_end)?;
        let unusable = AddressFlags::Deprecated | AddressFlags::Dadfailed | AddressFlags::Tentative;
        // The same bit says "second address of the network" for IPv4 and "temporary" for IPv6.
        let temporary = address.is_ipv6() && flags.contains(AddressFlags::Secondary);
        Some(Self {
            ifindex: message.header.index,
            address,
            bits: message.header.prefix_len,
            peer: other_end.filter(|other_end| *other_end != address),
            lasting: is_global(address) && !temporary && !flags.intersects(unusable),
        })
    }
}

fn family(address: IpAddr) -> rtnetlink::packet_route::AddressFamily {
    match address {
        IpAddr::V4(_) => rtnetlink::packet_route::AddressFamily::Inet,
        IpAddr::V6(_) => rtnetlink::packet_route::AddressFamily::Inet6,
    }
}
