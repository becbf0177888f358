//! One connection, from the moment it is taken to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use pki::{Refusal, leaf_not_after};
use starttls::{Fault, Relay};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use upgrade::Between;

use crate::arrival::{self, Arrival};
use crate::close::Place;
use crate::directory::Report;
use crate::greeted::Greeted;
use crate::handshake::{At, Denied, Guest, judge, meet};
use crate::listen;
use crate::mode::Protocol;
use crate::neighbours::Passed;
use crate::overheard::Heard;
use crate::port::{Port, Stranger};
use crate::preamble;
use crate::refused::Refused;
use crate::registry::{Ended, Info};
use crate::shared::Shared;
use crate::sorting::{Sorted, sort};
use crate::splice::{Limits, over, splice};
use crate::steward::Steward;
use crate::transfers;
use crate::upgrading::{Speaker, speaks_for};
use crate::ways::{Link, Ways};
use crate::web_site;

/// Serves a connection.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    port: Arc<Port>,
    mut stream: TcpStream,
    source: SocketAddr,
    stranger: Stranger,
) {
    // Mapped addresses are IPv4 to everybody who reads them.
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let mut heard = Heard::nothing(shared.directory.handshakes_wanted(), &shared.clock);
    let (source, local, outcome) = match arrive(&port, &mut stream, source).await {
        Ok(arrival) => {
            if port.listen.is_proxy(source.ip()) {
                stranger.comes_from(arrival.source.ip());
            }
            let welcomed = welcome(&shared, &port, stream, arrival, stranger, &mut heard);
            (arrival.source, Some(arrival.local), Box::pin(welcomed).await)
        }
        Err(why) => (source, None, Err(why.into())),
    };
    if let Err(Denied { whom, why }) = outcome {
        shared.report(&Report::Refused { source, local, whom, why, heard: heard.refused() });
    }
}

async fn arrive(
    port: &Port,
    stream: &mut TcpStream,
    source: SocketAddr,
) -> Result<Arrival, Refused> {
    let local = stream.local_addr().map_err(Refused::Broken)?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let arrived = arrival::of(&port.listen, Arrival { source, local }, stream);
    timeout(PATIENCE, arrived).await.unwrap_or(Err(Refused::Slow))
}

async fn welcome(
    shared: &Arc<Shared>,
    port: &Port,
    stream: TcpStream,
    arrival: Arrival,
    stranger: Stranger,
    heard: &mut Heard,
) -> Result<(), Denied> {
    listen::prepare(&stream);
    let until = Instant::now() + PATIENCE;
    let mut stream = stream;
    let who = (arrival.source.ip(), &stranger);
    let speaking = timeout_at(until, Box::pin(speaks_for(shared, &port.listen, who))).await;
    let Speaker { greeting, backend } = speaking.map_err(|_| Refused::Slow)??;
    let (backend, doorstep) = backend.unzip();
    // Whoever has waited for others has no less time for that.
    let begins = Instant::now();
    let until = begins + PATIENCE;
    let asks = begins + if backend.is_some() { ASKING } else { PATIENCE };
    let sorted = timeout_at(asks, sort(&port.listen, &greeting, &mut stream)).await;
    let mut begun = match sorted.map_err(|_| Refused::Slow)?? {
        Sorted::Tls(begun) => begun,
        elsewhere => return Ok(pass(shared, port, stream, arrival, elsewhere)?),
    };
    let backend = backend.map(|greeted| greeted.asked_so(std::mem::take(&mut begun.request)));
    let at = At { listen: &port.listen, greeted: backend.as_ref().map(Greeted::server) };
    let meeting = meet(shared, at, stream, begun, who, heard);
    let met =
        timeout_at(until, Box::pin(meeting)).await.map_err(|_| Denied::from(Refused::Slow))?;
    // What stays for as long as it does is held once, not by each future that has it in turn.
    let Some(mut guest) = met?.map(Box::new) else { return Ok(()) };
    guest.backend = backend;
    let Some(_room) = port.room.seat(arrival.source.ip(), guest.client.is_some()) else {
        let why = Refused::TooMany { at: port.listen.address.to_string() };
        return Err(Denied::from(why).of(guest.client.as_ref().map(|client| &client.holder)));
    };
    drop((stranger, doorstep));
    let (place, closing) = shared.connections.register(|number| Info {
        number,
        source: arrival.source,
        local: arrival.local,
        server: guest.site.settings.label().to_owned(),
        backend: guest.site.settings.backend_text(),
        client: guest.client.as_ref().map(|client| (client.holder.clone(), client.id)),
        own: guest.own,
        secured: guest.secured.clone(),
        since: shared.clock.now().boot,
        until: guest.client.as_ref().and_then(|client| leaf_not_after(&client.leaf).ok()),
        traffic: guest.wire.traffic(),
    });
    if let Err(denied) = look_again(shared, &guest, &place) {
        // Before its place: whoever waits for that counts on it.
        let denied = denied.of(guest.client.as_ref().map(|client| &client.holder));
        drop(guest);
        return Err(denied);
    }
    host(shared, place, guest, closing, heard).await
}

