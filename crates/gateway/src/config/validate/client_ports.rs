//! What has to hold of `[[tls.client]]`, and beside whatever else listens.

use admin::transport::Transport;

use super::virtual_servers::clash;
use super::{Finding, refuse_at, trust};
use crate::config::Config;

/// The first contradiction.
pub(super) fn consistent(config: &Config) -> Result<(), Finding> {
    for (at, port) in config.tls.client.iter().enumerate() {
        address(config, at)?;
        trust::consistent(&port.trust, &["tls", "client", "target"], at)?;
    }
    Ok(())
}

fn address(config: &Config, at: usize) -> Result<(), Finding> {
    let path = &["tls", "client", "listen"];
    let address = config.tls.client[at].listen;
    if !address.ip().is_loopback() {
        let message = format!(
            "{address} can be reached from other machines, and whoever reaches it would act as this one; write \
             127.0.0.1:PORT or [::1]:PORT"
        );
        return refuse_at(path, at, message);
    }
    let over_tcp = config.vpn.listen.iter().filter(|one| one.transport == Transport::Tcp);
    let others = over_tcp.map(|one| one.address).chain(config.publish.listen.iter().copied());
    let others = others.chain(config.tls.listen.iter().map(|one| one.address));
    let mut others = others.chain(config.tls.client[..at].iter().map(|one| one.listen));
    match others.find(|one| clash(*one, address)) {
        None => Ok(()),
        Some(one) => {
            let message = format!(
                "{one} is listened on already, which takes {address} too; choose another port"
            );
            refuse_at(path, at, message)
        }
    }
}
