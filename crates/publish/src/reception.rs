//! Connections that another listener took, which shares its port among several protocols.

use std::io::Cursor;
use std::net::{self, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, join};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::connections::Connections;
use crate::listener::connection;
use crate::service::Service;

/// Answers over connections that it is given, bounded as those of a [`Listener`](crate::Listener) are.
#[derive(Debug)]
pub struct Reception {
    service: Arc<Service>,
    open: Mutex<Connections>,
    runtime: Handle,
}

impl Reception {
    /// On the present tokio runtime.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service, open: Mutex::default(), runtime: Handle::current() }
    }

    /// Answers over a connection that does not block, of which this was `received`. What is not published is sent to
    /// HTTPS on this port, or where the service is told to send it.
    pub fn take(
        &self,
        stream: net::TcpStream,
        source: SocketAddr,
        received: Vec<u8>,
        https: Option<u16>,
    ) {
        let _there = self.runtime.enter();
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection to what the CA publishes was lost");
                return;
            }
        };
        let (read, write) = stream.into_split();
        let stream = join(Cursor::new(received).chain(read), write);
        let task = tokio::spawn(connection(stream, Arc::clone(&self.service), https));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.add(source.ip(), task.abort_handle());
    }

    /// Where what is not published is sent from here on, at every address: to HTTPS on this port, or nowhere.
    pub fn send_to_https(&self, port: Option<u16>) {
        self.service.send_to_https(port);
    }

    /// That port.
    pub fn https_port(&self) -> Option<u16> {
        self.service.https_port()
    }
}
