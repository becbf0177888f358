//! The installed `openvpn` at one end, ours at the other.

use super::list::{Parts, Transport, Version};
use super::{Tunnel, Workshop, handfast, openvpn};
use crate::error::BenchError;
use crate::topology::Topology;

/// `openvpn` as client of our gateway.
pub(super) fn stock_client(topology: &Topology, workshop: &Workshop) -> Result<Tunnel, BenchError> {
    let gateway = handfast::Gateway::of(workshop, &Parts::DEFAULT)?;
    let server = gateway.start(topology, workshop)?;
    let profile = gateway.profile(topology, workshop)?;
    let command = openvpn::program(workshop, Version::Installed)?;
    let client = openvpn::client(&topology.client, command, &profile)?;
    Ok(Tunnel { address: handfast::ADDRESS, server: vec![server], client: vec![client] })
}

/// `openvpn` as server for `handfast connect`.
pub(super) fn stock_server(topology: &Topology, workshop: &Workshop) -> Result<Tunnel, BenchError> {
    let server = openvpn::server(topology, workshop, Version::Installed, Transport::Udp)?;
    let profile = openvpn::profile(workshop, Transport::Udp)?;
    let client = handfast::client(topology, workshop, &profile, "")?;
    Ok(Tunnel { address: openvpn::ADDRESS, server: vec![server], client: vec![client] })
}
