//! From a stranger's first byte to a guest of a virtual server.
//!
//! 1. the first message is gathered and says which server is meant;
//! 2. TLS, under that server's terms;
//! 3. whoever comes out of it is judged by the policy that holds at that moment, because a resumed session was not
//!    looked at inside TLS, and the settings may have changed meanwhile.
//!
//! Invariant: no byte of what is inside TLS goes either way before the third step.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use pki::{CertificateId, Refusal, refusal_of, refused_within};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ServerConnection;
use rustls::{CertificateError, HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::{StartHandshake, TlsStream};

use crate::begun::Begun;
use crate::chain::Chain;
use crate::greeted::Greeted;
use crate::hello::{self, Gathering, Hello, Step};
use crate::holder::Holder;
use crate::offered::Offered;
use crate::overheard::Heard;
use crate::passive_ports::Passive;
use crate::policy::Client;
use crate::port::Stranger;
use crate::refused::Refused;
use crate::registry::Secured;
use crate::room::Seat;
use crate::settings::{Listen, VirtualServer};
use crate::shared::Shared;
use crate::site::Site;
use crate::validation;
use crate::verifier;
use crate::watched::Watched;
use crate::wire::Wire;

/// Whoever was let in.
pub(crate) struct Guest {
    pub(crate) wire: Wire,
    pub(crate) site: Arc<Site>,
    pub(crate) client: Option<Client>,
    /// The certificate of ours that was shown; for one that resumes a session, when that began.
    pub(crate) own: Option<CertificateId>,
    pub(crate) secured: Secured,
    /// The name that was asked for.
    pub(crate) asked: Option<String>,
    /// What the client sent to lead from its certificate to a CA.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// What the backend has to get first.
    pub(crate) greeting: Vec<u8>,
    /// By which protocol it came to TLS.
    pub(crate) by: Option<starttls::Protocol>,
    /// Where its data connections come to, where the settings say so.
    pub(crate) passive: Passive,
    /// The backend, where it had to greet before.
    pub(crate) backend: Option<Greeted>,
    pub(crate) room: Seat,
}

impl Guest {
    /// Of whom nothing is known.
    fn of(site: Arc<Site>, wire: Wire, room: Seat) -> Self {
        Self {
            wire,
            site,
            client: None,
            own: None,
            secured: Secured::default(),
            asked: None,
            chain: Vec::new(),
            greeting: Vec::new(),
            by: None,
            passive: Passive::default(),
            backend: None,
            room,
        }
    }
}

/// Whoever was not.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) whom: Option<Holder>,
    pub(crate) why: Refused,
}

/// Where a stranger came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) listen: &'a Listen,
    /// The server whose backend has greeted already, and which alone is met there then.
    pub(crate) greeted: Option<&'a VirtualServer>,
}

/// Meets a stranger, whose TLS has begun so; nobody stays of a CA that came to see whether a name is ours.
pub(crate) async fn meet(
    shared: &Shared,
    at: At<'_>,
    mut socket: TcpStream,
    Begun { first, inside, asked, .. }: Begun,
    (from, stranger): (IpAddr, &Stranger),
    heard: &mut Heard,
) -> Result<Option<Guest>, Denied> {
    let mut hello = gather(&mut socket, &first, heard, &*shared.clock).await?;
    stranger.says_hello();
    heard.begins_after(inside);
    if let Some(proof) = shared.keyring.proofs().asked_for(hello.name.as_deref(), &hello.alpn) {
        validation::show(proof, Arc::clone(&shared.clock), hello, socket).await?;
        return Ok(None);
    }
    hello.name = hello.name.or(asked);
    if hello.alpn.is_empty() {
        hello.alpn.extend(inside.map(|protocol| protocol.as_bytes().to_vec()));
    }
    let site = match choose(shared, at, &hello) {
        Ok(site) => site,
        Err((alert, why)) => {
            answer(&mut socket, alert, heard).await;
            return Err(why.into());
        }
    };
    let guest = if site.settings.passthrough {
        pass_on(site, hello.name, heard.pass_on(), socket, from)?
    } else {
        heard.was_read();
        receive(shared, &site, hello, Watched::new(socket, heard.ear()), from).await?
    };
    Ok(Some(Guest { by: at.listen.mode.starttls(), passive: at.listen.passive(), ..guest }))
}

/// Whose TLS ends behind this server.
fn pass_on(
    site: Arc<Site>,
    asked: Option<String>,
    greeting: Vec<u8>,
    socket: TcpStream,
    from: IpAddr,
) -> Result<Guest, Denied> {
    let room = seat(&site, from, None)?;
    Ok(Guest { asked, greeting, ..Guest::of(site, Wire::passed(socket), room) })
}

