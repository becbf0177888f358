//! FTP's data connections through the door: each under TLS by the terms of its control connection, from the same host
//! and, where that showed a certificate, with the same one.
//!
//! The backend is reached as soon as somebody is there, since many services say that they are ready only then, and hears
//! nothing before the client's TLS has been looked at. Each has a place among the server's connections; what it carries
//! counts with the control connection, and so does the time. Invariant: all of it is gone before the control connection's place is.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use starttls::Protocol;
use tokio::net::TcpStream;
use tokio::time::timeout;
use upgrade::{SocketDoors, Transfers, Unfinished, carry_file, doors};

use crate::directory::Report;
use crate::handshake::{Denied, Guest, meet_beside, seat};
use crate::listen;
use crate::overheard::Heard;
use crate::passive_ports::Passive;
use crate::policy::Client;
use crate::refused::Refused;
use crate::registry::Info;
use crate::room::Seat;
use crate::shared::Shared;
use crate::site::Site;
use crate::traffic::Traffic;
use crate::ways::{Beside, Link};
use crate::wire::Wire;

/// What a guest's data connections have to be, and where they go.
pub(crate) struct Data {
    site: Arc<Site>,
    client: Option<Client>,
    control: SocketAddr,
    traffic: Arc<Traffic>,
    backend: String,
    beside: Beside,
    transfers: Transfers,
}

/// Doors for a guest's data connections, where its protocol has such.
///
/// # Errors
/// Where one of its sockets is gone.
pub(crate) fn of(
    guest: &Guest,
    info: &Info,
    link: &Link,
) -> io::Result<Option<(SocketDoors, Data)>> {
    if guest.by != Some(Protocol::Ftp) || guest.site.settings.passthrough {
        return Ok(None);
    }
    let Passive { ports, address } = guest.passive.clone();
    let (doors, transfers) = doors(guest.wire.local()?, ports.map(|ports| ports.range()));
    let doors = doors.known_at(address);
    let data = Data {
        site: Arc::clone(&guest.site),
        client: guest.client.clone(),
        control: info.source,
        traffic: Arc::clone(&info.traffic),
        backend: info.backend.clone(),
        beside: link.beside()?,
        transfers,
    };
    Ok(Some((doors, data)))
}

/// Carries all of it, for as long as the control connection is there; without any it waits.
pub(crate) async fn run(data: Option<Data>, shared: &Shared) -> Infallible {
    let Some(data) = data else { return std::future::pending().await };
    let Data { site, client, control, traffic, backend, beside, transfers } = data;
    let party = Party { shared, site, client, control, traffic, backend, beside };
    let refuse = |source| party.refuse(source, party.another().into(), party.nothing_heard());
    transfers.run(control.ip(), |socket, port| party.carry(socket, port), refuse).await
}

struct Party<'a> {
    shared: &'a Shared,
    site: Arc<Site>,
    client: Option<Client>,
    control: SocketAddr,
    traffic: Arc<Traffic>,
    backend: String,
    beside: Beside,
}

impl Party<'_> {
    async fn carry(&self, socket: TcpStream, port: u16) {
        let source = socket.peer_addr().unwrap_or(self.control);
        listen::prepare(&socket);
        let mut heard = self.nothing_heard();
        let both = async { tokio::try_join!(self.reach(port), self.meet(socket, &mut heard)) };
        match timeout(PATIENCE, Box::pin(both)).await.unwrap_or(Err(Refused::Slow.into())) {
            Ok((service, (client, _seat))) => carry_file(client, service).await,
            Err(why) => self.refuse(source, why, heard),
        }
    }

    /// The backend's end; it is not to take a connection that does not come about for an empty file.
    async fn reach(&self, port: u16) -> Result<Unfinished<Link>, Denied> {
        let link = self.beside.connect(port).await.map_err(|source| {
            Denied::from(Refused::Backend { target: self.backend.clone(), source })
        })?;
        Ok(Unfinished::new(link, Link::cut))
    }

    /// The client's end, and its place; who gets none is not to take it for an empty file.
    async fn meet(
        &self,
        socket: TcpStream,
        heard: &mut Heard,
    ) -> Result<(Unfinished<Wire>, Seat), Denied> {
        let (stream, client) = meet_beside(self.shared, &self.site, socket, heard).await?;
        let print = |client: &Option<Client>| client.as_ref().map(|client| client.fingerprint);
        if print(&client) != print(&self.client) {
            let whom = client.map(|client| client.holder);
            return Err(Denied { whom, why: self.another() });
        }
        let wire = Wire::beside(stream, Arc::clone(&self.traffic));
        let wire = Unfinished::new(wire, Wire::reset);
        Ok((wire, seat(&self.site, self.control.ip(), client.as_ref())?))
    }

    fn another(&self) -> Refused {
        Refused::AnothersData { server: self.site.settings.label().to_owned() }
    }

    fn nothing_heard(&self) -> Heard {
        Heard::nothing(self.shared.directory.handshakes_wanted(), &self.shared.clock)
    }

    fn refuse(&self, source: SocketAddr, Denied { whom, why }: Denied, heard: Heard) {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let heard = heard.refused();
        self.shared.report(&Report::Refused { source, local: None, whom, why, heard });
    }
}

/// TLS begins once the client has said what it wants, and the service that it goes along.
const PATIENCE: Duration = Duration::from_secs(60);
