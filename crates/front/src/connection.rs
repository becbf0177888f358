//! One connection, from the moment it is taken to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use pki::{Refusal, leaf_not_after};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::close::Place;
use crate::directory::Report;
use crate::handshake::{Denied, Guest, meet};
use crate::listen;
use crate::port::{Port, Stranger};
use crate::refused::Refused;
use crate::registry::{Ended, Info};
use crate::shared::Shared;
use crate::splice::{Limits, splice};

/// Serves a connection.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    port: Arc<Port>,
    stream: TcpStream,
    source: SocketAddr,
    stranger: Stranger,
) {
    // Mapped addresses are IPv4 to everybody who reads them.
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    if let Err(Denied { whom, why }) =
        Box::pin(welcome(&shared, &port, stream, source, stranger)).await
    {
        shared.report(Report::Refused { source, whom, why });
    }
}

async fn welcome(
    shared: &Arc<Shared>,
    port: &Port,
    stream: TcpStream,
    source: SocketAddr,
    stranger: Stranger,
) -> Result<(), Denied> {
    let at = || Refused::TooMany { at: port.listen.address.to_string() };
    let _room = port.room.try_acquire().map_err(|_| at())?;
    listen::prepare(&stream);
    let local = stream.local_addr().map_err(Refused::Broken)?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let met = timeout(PATIENCE, Box::pin(meet(shared, &port.listen, stream))).await;
    let guest = met.map_err(|_| Denied::from(Refused::Slow))??;
    drop(stranger);
    let (place, closing) = shared.connections.register(|number| Info {
        number,
        source,
        local,
        server: guest.site.settings.label().to_owned(),
        backend: guest.site.settings.backend.to_string(),
        client: guest.client.as_ref().map(|client| (client.holder.clone(), client.id)),
        own: guest.own,
        secured: guest.secured.clone(),
        since: shared.clock.now().boot,
        traffic: Arc::default(),
    });
    // Once more, now that a sweep would find it.
    place
        .info
        .right(|id| shared.directory.recheck(id))
        .map_err(|ended| withdrawn(&place, ended))?;
    host(shared, guest, place, closing).await
}

/// Connects a guest with the backend, until either is done.
async fn host(
    shared: &Shared,
    mut guest: Guest,
    place: Place,
    mut closing: oneshot::Receiver<Ended>,
) -> Result<(), Denied> {
    let info = Arc::clone(&place.info);
    let target = &guest.site.settings.backend;
    let failed = |source| Refused::Backend { target: target.to_string(), source };
    let mut backend = tokio::select! {
        why = &mut closing => return Err(withdrawn(&place, why.unwrap_or(Ended::Kicked))),
        backend = target.connect() => backend.map_err(failed)?,
    };
    if !guest.greeting.is_empty() {
        backend.write_all(&std::mem::take(&mut guest.greeting)).await.map_err(failed)?;
    }
    shared.report(Report::Opened(Arc::clone(&info)));
    let (limits, expires) = limits(shared, &guest);
    let ended = splice(&mut guest.wire, &mut backend, &info.traffic, limits, &mut closing).await;
    let ended = match (ended, expires) {
        (Ended::TooOld, Some(at)) if Timestamp::from(shared.clock.now()) >= at => {
            Ended::Withdrawn(Refusal::Expired { at })
        }
        (ended, _) => ended,
    };
    if ended.is_abrupt() {
        // What waits in the kernel is not sent either.
        let _ = guest.wire.socket().set_zero_linger();
    }
    drop((guest, backend));
    shared.report(Report::Closed(info, ended));
    // Last: whoever waits for its end may count on all of this.
    drop(place);
    Ok(())
}

/// For how long a guest may stay, and when its certificate ends, if it showed one.
fn limits(shared: &Shared, guest: &Guest) -> (Limits, Option<Timestamp>) {
    let settings = &guest.site.settings;
    let expires = guest.client.as_ref().and_then(|client| leaf_not_after(&client.leaf).ok());
    let left = expires.map(|at| at.since(shared.clock.now().into()) + AFTER);
    let age = [settings.max_age(), left].into_iter().flatten().min();
    (Limits { idle: settings.idle(), age }, expires)
}

/// It ended before it began.
fn withdrawn(place: &Place, ended: Ended) -> Denied {
    let whom = place.info.client.as_ref().map(|(holder, _)| holder.clone());
    let why = match ended {
        Ended::Withdrawn(refusal) => Refused::Certificate(refusal),
        Ended::OwnWithdrawn(_) => Refused::NoCertificate { server: place.info.server.clone() },
        _ => Refused::LeftEarly,
    };
    Denied { whom, why }
}

/// For the whole handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate holds through its last second.
const AFTER: Duration = Duration::from_secs(1);
