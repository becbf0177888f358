//! One session: its socket, its core, its data keys and its keepalive.
//!
//! It is driven like the engine's own sessions and confirms a key as soon as it holds it. What happened
//! is told to the run, which counts. Not here: when it begins, and what is sent through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use datapath::{DataKeys, DatagramSink, Endpoint, Header, OpenKey, SealKey};
use engine::{Driver, KeyChange, Surroundings};
use sysio::{BindError, Transmit, UdpSocket};
use tunnel::{Close, EndReason, NewKey, Seed, Session};
use wire::KeyId;
use wire::data::{DataHeader, OCC_EXIT, Occ, PING, Payload, parse_header};
use wire::push::{PushOption, PushReply};

use crate::Subscriber;

/// What the run has to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// Data flows.
    Connected,
    /// It is over, for this reason.
    Ended(&'static str),
}

/// What a datagram held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Something for the session, or nothing that opens.
    Nothing,
    /// A keepalive.
    Ping,
    /// The answer to one of our requests.
    Answer,
}

/// One session.
pub(crate) struct Link {
    pub(crate) began: Duration,
    /// What its timer is set to.
    pub(crate) armed: Option<Duration>,
    driver: Driver,
    far: Far,
}

impl Link {
    /// Begins a session. `socket` is its number among the run's sockets.
    pub(crate) fn begin(
        subscriber: &Subscriber,
        socket: u16,
        seed: Seed,
        now: Now,
    ) -> Result<Self, BindError> {
        let session = Session::client(Arc::clone(&subscriber.tunnel), seed, now);
        Ok(Self {
            began: now.boot,
            armed: None,
            driver: Driver::new(session),
            far: Far {
                socket: UdpSocket::connect(subscriber.server)?,
                endpoint: Endpoint::new(socket, subscriber.server),
                header: Header::V1,
                keys: Vec::new(),
                sealing: None,
                own: None,
                gateway: None,
                ping: None,
                ping_restart: None,
                last_sent: now.boot,
                last_heard: now.boot,
                up: false,
                over: false,
                happened: None,
            },
        })
    }

    /// What leads to the server.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.far.socket
    }

    /// Whether data flows.
    pub(crate) fn is_up(&self) -> bool {
        self.far.up && !self.far.over
    }

    /// Its address in the tunnel and the server's, as far as they were pushed.
    pub(crate) fn addresses(&self) -> (Option<Ipv4Addr>, Option<Ipv4Addr>) {
        (self.far.own, self.far.gateway)
    }

    /// Takes a datagram from its socket; `size` is that of the answers waited for.
    pub(crate) fn handle_datagram(&mut self, datagram: &mut [u8], size: u16, now: Now) -> Held {
        match parse_header(datagram) {
            Ok(header) => {
                let (held, opened) = self.far.open(header, datagram, size, now);
                if opened {
                    self.driver.data_seen(header.key_id(), now);
                }
                held
            }
            Err(_) => {
                // What is dropped is sent again, or was not meant for us.
                if self.driver.handle_datagram(datagram, now).is_ok() {
                    self.far.last_heard = now.boot;
                }
                Held::Nothing
            }
        }
    }

    /// Seals a packet into the sink's room; false if it can't.
    pub(crate) fn seal(&mut self, packet: &[u8], sink: &mut impl DatagramSink, now: Now) -> bool {
        self.far.seal(packet, sink, now)
    }

    /// Does what is due. True if a keepalive left.
    pub(crate) fn handle_timeout(&mut self, now: Now, sink: &mut impl DatagramSink) -> bool {
        if self.driver.poll_timeout().is_some_and(|due| due.at <= now.boot) {
            self.driver.handle_timeout(now);
        }
        self.far.ping_if_due(now, sink)
    }

    /// Sends what the session has to say and tells what happened.
    pub(crate) fn drain(&mut self, now: Now) -> Option<Happened> {
        self.driver.drain(&mut self.far, || now);
        let happened = self.far.happened.take();
        if let Some(Happened::Ended(_)) = happened {
            return happened;
        }
        if std::mem::take(&mut self.far.over) {
            return Some(Happened::Ended(EndReason::PeerExit.code()));
        }
        if self.far.expiry().is_some_and(|at| at <= now.boot) {
            return Some(Happened::Ended("ping_timeout"));
        }
        happened
    }

    /// Says goodbye, in the data channel to a server that does not take it in the control channel.
    pub(crate) fn close(&mut self, now: Now, sink: &mut impl DatagramSink) {
        if !self.driver.negotiated().is_some_and(|negotiated| negotiated.exit_notify) {
            self.far.seal(&OCC_EXIT, sink, now);
        }
        self.driver.close(Close::Exit, now);
    }

    /// The next moment at which something is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let session = self.driver.poll_timeout().map(|deadline| deadline.at);
        [session, self.far.ping_due(), self.far.expiry()].into_iter().flatten().min()
    }
}

