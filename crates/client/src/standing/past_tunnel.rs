//! How a CA's host is reached: past the tunnel, as the server is, since nothing may go into it yet; and where
//! that leads nowhere, as every program of this machine does, since the host may be a network inside.

use std::net::SocketAddr;

use ask::{Dial, DialError};
use tokio::net::TcpStream;
use wire::mtu::Transport;

use crate::names::{Effort, Names};
use crate::profile::{Family, Remote};
use crate::system::System;

pub(super) struct PastTunnel<'a> {
    pub(super) system: &'a System,
    pub(super) names: &'a mut Names,
}

impl Dial for PastTunnel<'_> {
    async fn dial(&mut self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let (host, transport) = (host.to_owned(), Transport::Tcp);
        let remote = Remote { host, port, transport, family: Family::Any };
        let (found, why) = self.names.addresses(&remote, self.system, Effort::Ask).await;
        if found.is_empty() {
            return Err(DialError::NoAddress(why.unwrap_or_default()));
        }
        let mut ways = Vec::new();
        for ip in found.into_iter().take(MOST_ADDRESSES) {
            let address = SocketAddr::new(ip, port);
            let past = match self.system.way_to(ip).await.filter(|way| !way.local) {
                Some(way) if self.system.is_set_up() => self.system.interface_of(way).await,
                _ => None,
            };
            ways.extend(past.map(|interface| (address, Some(interface))));
            ways.push((address, None));
        }
        ask::connect(ways).await
    }
}

const MOST_ADDRESSES: usize = 2;
