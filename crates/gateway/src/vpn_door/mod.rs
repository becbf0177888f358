//! The VPN's door in this gateway: opened with the gateway's records and keys, and answered for.
//!
//! Nothing here holds the gateway: the door has the current view, the store and the counters, each by
//! itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handle::VpnHandle;
use records::Records;
use sysio::SYSCTL_LEDGER;
use vpn::{Keys, Vpn};

use crate::error::GatewayError;
use crate::gateway::Gateway;

mod handle;
mod records;

/// Opens the VPN's door and has it answer for its sessions. What has to be undone after a crash is
/// recorded in `state`; without it in the system's place, so that gateways on one machine know of each
/// other; else, where we may not write there, in the data folder.
///
/// # Errors
/// When a socket is taken, the interface cannot be made, or the settings cannot be used.
pub async fn open(gateway: &Gateway, state: Option<&Path>) -> Result<Vpn, GatewayError> {
    let config = gateway.config();
    let at = gateway.context();
    let keys = Keys { tls: gateway.tls()?, tls_auth: at.tls_auth.clone() };
    let undo_places = match state {
        Some(state) => vec![state.to_owned()],
        None => vec![PathBuf::from(SYSCTL_LEDGER), at.data.undo_record()],
    };
    let records = Arc::new(Records::of(at));
    let (inherited, clock) = (&at.inherited, Arc::clone(&at.clock));
    let vpn =
        Vpn::start(&config.vpn, keys, Arc::clone(&records) as _, &undo_places, inherited, clock)
            .await?;
    at.neighbours.vpn_is(vpn.server());
    let (server, ports, network) = (vpn.server(), vpn.ports(), vpn.network());
    records.listens_at(ports);
    let handle = VpnHandle { server, clock: Arc::clone(&at.clock), ports, network };
    at.doors.attach(Arc::new(handle));
    Ok(vpn)
}
