//! A socket that takes connections. What each becomes is decided elsewhere (`connection`).
//!
//! Invariant: it waits for nobody whom it took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection;
use crate::listen::{self, BindError, Segments};
use crate::mode::Protocol;
use crate::port::{Crowd, Port};
use crate::settings::Listen;
use crate::shared::Shared;

/// A socket that takes connections. Dropping it closes the socket; connections stay.
#[derive(Debug)]
pub(crate) struct Listener {
    /// As the settings have it.
    pub(crate) asked: SocketAddr,
    /// With the port that was chosen where none was named.
    pub(crate) address: SocketAddr,
    port: Arc<ArcSwap<Port>>,
    socket: Arc<TcpListener>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens. Needs a tokio runtime.
    pub(crate) fn open(listen: &Listen, shared: &Arc<Shared>) -> Result<Self, BindError> {
        let socket = Arc::new(listen::open(listen.address, segments(listen), &*shared.sockets)?);
        let address = socket.local_addr().unwrap_or(listen.address);
        let port = Arc::new(ArcSwap::from_pointee(Port::of(listen, None)));
        let task = tokio::spawn(accept(Arc::clone(&socket), Arc::clone(&port), Arc::clone(shared)));
        Ok(Self { asked: listen.address, address, port, socket, task })
    }

    /// Other settings hold for connections that come from here on.
    pub(crate) fn replace(&self, listen: &Listen) {
        let former = self.port.load();
        if former.listen != *listen {
            // One that does not take it takes connections all the same.
            let _ = listen::fit(&SockRef::from(&*self.socket), segments(listen));
            self.port.store(Arc::new(Port::of(listen, Some(&former))));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Packets of OpenVPN have those that they have at the VPN's own port, also where others share it.
fn segments(listen: &Listen) -> Segments {
    if listen.takes(Protocol::OpenVpn) { Segments::Narrow } else { Segments::Any }
}

async fn accept(socket: Arc<TcpListener>, port: Arc<ArcSwap<Port>>, shared: Arc<Shared>) {
    let crowd = Crowd::default();
    let mut warned: Option<Duration> = None;
    loop {
        match socket.accept().await {
            Ok((stream, source)) => {
                let (shared, port) = (Arc::clone(&shared), port.load_full());
                let from = Some(source.ip()).filter(|from| !port.listen.is_proxy(*from));
                crowd.add(from, |stranger| {
                    let task = connection::serve(shared, port, stream, source, stranger);
                    tokio::spawn(task).abort_handle()
                });
            }
            // Most likely no descriptors are left; they may be, a moment later.
            Err(error) => {
                let now = shared.clock.now().boot;
                if warned.is_none_or(|at| now.saturating_sub(at) >= AGAIN) {
                    warned = Some(now);
                    tracing::warn!(%error, "a connection to a virtual server was not taken");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(100);
/// Between two lines about that.
const AGAIN: Duration = Duration::from_secs(10);