/// Whose TLS ends here, once the policy has let it in.
async fn receive(
    shared: &Shared,
    site: &Arc<Site>,
    mut hello: Hello,
    socket: Watched,
    from: IpAddr,
) -> Result<Guest, Denied> {
    let asked = hello.name.take();
    let tls = site.tls(hello.is_hybrid, socket.key_log());
    let (stream, own) = end_tls(shared, site, tls, hello, socket).await?;
    let mut stream = Box::new(stream);
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let judged = judge(shared, site, leaf).and_then(|(site, client)| {
        let room = seat(&site, from, client.as_ref())?;
        Ok((site, client, room))
    });
    let (site, client, room) = match judged {
        Ok(judged) => judged,
        Err(denied) => {
            // The alert that says the end is all that a refused one gets.
            let _ = stream.shutdown().await;
            return Err(denied);
        }
    };
    stream.get_mut().0.unwatch();
    let secured = secured(stream.get_ref().1);
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().skip(1).map(|one| one.clone().into_owned()).collect();
    let guest = Guest::of(site, Wire::ended(stream), room);
    Ok(Guest { client, own, secured, asked, chain, ..guest })
}

/// Meets a guest once more, on a connection beside its first, and says who it is there.
pub(crate) async fn meet_beside(
    shared: &Shared,
    site: &Arc<Site>,
    mut socket: TcpStream,
    heard: &mut Heard,
) -> Result<(Box<TlsStream<Watched>>, Option<Client>), Denied> {
    let hello = gather(&mut socket, &[], heard, &*shared.clock).await?;
    heard.was_read();
    let socket = Watched::new(socket, heard.ear());
    let tls = site.tls_beside(hello.is_hybrid, socket.key_log());
    let (mut stream, _) = end_tls(shared, site, tls, hello, socket).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let (_, client) = judge(shared, site, leaf)?;
    stream.get_mut().0.unwatch();
    Ok((Box::new(stream), client))
}

async fn gather(
    socket: &mut TcpStream,
    first: &[u8],
    heard: &mut Heard,
    clock: &dyn Clock,
) -> Result<Hello, Denied> {
    let mut gathering = Gathering::into(&mut heard.bytes);
    let mut piece = Vec::with_capacity(PIECE);
    piece.extend_from_slice(first);
    let (alert, why) = loop {
        if piece.is_empty() {
            let room = gathering.room().min(PIECE) as u64;
            let read = (&mut *socket).take(room).read_buf(&mut piece).await;
            read.map_err(|error| Denied::from(Refused::Broken(error)))?;
        }
        heard.at = clock.now();
        let step = gathering.take(&piece);
        piece.clear();
        match step {
            Step::More => {}
            Step::Whole(hello) => return Ok(*hello),
            Step::No(alert, why) => break (alert, why),
        }
    };
    answer(socket, alert, heard).await;
    Err(why.into())
}

/// Whoever does not take an alert goes without.
async fn answer(socket: &mut TcpStream, alert: Vec<u8>, heard: &Heard) {
    if alert.is_empty() {
        let _ = socket.shutdown().await;
    } else if socket.write_all(&alert).await.is_ok() {
        heard.answered(&alert);
        hear_out(socket).await;
    }
}

/// Has the client hear our last words: a socket that is closed over bytes which nobody read is reset, and its alert with
/// it. Only what a handshake may still be under way with is waited for.
async fn hear_out(socket: &mut TcpStream) {
    let _ = socket.shutdown().await;
    let mut rest = socket.take(MOST_HEARD);
    let _ = timeout(HEARING, copy(&mut rest, &mut sink())).await;
}

/// A place among those who were let in: strangers have none.
pub(crate) fn seat(site: &Site, from: IpAddr, client: Option<&Client>) -> Result<Seat, Denied> {
    site.room.seat(from, client.is_some()).ok_or_else(|| {
        let why = Refused::TooMany { at: site.settings.label().to_owned() };
        Denied::from(why).of(client.map(|client| &client.holder))
    })
}

/// The server that is meant; or what to answer.
fn choose(
    shared: &Shared,
    At { listen, greeted }: At<'_>,
    hello: &Hello,
) -> Result<Arc<Site>, (Vec<u8>, Refused)> {
    let table = shared.table.load();
    let (name, alpn) = (hello.name.as_deref(), &hello.alpn);
    let site = match greeted {
        Some(server) => table.choose_greeted(server, listen, name, alpn),
        None => table.choose(listen, name, alpn),
    };
    let site = site.map_err(|why| {
        let description = match why {
            Refused::NoProtocol { .. } => hello::NO_APPLICATION_PROTOCOL,
            _ => hello::UNRECOGNIZED_NAME,
        };
        (hello::alert(description), why)
    })?;
    let server = || site.settings.label().to_owned();
    if !site.settings.passthrough && site.keys.choose(&hello.schemes).is_none() {
        // Whoever has none at all can say nothing of the client's signatures.
        let description = match site.keys.all().is_empty() {
            true => hello::INTERNAL_ERROR,
            false => hello::HANDSHAKE_FAILURE,
        };
        return Err((hello::alert(description), Refused::NoCertificate { server: server() }));
    }
    Ok(Arc::clone(site))
}

