//! How packets would leave this machine if there were no tunnel: a pure look at its routes.

use std::net::IpAddr;

use sysio::Network;
use sysio::netlink::Route;

/// How packets for an address leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The interface.
    pub(crate) ifindex: u32,
    /// The gateway, if the address is not on the link itself.
    pub(crate) gateway: Option<IpAddr>,
    /// The address is one of this machine's own.
    pub(crate) local: bool,
}

impl Way {
    /// By the narrowest route, and of several as narrow by the one that the kernel would prefer.
    pub(crate) fn by_routes<'a>(
        routes: impl IntoIterator<Item = &'a Route>,
        to: IpAddr,
    ) -> Option<Self> {
        let leads = |route: &&Route| route.destination.contains(to) && route.ifindex.is_some();
        let rank = |route: &&Route| {
            (route.destination.bits(), std::cmp::Reverse(route.metric.unwrap_or(0)))
        };
        let best = routes.into_iter().filter(leads).max_by_key(rank)?;
        Some(Self { ifindex: best.ifindex?, gateway: best.via, local: false })
    }

    /// A route for one address that leads there, whatever wider routes say.
    pub(crate) fn route_to(self, to: IpAddr) -> Route {
        let (via, ifindex) = (self.gateway, Some(self.ifindex));
        Route { destination: Network::host(to), via, ifindex, metric: None, source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_route_counts_and_then_the_smallest_metric() {
        let routes = [
            route("0.0.0.0/0", 2, Some("192.0.2.1"), Some(600)),
            route("0.0.0.0/0", 3, Some("198.51.100.1"), Some(100)),
            route("192.0.2.0/24", 2, None, None),
            route("203.0.113.9/32", 2, Some("192.0.2.77"), Some(50)),
        ];
        let way = |to: &str| Way::by_routes(&routes, to.parse().unwrap());
        let found = |ifindex, gateway: Option<&str>| {
            let gateway = gateway.map(|gateway| gateway.parse().unwrap());
            Some(Way { ifindex, gateway, local: false })
        };
        assert_eq!(way("8.8.8.8"), found(3, Some("198.51.100.1")));
        assert_eq!(way("192.0.2.7"), found(2, None));
        assert_eq!(way("203.0.113.9"), found(2, Some("192.0.2.77")));
        assert_eq!(way("2001:db8::1"), None);
        assert_eq!(Way::by_routes(&[], "8.8.8.8".parse().unwrap()), None);
    }

    #[test]
    fn a_default_route_without_a_gateway_is_a_way_too() {
        let routes = [route("0.0.0.0/0", 4, None, None), route("::/0", 5, Some("fe80::1"), None)];
        let way = Way::by_routes(&routes, "192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!((way.ifindex, way.gateway), (4, None));
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let kept = Way::by_routes(&routes, six).unwrap().route_to(six);
        assert_eq!((kept.destination, kept.ifindex), (Network::host(six), Some(5)));
    }

    fn route(to: &str, ifindex: u32, via: Option<&str>, metric: Option<u32>) -> Route {
        let (address, bits) = to.split_once('/').unwrap();
        let destination = Network::new(address.parse().unwrap(), bits.parse().unwrap()).unwrap();
        let via = via.map(|via| via.parse().unwrap());
        Route { destination, via, ifindex: Some(ifindex), metric, source: None }
    }
}