/// Gives a connection away that is for no virtual server.
fn pass(
    shared: &Shared,
    port: &Port,
    stream: TcpStream,
    arrival: Arrival,
    sorted: Sorted,
) -> Result<(), Refused> {
    let stream = stream.into_std().map_err(Refused::Broken)?;
    let Arrival { source, local } = arrival;
    let beside_tls = port.listen.takes(Protocol::Tls);
    let passed = |received| Passed { stream, received, source, local, beside_tls };
    let neighbours = &shared.neighbours;
    let (protocol, taken) = match sorted {
        Sorted::OpenVpn(received) => (Protocol::OpenVpn, neighbours.take_openvpn(passed(received))),
        Sorted::Http(received) => (Protocol::Http, neighbours.take_http(passed(received))),
        Sorted::Tls(_) => (Protocol::Tls, false),
    };
    match taken {
        true => Ok(()),
        false => Err(Refused::NotOpen { protocol }),
    }
}

/// Once more, now that a sweep would find it: whether it is still who it was, and let in. A user may have another name
/// since, and a server another policy.
fn look_again(shared: &Shared, guest: &Guest, place: &Place) -> Result<(), Denied> {
    let right = place.info.right(|id| shared.directory.recheck(id));
    right.map_err(|ended| withdrawn(place, ended))?;
    if guest.site.settings.passthrough {
        return Ok(());
    }
    let leaf = guest.client.as_ref().map(|client| &client.leaf);
    let (site, client) = judge(shared, &guest.site, leaf)?;
    match client == guest.client {
        true => Ok(()),
        false => Err(Refused::NotAmongUsers { server: site.settings.label().to_owned() }.into()),
    }
}

/// Gives a guest what it came for, until either is done. What is named first here is dropped last.
async fn host(
    shared: &Arc<Shared>,
    place: Place,
    guest: Box<Guest>,
    mut closing: oneshot::Receiver<Ended>,
    heard: &mut Heard,
) -> Result<(), Denied> {
    let expires = place.info.until;
    let limits = limits(shared, &guest, expires);
    let site = Arc::clone(&guest.site);
    let ended = match (&site.web, &site.ways) {
        (Some(web), _) => {
            opened(shared, &place, heard);
            let streams = guest.room.streams();
            let steward = Steward::new(shared, &place.info, &site, &web.site, streams);
            requests(guest, &place.info, steward, limits, &mut closing).await
        }
        (None, Some(ways)) => {
            // Larger than all that serves requests, whose idle connections would hold as much.
            let ended = Box::pin(bytes(shared, guest, &place, ways, limits, &mut closing, heard));
            let holder = place.info.client.as_ref().map(|(holder, _)| holder);
            ended.await.map_err(|denied| denied.of(holder))?
        }
        (None, _) => Ended::Broken,
    };
    let ended = match (ended, expires) {
        (Ended::TooOld, Some(at)) if Timestamp::from(shared.clock.now()) >= at => {
            Ended::Withdrawn(Refusal::Expired { at })
        }
        (ended, _) => ended,
    };
    shared.report(&Report::Closed(Arc::clone(&place.info), ended));
    // Last: whoever waits for its end may count on all of this.
    drop(place);
    Ok(())
}

/// Bytes both ways.
async fn bytes(
    shared: &Shared,
    mut guest: Box<Guest>,
    place: &Place,
    ways: &Ways,
    limits: Limits,
    closing: &mut oneshot::Receiver<Ended>,
    heard: &mut Heard,
) -> Result<Ended, Denied> {
    let unsaid = |source| Refused::Backend { target: place.info.backend.clone(), source };
    let preamble = preamble::of(&guest, &place.info).map_err(unsaid)?;
    place.info.traffic.came(guest.greeting.len());
    let first = std::mem::take(&mut guest.greeting);
    let greeted = guest.backend.take();
    let reaching = async {
        let link = match greeted {
            Some(greeted) => greeted.go_on().await,
            None => ways.reach(&preamble).await,
        };
        let link = link.map_err(Refused::from)?;
        let relay = preamble::relay(&guest, &place.info, &link);
        let (relay, data) = match transfers::of(&guest, &place.info, &link).map_err(unsaid)? {
            Some((doors, data)) => (relay.with_doors(Box::new(doors)), Some(data)),
            None => (relay, None),
        };
        let begun = begin(link, &first, relay).await;
        Ok::<_, Refused>((begun.map_err(|error| unfit(error, unsaid))?, data))
    };
    let (mut stream, data) = tokio::select! {
        why = &mut *closing => return Err(withdrawn(place, why.unwrap_or(Ended::Kicked))),
        stream = reaching => stream?,
    };
    opened(shared, place, heard);
    let ended = tokio::select! {
        ended = splice(&mut guest.wire, &mut stream, &place.info.traffic, limits, closing) => ended,
        never = Box::pin(transfers::run(data, shared)) => match never {},
    };
    if ended.is_abrupt() {
        guest.wire.cut().set();
    }
    if ended != Ended::Finished {
        // An upload that was cut off is not to look whole (RFC 8446 section 6.1).
        stream.service().cut();
    }
    Ok(ended)
}

