//! The local port: plain octets in, TLS to the service out.
//!
//! On this machine alone: whoever reaches the port acts as us at the service.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::event::Event;
use crate::reach::{ForProgram, Uplink};
use crate::reach_error::ReachError;

/// A port that is open.
#[derive(Debug)]
pub struct Local {
    listener: TcpListener,
    address: SocketAddr,
    uplink: Arc<Uplink>,
}

/// Why a port can't be opened.
#[derive(Debug)]
pub enum LocalError {
    /// Others than this machine could reach it.
    NotLoopback(SocketAddr),
    /// The system does not let us.
    Bind(SocketAddr, io::Error),
}

impl Local {
    /// Opens a port in front of a service.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub async fn open(address: SocketAddr, uplink: Arc<Uplink>) -> Result<Self, LocalError> {
        if !address.ip().to_canonical().is_loopback() {
            return Err(LocalError::NotLoopback(address));
        }
        let fail = |error| LocalError::Bind(address, error);
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, uplink })
    }

    /// Which it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves programs until it is dropped, which ends their connections.
    pub async fn run(self, tell: impl Fn(Event) + Clone + Send + Sync + 'static) {
        tell(Event::Listens(self.address));
        let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, from)) = self.listener.accept().await else {
                // Most likely no descriptors are left; they may be, a moment later.
                sleep(PAUSE).await;
                continue;
            };
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                tell(Event::Full(from));
                continue;
            };
            let (uplink, tell) = (Arc::clone(&self.uplink), tell.clone());
            connections.spawn(async move {
                serve(stream, from, &uplink, tell).await;
                drop(seat);
            });
        }
    }
}

async fn serve(program: TcpStream, from: SocketAddr, uplink: &Uplink, tell: impl Fn(Event) + Sync) {
    // Of a socket that is gone there is nobody to hear.
    let Ok(local) = program.local_addr() else { return };
    match Box::pin(uplink.reach()).await {
        Ok(reached) => {
            let ForProgram { stream, warning, data } = reached.for_program(uplink.target(), local);
            tell(match warning {
                Some(what) => Event::PassedOver(from, what),
                None => Event::Connected(from),
            });
            let ended = tokio::select! {
                ended = carry(program, stream, from) => ended,
                never = Box::pin(data.run(from, &tell)) => match never {},
            };
            tell(ended);
        }
        Err(why) => tell(Event::Refused(from, why)),
    }
}

async fn carry(
    mut program: TcpStream,
    mut service: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    from: SocketAddr,
) -> Event {
    let _ = program.set_nodelay(true);
    let carried = carry::both_ways(&mut program, &mut service, BUFFER).await;
    match carried {
        Ok((there, back)) => Event::Ended(from, there, back),
        Err(error) => {
            // One that takes nothing hears nothing.
            let _ = timeout(FAREWELL, service.shutdown()).await;
            match ReachError::of(error) {
                // Whichever side it was, it is over.
                ReachError::HungUp(_) => Event::Ended(from, 0, 0),
                why => Event::Refused(from, why),
            }
        }
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => write!(
                f,
                "{address} can be reached from other machines, and whoever reaches it would act as this one"
            ),
            Self::Bind(address, error) => write!(f, "{address} can't be listened on: {error}"),
        }
    }
}

impl Error for LocalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotLoopback(_) => None,
            Self::Bind(_, error) => Some(error),
        }
    }
}

const MOST_CONNECTIONS: usize = 256;
const BUFFER: usize = 16 * 1024;
/// To say to a service that it is over.
const FAREWELL: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
