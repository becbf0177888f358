//! One address to try: how it comes onto the list, how long it may be silent, and what leads to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::Link;
use sysio::{TcpStream, UdpSocket};
use tokio::time::timeout;
use wire::mtu::Transport;

use crate::Remote;
use crate::profile::RetrySettings;

/// One address to try.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) remote: Remote,
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Adds the addresses of a server behind those that are to be tried already, each once.
    pub(crate) fn add(targets: &mut Vec<Target>, remote: &Remote, addresses: Vec<IpAddr>) {
        for ip in addresses {
            let address = SocketAddr::new(ip, remote.port);
            let known = |target: &Target| {
                target.address == address && target.remote.transport == remote.transport
            };
            if !targets.iter().any(known) {
                targets.push(Target { remote: remote.clone(), address });
            }
        }
    }

    /// What leads there, within so long, or why nothing does.
    pub(crate) async fn dial(&self, limit: Duration) -> Result<Link, Undialled> {
        let address = self.address;
        let failed = |why| Undialled { why, refused: false };
        match self.remote.transport {
            Transport::Udp => match UdpSocket::connect(address) {
                Ok(socket) => Ok(Link::Udp(Arc::new(socket))),
                Err(error) => Err(failed(format!("{address} can't be reached from here: {error}"))),
            },
            Transport::Tcp => match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => Ok(Link::Tcp(stream)),
                Ok(Err(error)) => {
                    Err(Undialled { why: error.to_string(), refused: error.is_refusal() })
                }
                Err(_) => Err(failed(format!(
                    "no TCP connection to {address} within {} s (it may be off, or a firewall \
                     be in between)",
                    limit.as_secs()
                ))),
            },
        }
    }
}

/// Why nothing leads to an address.
pub(crate) struct Undialled {
    pub(crate) why: String,
    /// The answer came that nothing listens there.
    pub(crate) refused: bool,
}

/// With other servers to try, a silent one is left soon; one that spoke once, too, since a packet that was sent
/// while no network carried it is repeated more and more rarely.
pub(crate) fn first_packet_limit(
    retry: RetrySettings,
    was_up: bool,
    others: bool,
) -> Option<Duration> {
    let chosen = retry.first_packet.filter(|limit| !limit.is_zero());
    let usual = if was_up { Some(ANSWERS_AGAIN) } else { others.then_some(FIRST_PACKET) };
    chosen.or(usual)
}

/// The wait for a server's first packet while there are others to try.
const FIRST_PACKET: Duration = Duration::from_secs(10);
/// The same, of a server that was connected to before.
const ANSWERS_AGAIN: Duration = Duration::from_secs(4);