/// From here on nothing refuses it.
fn opened(shared: &Shared, place: &Place, heard: &mut Heard) {
    let heard = heard.let_in();
    shared.report(&Report::Opened(Arc::clone(&place.info), heard));
}

/// A backend that has these bytes, or will have them soon, and whose greeting was heard where somebody else greeted.
async fn begin(mut link: Link, first: &[u8], relay: Relay) -> io::Result<Between<Link>> {
    link.write_all(first).await?;
    link.flush().await?;
    let mut stream = Between::new(link, relay);
    let settled = timeout(PATIENCE, stream.settle()).await;
    settled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(stream)
}

/// A backend that is there may still say what can't be understood.
fn unfit(error: io::Error, failed: impl FnOnce(io::Error) -> Refused) -> Refused {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()).cloned();
    fault.map_or_else(|| failed(error), Refused::Upgrade)
}

/// Requests and answers.
async fn requests(
    guest: Box<Guest>,
    info: &Info,
    steward: Steward,
    limits: Limits,
    closing: &mut oneshot::Receiver<Ended>,
) -> Ended {
    let Guest { mut wire, client, secured, asked, chain, room: _room, .. } = *guest;
    let alpn = secured.alpn.as_deref();
    let facts = web_site::connection(info.source, info.local, alpn, asked, client.as_ref(), &chain);
    let (cut, begun) = (wire.cut(), Instant::now());
    let (waits, shutdown) = (alpn != Some("h2"), over(limits.age));
    let mut served = Box::pin(async move {
        // What serves HTTP/1.1 takes its buffers at once, and many who come say nothing for now, or never.
        if waits && !matches!(timeout(SILENCE, wire.wake()).await, Ok(Ok(()))) {
            return false;
        }
        web::serve(wire, facts, steward, shutdown).await.is_ok()
    });
    let ended = tokio::select! {
        biased;
        why = &mut *closing => why.unwrap_or(Ended::Kicked),
        () = over(limits.right) => Ended::TooOld,
        as_it_should = &mut served => match as_it_should {
            true if limits.age.is_some_and(|age| begun.elapsed() >= age) => Ended::TooOld,
            true => Ended::Finished,
            false => Ended::Broken,
        },
    };
    if ended.is_abrupt() {
        cut.set();
    }
    // With it the wire, and all that was under way.
    drop(served);
    ended
}

/// For how long a guest may stay.
fn limits(shared: &Shared, guest: &Guest, expires: Option<Timestamp>) -> Limits {
    let settings = &guest.site.settings;
    let right = expires.map(|at| at.since(shared.clock.now().into()) + AFTER);
    let begin = settings.passthrough.then_some(BEGINNING);
    Limits { idle: settings.idle(), age: settings.max_age(), right, begin }
}

/// It ended before it began.
fn withdrawn(place: &Place, ended: Ended) -> Denied {
    let whom = place.info.client.as_ref().map(|(holder, _)| holder.clone());
    let why = match ended {
        Ended::Withdrawn(refusal) => Refused::Certificate(refusal),
        Ended::OwnWithdrawn(_) => Refused::OwnWithdrawn { server: place.info.server.clone() },
        _ => Refused::Kicked,
    };
    Denied { whom, why }
}

/// For the whole handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a client to ask for TLS that a backend has greeted, which has few places for those who do not.
const ASKING: Duration = Duration::from_secs(3);
/// For a handshake behind us: a person may be asked for a certificate in it.
const BEGINNING: Duration = Duration::from_secs(30);
/// Until a client begins its first request: as long as that may take then.
const SILENCE: Duration = Duration::from_secs(15);
/// A certificate holds through its last second.
const AFTER: Duration = Duration::from_secs(1);
