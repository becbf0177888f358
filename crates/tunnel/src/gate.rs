//! The stateless door of a server: nothing is kept for a stranger.
//!
//! A reset is answered with a session id that is a cookie; the packet that brings it back makes a
//! session. What memory there is has a fixed size: answered resets, spent cookies, token buckets.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use wire::control::{Acks, ControlPacket};
use wire::stranger::StrangerCheck;
use wire::tls_auth::ReplayStamp;
use wire::wrap::{ControlWrap, Unwrapped};
use wire::{KeyId, MessageId, Opcode, SessionId};

use crate::bloom::Seen;
use crate::config::GateSettings;
use crate::cookie::CookieJar;
use crate::dropped::DropReason;
use crate::entropy::{Entropy, Seed};
use crate::limit::Limiter;
use crate::wrapping;

/// The answer to one datagram of an unknown sender.
#[derive(Debug)]
pub enum Verdict {
    /// Say nothing.
    Drop(DropReason),
    /// Send this back, and keep nothing. At most 12 bytes longer than what came.
    Answer(Vec<u8>),
    /// The cookie came back: make a [`crate::Session`] and register it by remote address and client
    /// session id, so that this gate sees no further packet of it.
    Accept(Box<Accepted>),
}

/// The stateless door of a server.
pub struct Gate {
    check: StrangerCheck,
    cookies: CookieJar,
    limiter: Limiter,
    answered: Seen,
    spent: Seen,
    spent_turns: Duration,
}

impl Gate {
    /// A gate with its own secret. Cookies of another gate are worth nothing here.
    pub fn new(check: StrangerCheck, secret: Seed, settings: GateSettings) -> Self {
        let mut entropy = Entropy::new(&secret);
        let (per_second, at_once) = (settings.answers_per_second, settings.answers_at_once);
        Self {
            check,
            cookies: CookieJar::new(&entropy.array(), settings.hand_window),
            limiter: Limiter::new(&entropy.array(), per_second, at_once),
            answered: Seen::new(&entropy.array()),
            spent: Seen::new(&entropy.array()),
            spent_turns: Duration::ZERO,
        }
    }

    /// Judges a control packet whose remote address and session id belong to no session.
    pub fn handle(&mut self, remote: SocketAddr, unwrapped: Unwrapped, now: Now) -> Verdict {
        match self.judge(remote, unwrapped, now) {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Drop(reason),
        }
    }

    /// The same for a packet that a stream brought, which loses nothing: of a client's resets there the first one is
    /// answered. It repeats them while we are slow, two answers of one second have one stamp, and a stock client over
    /// TCP takes the second one for a replay and gives its connection up, which makes us no faster.
    pub fn handle_in_order(
        &mut self,
        remote: SocketAddr,
        unwrapped: Unwrapped,
        now: Now,
    ) -> Verdict {
        let packet = unwrapped.packet();
        let is_reset = packet.opcode == Opcode::CONTROL_HARD_RESET_CLIENT_V2;
        let of_stream = stream_fingerprint(remote, packet.session_id);
        if is_reset && self.answered.contains(&of_stream) {
            return Verdict::Drop(DropReason::AlreadyAnswered);
        }
        let verdict = self.handle(remote, unwrapped, now);
        if is_reset && matches!(verdict, Verdict::Answer(_)) {
            self.answered.insert(&of_stream);
        }
        verdict
    }

    /// The same for one that nobody has checked before.
    pub fn handle_datagram(&mut self, remote: SocketAddr, datagram: &[u8], now: Now) -> Verdict {
        match self.check.open(datagram) {
            Ok(unwrapped) => self.handle(remote, unwrapped, now),
            Err(error) => Verdict::Drop(wrapping::refused(error)),
        }
    }

    fn judge(
        &mut self,
        remote: SocketAddr,
        unwrapped: Unwrapped,
        now: Now,
    ) -> Result<Verdict, DropReason> {
        let (stamp, packet) = unwrapped.into_parts();
        match packet.opcode {
            Opcode::CONTROL_HARD_RESET_CLIENT_V2 => self.answer(remote, stamp, &packet, now),
            Opcode::CONTROL_V1 | Opcode::ACK_V1 => self.accept(remote, stamp, packet, now),
            _ => Err(DropReason::UnexpectedOpcode),
        }
    }

    fn answer(
        &mut self,
        remote: SocketAddr,
        stamp: Option<ReplayStamp>,
        packet: &ControlPacket,
        now: Now,
    ) -> Result<Verdict, DropReason> {
        if packet.message_id != Some(MessageId::FIRST) {
            return Err(DropReason::BadMessageId);
        }
        let fingerprint = stamp.map(|stamp| reset_fingerprint(packet.session_id, stamp));
        if fingerprint.is_some_and(|fingerprint| self.answered.contains(&fingerprint)) {
            return Err(DropReason::AlreadyAnswered);
        }
        if !self.limiter.allows(remote.ip(), now.boot) {
            return Err(DropReason::RateLimited);
        }
        if let Some(fingerprint) = fingerprint {
            self.answered.insert(&fingerprint);
        }
        let cookie = self.cookies.bake(remote, packet.session_id, now.boot);
        let reset = server_reset(cookie, packet.session_id);
        Ok(Verdict::Answer(self.check.seal(ReplayStamp::first(now.unix_secs()), &reset)))
    }