/// The server as the session reaches it: a socket, data keys, what was pushed.
struct Far {
    socket: UdpSocket,
    endpoint: Endpoint,
    header: Header,
    keys: Vec<Key>,
    sealing: Option<KeyId>,
    own: Option<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    ping: Option<Duration>,
    ping_restart: Option<Duration>,
    last_sent: Duration,
    last_heard: Duration,
    up: bool,
    over: bool,
    /// What the run has to know of since the last time that it asked.
    happened: Option<Happened>,
}

struct Key {
    id: KeyId,
    seal: SealKey,
    open: OpenKey,
}

impl Surroundings for Far {
    fn send(&mut self, packets: Vec<Vec<u8>>) {
        for datagram in packets {
            // What the kernel refuses is sent again when its acknowledgement does not come.
            let _ = self.socket.send(transmit(self.endpoint.remote, &datagram, 0));
        }
    }

    fn change_keys(&mut self, change: KeyChange) {
        match change {
            KeyChange::Install(key) => self.install(&key),
            KeyChange::SealWith(id) => self.sealing = Some(id),
            KeyChange::Forget(id) => self.keys.retain(|key| key.id != id),
        }
    }

    fn happened(&mut self, what: engine::Happened, _: &mut Session) {
        match what {
            engine::Happened::Pushed(reply) => self.set_up(&reply),
            engine::Happened::Established => {
                self.up = true;
                self.happened = Some(Happened::Connected);
            }
            engine::Happened::Ended(reason) => {
                self.happened = Some(Happened::Ended(reason.code()));
            }
            engine::Happened::Admission(_) | engine::Happened::Renegotiated => {}
        }
    }
}

impl Far {
    /// What a data packet held, and whether it was authentic.
    fn open(
        &mut self,
        header: DataHeader,
        datagram: &mut [u8],
        size: u16,
        now: Now,
    ) -> (Held, bool) {
        let unopened = (Held::Nothing, false);
        let id = header.key_id();
        let Some(key) = self.keys.iter_mut().find(|key| key.id == id) else { return unopened };
        let Ok(opened) = key.open.open(header, datagram) else { return unopened };
        self.last_heard = now.boot;
        let held = match Payload::classify(opened.plaintext) {
            Payload::Ping => Held::Ping,
            Payload::Occ(Occ::Exit) => {
                self.over = true;
                Held::Nothing
            }
            Payload::Occ(_) => Held::Nothing,
            Payload::Packet if client::echo::is_answer(opened.plaintext, size) => Held::Answer,
            Payload::Packet => Held::Nothing,
        };
        (held, true)
    }

    fn seal(&mut self, packet: &[u8], sink: &mut impl DatagramSink, now: Now) -> bool {
        let Some(key) = self.keys.iter_mut().find(|key| Some(key.id) == self.sealing) else {
            return false;
        };
        let header = self.header.with_key(key.id);
        let len = SealKey::sealed_len(header, packet.len());
        let Some(room) = sink.room(&self.endpoint, len) else { return false };
        if key.seal.seal(header, packet, room).is_err() {
            return false;
        }
        sink.commit();
        self.last_sent = now.boot;
        true
    }

    fn ping_if_due(&mut self, now: Now, sink: &mut impl DatagramSink) -> bool {
        if self.ping_due().is_none_or(|at| at > now.boot) {
            return false;
        }
        // Whether or not it leaves: the next one is due a period later, not at once.
        self.last_sent = now.boot;
        self.seal(&PING, sink, now)
    }

    fn set_up(&mut self, reply: &PushReply) {
        for option in &reply.options {
            match *option {
                PushOption::PeerId(id) => self.header = Header::V2(id),
                PushOption::Ping(seconds) => self.ping = interval(seconds),
                PushOption::PingRestart(seconds) => self.ping_restart = interval(seconds),
                PushOption::Ifconfig { local, .. } => self.own = Some(local),
                PushOption::RouteGateway(gateway) => self.gateway = gateway,
                _ => {}
            }
        }
    }

    fn install(&mut self, key: &NewKey) {
        self.keys.retain(|held| held.id != key.key_id);
        // Material of a length that does not fit the cipher is ruled out by its type.
        if let Some((seal, open)) = DataKeys::derive(key.cipher, &key.material, key.role) {
            self.keys.push(Key { id: key.key_id, seal, open });
        }
    }

    fn ping_due(&self) -> Option<Duration> {
        self.ping.filter(|_| self.sealing.is_some()).map(|ping| self.last_sent + ping)
    }

    fn expiry(&self) -> Option<Duration> {
        self.ping_restart.filter(|_| self.up).map(|silence| self.last_heard + silence)
    }
}

/// A datagram on a connected socket.
pub(crate) fn transmit(remote: SocketAddr, payload: &[u8], segment: usize) -> Transmit<'_> {
    Transmit { payload, remote, local: None, ifindex: 0, segment }
}

/// Zero turns a timer off.
fn interval(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
