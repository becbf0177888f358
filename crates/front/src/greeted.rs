//! A backend whose greeting is part of what its client hears: it is dialled, and heard, before the client has come to TLS.
//!
//! Where TLS follows on the way there as well, its greeting is nobody's word until then, and the client's own request is
//! passed on, which the login is read by. Invariant: nothing is said to it before [`Greeted::go_on`], and that is for a
//! guest of the server whose backend it is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use starttls::{Greeting, Protocol};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::settings::VirtualServer;
use crate::site::Site;
use crate::ways::{Link, Unreached, Way, Ways};

/// A backend that has greeted.
#[derive(Debug)]
pub(crate) struct Greeted {
    site: Arc<Site>,
    ways: Arc<Ways>,
    at: usize,
    socket: TcpStream,
    greeting: Vec<u8>,
    since: Instant,
    /// How the client asked for TLS.
    request: Vec<u8>,
}

impl Greeted {
    /// By the next one of this server's that does.
    ///
    /// # Errors
    /// Where none does.
    pub(crate) async fn by(
        site: Arc<Site>,
        ways: &Arc<Ways>,
        protocol: Protocol,
    ) -> Result<Self, Unreached> {
        let mut tries = ways.tries();
        while let Some((at, way)) = tries.another() {
            match greeting(way, protocol).await {
                Ok((socket, greeting)) => {
                    let (ways, since) = (Arc::clone(ways), Instant::now());
                    return Ok(Self {
                        site,
                        ways,
                        at,
                        socket,
                        greeting,
                        since,
                        request: Vec::new(),
                    });
                }
                Err(why) => tries.failed(at, way, why),
            }
        }
        Err(tries.none())
    }

    /// Whose backend it is: nobody gets to it but by that server's policy.
    pub(crate) fn server(&self) -> &VirtualServer {
        &self.site.settings
    }

    /// As it greeted.
    pub(crate) fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// For a client that asked so for TLS.
    pub(crate) fn asked_so(self, request: Vec<u8>) -> Self {
        Self { request, ..self }
    }

    /// The connection as the settings want it.
    ///
    /// # Errors
    /// Where it does not come to TLS, or is not the one that was meant.
    pub(crate) async fn go_on(self) -> Result<Link, Unreached> {
        let kept_waiting = self.since.elapsed() >= LONG;
        self.ways.go_on(self.at, self.socket, (self.greeting, kept_waiting), &self.request).await
    }
}

/// A connection, and the message that it begins with.
async fn greeting(way: &Way, protocol: Protocol) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut socket = way.dial().await?;
    let heard = timeout(PATIENCE, hear(&mut socket, protocol)).await;
    let greeting = heard.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok((socket, greeting))
}

/// To its last octet: what a backend says behind it is the client's.
async fn hear(socket: &mut TcpStream, protocol: Protocol) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    loop {
        let at = heard.len();
        match Greeting::lacks(protocol, &heard).map_err(io::Error::other)? {
            0 => return Ok(heard),
            more => heard.resize(at + more, 0),
        }
        socket.read_exact(&mut heard[at..]).await?;
    }
}

/// What a client needs, and less than any database waits for it.
const LONG: Duration = Duration::from_secs(1);
/// For it to greet.
const PATIENCE: Duration = Duration::from_secs(5);