    fn accept(
        &mut self,
        remote: SocketAddr,
        stamp: Option<ReplayStamp>,
        packet: ControlPacket,
        now: Now,
    ) -> Result<Verdict, DropReason> {
        let cookie = third_packet(&packet)?;
        if !self.cookies.accepts(cookie, remote, packet.session_id, now.boot) {
            return Err(DropReason::WrongCookie);
        }
        self.spend(cookie, packet.session_id, now.boot)?;
        self.limiter.prove(remote.ip(), now.boot);
        Ok(Verdict::Accept(Box::new(Accepted {
            remote,
            session_id: cookie,
            wrap: self.check.session_wrap(),
            stamp,
            packet,
        })))
    }

    /// A captured third packet stays valid for as long as its cookie, also after its session ended.
    fn spend(
        &mut self,
        cookie: SessionId,
        client: SessionId,
        boot: Duration,
    ) -> Result<(), DropReason> {
        if boot.saturating_sub(self.spent_turns) > self.cookies.lifetime() {
            self.spent_turns = boot;
            self.spent.turn();
        }
        let mut item = [0; 2 * SessionId::LEN];
        let (first, second) = item.split_at_mut(SessionId::LEN);
        first.copy_from_slice(cookie.as_bytes());
        second.copy_from_slice(client.as_bytes());
        if self.spent.contains(&item) {
            return Err(DropReason::CookieSpent);
        }
        self.spent.insert(&item);
        Ok(())
    }
}

/// A stranger whose cookie came back. Only the gate makes one.
#[derive(Debug)]
pub struct Accepted {
    pub(crate) remote: SocketAddr,
    pub(crate) session_id: SessionId,
    pub(crate) wrap: Arc<ControlWrap>,
    pub(crate) stamp: Option<ReplayStamp>,
    pub(crate) packet: ControlPacket,
}

impl Accepted {
    /// Where it comes from.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The packet that brought the cookie back.
    pub fn packet(&self) -> &ControlPacket {
        &self.packet
    }

    /// Its stamp; a plain packet has none.
    pub fn stamp(&self) -> Option<ReplayStamp> {
        self.stamp
    }

    /// The server's session id, which is the cookie.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The client's session id. With the remote address it names the session from here on.
    pub fn client_session_id(&self) -> SessionId {
        self.packet.session_id
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// The checks of a third packet that need no secret; gives what the packet says is our session id.
fn third_packet(packet: &ControlPacket) -> Result<SessionId, DropReason> {
    let cookie = packet.acked_session.ok_or(DropReason::NoCookie)?;
    if packet.key_id != KeyId::FIRST {
        return Err(DropReason::KeyIdOutOfSync);
    }
    // A later packet of a session that moved to this address must not begin one here.
    if packet.acks.iter().any(|id| id.0 > 1) || packet.message_id.is_some_and(|id| id.0 > 1) {
        return Err(DropReason::BadMessageId);
    }
    if packet.opcode == Opcode::CONTROL_V1 && packet.message_id == Some(MessageId::FIRST) {
        return Err(DropReason::BadMessageId);
    }
    Ok(cookie)
}

fn server_reset(cookie: SessionId, client: SessionId) -> ControlPacket {
    let acks = Acks::from_iter([MessageId::FIRST]);
    let opcode = Opcode::CONTROL_HARD_RESET_SERVER_V2;
    ControlPacket::message(opcode, KeyId::FIRST, cookie, MessageId::FIRST, Vec::new())
        .with_acks(acks, client)
}

/// What is one for all resets of a client over one stream.
fn stream_fingerprint(remote: SocketAddr, client: SessionId) -> [u8; 26] {
    let mut bytes = [0; 26];
    let (session, address) = bytes.split_at_mut(SessionId::LEN);
    let (ip, port) = address.split_at_mut(16);
    session.copy_from_slice(client.as_bytes());
    ip.copy_from_slice(&match remote.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    });
    port.copy_from_slice(&remote.port().to_be_bytes());
    bytes
}

/// A repetition by the client has another stamp; the same stamp is a replay.
fn reset_fingerprint(client: SessionId, stamp: ReplayStamp) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (session, rest) = bytes.split_at_mut(SessionId::LEN);
    let (id, time) = rest.split_at_mut(4);
    session.copy_from_slice(client.as_bytes());
    id.copy_from_slice(&stamp.id.to_be_bytes());
    time.copy_from_slice(&stamp.time.to_be_bytes());
    bytes
}
