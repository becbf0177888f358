//! Connections beside a first one to the same service: FTP's for data.
//!
//! Invariant: nothing is sent over one before it has shown the certificate of the first.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, Error as TlsError};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use upgrade::{Transfers, Unfinished, carry_file};

use crate::event::Event;
use crate::reach_error::ReachError;
use crate::secured::Secured;

/// The way for connections beside a first one.
#[derive(Clone, Debug)]
pub struct Beside {
    host: IpAddr,
    name: ServerName<'static>,
    /// The first one's, with its sessions: some services take no other.
    config: Arc<ClientConfig>,
    leaf: CertificateDer<'static>,
}

impl Beside {
    pub(crate) fn of(
        first: &TlsStream<TcpStream>,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> Result<Self, ReachError> {
        let host = first.get_ref().0.peer_addr().map_err(ReachError::HungUp)?.ip();
        let leaf = leaf(first).ok_or_else(another)?.clone().into_owned();
        Ok(Self { host, name, config, leaf })
    }

    /// A connection to this port of the service's host, for whoever gives it the time that it has.
    ///
    /// # Errors
    /// Where there is none, or it is not the same service.
    pub async fn connect(&self, port: u16) -> Result<Secured, ReachError> {
        let socket = TcpStream::connect(SocketAddr::new(self.host, port)).await;
        let socket = socket.map_err(ReachError::HungUp)?;
        let _ = socket.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), socket).await.map_err(ReachError::of)?;
        match leaf(&stream) {
            Some(leaf) if *leaf == self.leaf => Ok(Secured::new(stream)),
            _ => Err(another()),
        }
    }
}

fn leaf(stream: &TlsStream<TcpStream>) -> Option<&CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates()?.first()
}

fn another() -> ReachError {
    ReachError::NotTrusted(TlsError::General("it shows another certificate than before".to_owned()))
}

/// What a program sends and gets beside its control connection.
#[derive(Debug)]
pub(crate) struct Data {
    beside: Beside,
    transfers: Transfers,
}

impl Data {
    pub(crate) fn new(beside: Beside, transfers: Transfers) -> Self {
        Self { beside, transfers }
    }

    /// Carries all of it, for as long as the control connection is there.
    pub(crate) async fn run(self, program: SocketAddr, tell: impl Fn(Event)) -> Infallible {
        let Self { beside, transfers } = self;
        let carry = |socket, port| transfer(&beside, socket, port, &tell);
        transfers.run(program.ip(), carry, |_| {}).await
    }
}

async fn transfer(beside: &Beside, program: TcpStream, port: u16, tell: &impl Fn(Event)) {
    let from = program.peer_addr();
    let program = Unfinished::new(program, |socket| _ = socket.set_zero_linger());
    match timeout(PATIENCE, Box::pin(beside.connect(port))).await.unwrap_or(Err(ReachError::Slow)) {
        Ok(service) => {
            let reset: fn(&Secured) = |stream| _ = stream.socket().set_zero_linger();
            carry_file(program, Unfinished::new(service, reset)).await;
        }
        Err(why) => {
            if let Ok(from) = from {
                tell(Event::Refused(from, why));
            }
        }
    }
}

/// The service begins TLS once the program has said what it wants.
const PATIENCE: Duration = Duration::from_secs(60);
