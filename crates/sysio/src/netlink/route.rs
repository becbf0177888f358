//! Routes of the main table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteScope, RouteType, RouteVia,
};

use super::error::During;
use super::{Address, Netlink, NetlinkError};
use crate::Network;

impl Netlink {
    /// Adds a route that must not exist yet.
    pub async fn route_add(&self, route: &Route) -> Result<(), NetlinkError> {
        let message = route.message("add a route")?;
        self.handle.route().add(message).execute().await.during("add a route")
    }

    /// Adds a route, in the place of one with the same destination and metric if there is one.
    pub async fn route_replace(&self, route: &Route) -> Result<(), NetlinkError> {
        let message = route.message("replace a route")?;
        self.handle.route().add(message).replace().execute().await.during("replace a route")
    }

    /// Removes a route.
    pub async fn route_delete(&self, route: &Route) -> Result<(), NetlinkError> {
        let message = route.message("remove a route")?;
        self.handle.route().del(message).execute().await.during("remove a route")
    }

    /// The routes that lead into networks; those to our own addresses are not among them.
    pub async fn route_list(&self, family: IpFamily) -> Result<Vec<Route>, NetlinkError> {
        let message = match family {
            IpFamily::V4 => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpFamily::V6 => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let messages = self.handle.route().get(message).execute();
        let messages: Vec<_> = messages.try_collect().await.during("list the routes")?;
        Ok(messages.into_iter().filter_map(|message| Route::from_message(&message)).collect())
    }

    /// How the kernel would send a packet to an address: from where, by which interface and
    /// gateway.
    pub async fn route_lookup(&self, to: IpAddr) -> Result<RouteLookup, NetlinkError> {
        let doing = "find the route to an address";
        let bits = Network::host(to).bits();
        let builder = RouteMessageBuilder::<IpAddr>::new().destination_prefix(to, bits);
        let message = builder.map_err(|_| NetlinkError::bad_request(doing))?.build();
        let answer = self.handle.route().get(message).execute().try_next().await.during(doing)?;
        let answer = answer.ok_or_else(|| NetlinkError::missing(doing))?;
        let hop = Hop::of(&answer);
        let ifindex = hop.ifindex.ok_or_else(|| NetlinkError::missing(doing))?;
        let name = self.link(ifindex).await?.name;
        let local = answer.header.kind == RouteType::Local;
        Ok(RouteLookup { source: hop.source, gateway: hop.gateway, ifindex, name, local })
    }

    /// The default route that is used, if there is one.
    pub async fn default_route(
        &self,
        family: IpFamily,
    ) -> Result<Option<DefaultRoute>, NetlinkError> {
        let routes = self.route_list(family).await?;
        let defaults = routes.iter().filter(|route| route.destination.bits() == 0);
        let Some(best) = defaults.min_by_key(|route| route.metric.unwrap_or(0)) else {
            return Ok(None);
        };
        let Some(ifindex) = best.ifindex else { return Ok(None) };
        let mut addresses = self.address_list(Some(ifindex)).await?;
        addresses.retain(|address| address.lasting && family.has(address.address));
        let name = self.link(ifindex).await?.name;
        Ok(Some(DefaultRoute { ifindex, name, gateway: best.via, metric: best.metric, addresses }))
    }
}

/// A route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub destination: Network,
    /// The gateway, if the destination is not on the link itself.
    pub via: Option<IpAddr>,
    /// The interface. May be left out where the gateway tells it.
    pub ifindex: Option<u32>,
    /// Smaller ones win. The kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// The address that our own packets leave from.
    pub source: Option<IpAddr>,
}

impl Route {
    /// A route to a network that is on an interface's link.
    pub fn on_link(destination: Network, ifindex: u32) -> Self {
        Self { destination, via: None, ifindex: Some(ifindex), metric: None, source: None }
    }

    /// A route by a gateway.
    pub fn by_gateway(destination: Network, gateway: IpAddr) -> Self {
        Self { destination, via: Some(gateway), ifindex: None, metric: None, source: None }
    }

    fn message(&self, doing: &'static str) -> Result<RouteMessage, NetlinkError> {
        let (address, bits) = (self.destination.address(), self.destination.bits());
        let bad = |_| NetlinkError::bad_request(doing);
        let builder = RouteMessageBuilder::<IpAddr>::new();
        let mut builder = builder.destination_prefix(address, bits).map_err(bad)?;
        if let Some(gateway) = self.via {
            builder = builder.gateway(gateway).map_err(bad)?;
        } else if address.is_ipv4() {
            builder = builder.scope(RouteScope::Link);
        }
        if let Some(ifindex) = self.ifindex {
            builder = builder.output_interface(ifindex);
        }
        if let Some(metric) = self.metric {
            builder = builder.priority(metric);
        }
        if let Some(source) = self.source {
            builder = builder.pref_source(source).map_err(bad)?;
        }
        Ok(builder.build())
    }

    fn from_message(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let other_table = header.table != RouteHeader::RT_TABLE_MAIN;
        if other_table || header.kind != RouteType::Unicast {
            return None;
        }
        let hop = Hop::of(message);
        let everything = match header.address_family {
            rtnetlink::packet_route::AddressFamily::Inet => Network::ALL_V4,
            _ => Network::ALL_V6,
        };
        let destination = message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(address) => ip(address),
            _ => None,
        });
        let destination = match destination {
            Some(address) => Network::new(address, header.destination_prefix_length)?,
            None => everything,
        };
        let Hop { gateway: via, ifindex, source, metric } = hop;
        Some(Self { destination, via, ifindex, metric, source })
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// Whether the address is of this family.
    pub fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

/// How packets to some address leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLookup {
    /// The address that they leave from.
    pub source: Option<IpAddr>,
    /// The gateway, if the destination is not on the link itself.
    pub gateway: Option<IpAddr>,
    /// The interface's number.
    pub ifindex: u32,
    /// The interface's name.
    pub name: String,
    /// The address is one of this machine's own.
    pub local: bool,
}

/// The way to everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The interface's number.
    pub ifindex: u32,
    /// The interface's name.
    pub name: String,
    /// The gateway, if there is one.
    pub gateway: Option<IpAddr>,
    /// Its metric.
    pub metric: Option<u32>,
    /// The interface's lasting addresses of the route's family, the kernel's first choice first.
    pub addresses: Vec<Address>,
}

/// The attributes that say where a packet goes next.
#[derive(Default)]
struct Hop {
    gateway: Option<IpAddr>,
    ifindex: Option<u32>,
    source: Option<IpAddr>,
    metric: Option<u32>,
}

impl Hop {
    fn of(message: &RouteMessage) -> Self {
        let mut hop = Self::default();
        hop.take(&message.attributes);
        hop
    }

    fn take(&mut self, attributes: &[RouteAttribute]) {
        for attribute in attributes {
            match attribute {
                RouteAttribute::Gateway(address) => self.gateway = ip(address),
                RouteAttribute::Via(RouteVia::Inet(v4)) => self.gateway = Some((*v4).into()),
                RouteAttribute::Via(RouteVia::Inet6(v6)) => self.gateway = Some((*v6).into()),
                RouteAttribute::Oif(ifindex) => self.ifindex = Some(*ifindex),
                RouteAttribute::PrefSource(address) => self.source = ip(address),
                RouteAttribute::Priority(metric) => self.metric = Some(*metric),
                // One of several equal ways is as good as another here.
                RouteAttribute::MultiPath(hops) => {
                    if let Some(first) = hops.first() {
                        self.ifindex = Some(first.interface_index);
                        self.take(&first.attributes);
                    }
                }
                _ => {}
            }
        }
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
