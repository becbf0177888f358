//! Addresses and routes that go with a guard.
//!
//! A guard is often dropped where nothing can be awaited, so that undoing waits for the kernel, in the
//! calling thread's network namespace.

use std::error::Error;
use std::net::IpAddr;

use super::now::now;
use super::{Netlink, NetlinkError, NetlinkErrorKind, Route};
use crate::undo::Undo;

/// A route that is removed again.
#[derive(Debug)]
pub struct RouteHold {
    route: Route,
    held: bool,
}

/// An address that is taken from its interface again.
#[derive(Debug)]
pub struct AddressHold {
    index: u32,
    address: IpAddr,
    bits: u8,
    held: bool,
}

impl Netlink {
    /// Adds a route that must not exist yet, for as long as the result lives.
    pub async fn route_hold(&self, route: &Route) -> Result<RouteHold, NetlinkError> {
        self.route_add(route).await?;
        Ok(RouteHold { route: *route, held: true })
    }

    /// Gives an interface an address for as long as the result lives.
    pub async fn address_hold(
        &self,
        index: u32,
        address: IpAddr,
        bits: u8,
    ) -> Result<AddressHold, NetlinkError> {
        self.address_add(index, address, bits).await?;
        Ok(AddressHold { index, address, bits, held: true })
    }
}

impl RouteHold {
    /// The route.
    pub fn route(&self) -> &Route {
        &self.route
    }
}

impl Undo for RouteHold {
    fn what(&self) -> String {
        format!("the route to {}", self.route.destination)
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if std::mem::take(&mut self.held) {
            let route = self.route;
            unless_gone(now(async move |netlink| netlink.route_delete(&route).await))?;
        }
        Ok(())
    }
}

impl Undo for AddressHold {
    fn what(&self) -> String {
        format!("the address {}/{}", self.address, self.bits)
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if std::mem::take(&mut self.held) {
            let Self { index, address, bits, .. } = *self;
            unless_gone(now(async move |netlink| {
                netlink.address_delete(index, address, bits).await
            }))?;
        }
        Ok(())
    }
}

impl Drop for RouteHold {
    fn drop(&mut self) {
        let _ = self.undo();
    }
}

impl Drop for AddressHold {
    fn drop(&mut self) {
        let _ = self.undo();
    }
}

/// It went with its interface or its gateway's network, which is as good.
fn unless_gone(result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    let gone = |kind| {
        use NetlinkErrorKind::{Down, Missing, Unreachable};
        matches!(kind, Missing | Unreachable | Down)
    };
    result.or_else(|error| if gone(error.kind) { Ok(()) } else { Err(error) })
}
