//! The sockets that the gateway is reached on.

use std::sync::Arc;

use admin::transport::Transport;
use sysio::{BindError, Inherited, ListenError, TcpListener, UdpSocket};

use crate::error::VpnError;
use crate::listen::Listen;

/// Where the gateway is reached: for each address, sockets for its workers.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) udp: Vec<Vec<Arc<UdpSocket>>>,
    pub(crate) tcp: Vec<Vec<TcpListener>>,
}

impl Listeners {
    /// The first port for UDP, and the first for TCP.
    pub(crate) fn ports(&self) -> [u16; 2] {
        let udp = self.udp.first().and_then(|group| group[0].local_addr().ok());
        let tcp = self.tcp.first().and_then(|group| group[0].local_addr().ok());
        [udp, tcp].map(|address| address.map_or(0, |address| address.port()))
    }
}

/// For UDP a socket more than workers: one for control packets. What was `inherited` is taken in place of sockets of our
/// own; for UDP it is one for all.
pub(crate) fn listen(
    addresses: &[Listen],
    workers: u16,
    inherited: &Inherited,
) -> Result<Listeners, VpnError> {
    let workers = usize::from(workers);
    let mut listeners = Listeners::default();
    for listen in addresses {
        let ipv6_was_off = match listen.transport {
            Transport::Udp => {
                let group = udp(listen, workers, inherited)
                    .map_err(|error| VpnError::ListenUdp { listen: *listen, error })?;
                let ipv6_was_off = group[0].ipv6_was_off();
                listeners.udp.push(group.into_iter().map(Arc::new).collect());
                ipv6_was_off
            }
            Transport::Tcp => {
                let taken = |error| VpnError::ListenTcp { listen: *listen, error };
                let first = tcp(listen, inherited).map_err(taken)?;
                let ipv6_was_off = first.ipv6_was_off();
                let mut group = vec![first];
                while group.len() < workers {
                    group.push(group[0].share().map_err(taken)?);
                }
                listeners.tcp.push(group);
                ipv6_was_off
            }
        };
        if ipv6_was_off {
            tracing::warn!(%listen, "IPv6 is off on this machine; listening on IPv4 only");
        }
    }
    if !listeners.tcp.is_empty() {
        raise_open_files();
    }
    Ok(listeners)
}

fn udp(
    listen: &Listen,
    workers: usize,
    inherited: &Inherited,
) -> Result<Vec<UdpSocket>, BindError> {
    match inherited.udp(listen.address) {
        Some(socket) => Ok(vec![UdpSocket::inherited(socket)?]),
        None => UdpSocket::bind_group(listen.address, workers + 1),
    }
}

fn tcp(listen: &Listen, inherited: &Inherited) -> Result<TcpListener, ListenError> {
    match inherited.tcp(listen.address) {
        Some(socket) => TcpListener::inherited(socket),
        None => TcpListener::bind(listen.address),
    }
}

/// Every TCP session has a descriptor of its own: as many as this process may have.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