async fn end_tls(
    shared: &Shared,
    site: &Site,
    (tls, chain): (Arc<ServerConfig>, Arc<Chain>),
    hello: Hello,
    socket: Watched,
) -> Result<(TlsStream<Watched>, Option<CertificateId>), Denied> {
    let (rest, offered) = (hello.rest, hello.offered);
    let start = StartHandshake::from_parts(hello.accepted, socket);
    let accept = start.into_stream_with(tls, |connection| {
        // To read nothing would mean the end; what does not fit is more than anybody may send before our answer.
        if !rest.is_empty() {
            let _ = connection.read_tls(&mut &rest[..]);
        }
    });
    let mut accept = pin!(accept.into_fallible());
    let (mut refused, mut outsider) = (None, None);
    let outcome = poll_fn(|cx| {
        let ((poll, left_out), certificate) =
            refused_within(|| verifier::left_out_within(|| accept.as_mut().poll(cx)));
        refused = certificate.or(refused.take());
        outsider = left_out.or(outsider.take());
        poll
    });
    let (error, socket) = match outcome.await {
        Ok(stream) => {
            let own = chain.own(is_resumed(stream.get_ref().1));
            return Ok((stream, own.and_then(|own| site.keys.recorded(&own))));
        }
        Err(failed) => failed,
    };
    hear_out(&mut socket.into_inner()).await;
    if chain.lacks() {
        return Err(Refused::NoCertificate { server: site.settings.label().to_owned() }.into());
    }
    let whom = outsider.or_else(|| {
        let refused = refused?;
        shared.directory.named(&refused.id, &refused.fingerprint)
    });
    Err(Denied { whom, why: why(error, site, &offered) })
}

/// What the library says, in our words.
fn why(error: io::Error, site: &Site, offered: &Offered) -> Refused {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Refused::LeftEarly;
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    let Some(inner) = inner else { return Refused::Broken(error) };
    let outsider = CertificateError::ApplicationVerificationFailure;
    if inner == rustls::Error::InvalidCertificate(outsider) {
        return Refused::NotAmongUsers { server: site.settings.label().to_owned() };
    }
    match refusal_of(&inner) {
        Some(refusal) => Refused::Certificate(refusal),
        None => offered.refused(inner),
    }
}

/// By the settings as they are now, which may have changed since the first message. What was decrypted here is nothing to
/// a backend that ends TLS itself.
pub(crate) fn judge(
    shared: &Shared,
    site: &Arc<Site>,
    leaf: Option<&CertificateDer<'_>>,
) -> Result<(Arc<Site>, Option<Client>), Denied> {
    let label = site.settings.label();
    let table = shared.table.load();
    let present = table.present(label, &site.settings.alpn);
    let present = present.filter(|site| !site.settings.passthrough).cloned();
    let site = present.ok_or_else(|| Refused::UnknownName { asked: Some(label.to_owned()) })?;
    let now = UnixTime::since_unix_epoch(shared.clock.now().wall);
    match site.policy.judge(leaf, now) {
        Ok(client) => Ok((site, client)),
        Err(why) => {
            let whom = leaf.and_then(|leaf| site.policy.holder_of(leaf));
            Err(Denied { whom, why })
        }
    }
}

fn secured(connection: &ServerConnection) -> Secured {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let suite = connection.negotiated_cipher_suite();
    let group = connection.negotiated_key_exchange_group();
    Secured {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher: suite.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        group: group.map(|group| format!("{:?}", group.name())).unwrap_or_default(),
        alpn: connection.alpn_protocol().map(text),
        resumed: is_resumed(connection),
    }
}

fn is_resumed(connection: &ServerConnection) -> bool {
    connection.handshake_kind() == Some(HandshakeKind::Resumed)
}

impl Denied {
    /// Of somebody who has proved to be that, unless it is known whom it is about.
    pub(crate) fn of(self, holder: Option<&Holder>) -> Self {
        Self { whom: self.whom.or_else(|| holder.cloned()), ..self }
    }
}

impl From<Refused> for Denied {
    fn from(why: Refused) -> Self {
        Self { whom: None, why }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Refused::from(refusal).into()
    }
}

/// What is read of a stranger at a time.
const PIECE: usize = 4096;
/// The longest chain of certificates, and what else belongs to a last flight.
const MOST_HEARD: u64 = 128 * 1024;
/// Twice across the world; whoever has an alert closes sooner.
const HEARING: Duration = Duration::from_millis(500);
