//! Somebody on the line between one client and the gateway, who has the tls-auth key: sees every datagram, passes
//! them on or not, and sends some of his own from the client's address, or copies from elsewhere.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use interop::wait_until;
use sysio::lab::Host;
use wire::control::{Acks, ControlPacket};
use wire::data::parse_header;

use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::{AuthDigest, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, SessionId};

/// See the module's text. Over when it is dropped.
pub(crate) struct Line {
    gateway: SocketAddr,
    /// The gateway sees the client at this one's address.
    far: UdpSocket,
    state: Arc<State>,
}

struct State {
    key: TlsKey,
    over: AtomicBool,
    /// Control packets go no further, in both directions.
    mutes: AtomicBool,
    /// Messages of a key, from this one on, go no further.
    withheld: Mutex<Option<(KeyId, MessageId)>>,
    /// The client's control packets.
    control: Mutex<Vec<Vec<u8>>>,
    /// Its data packets of late.
    data: Mutex<Vec<Vec<u8>>>,
    copies: Mutex<Option<Copies>>,
}

impl State {
    fn of(profile: &str) -> Self {
        Self {
            key: TlsKey::of(profile),
            over: AtomicBool::default(),
            mutes: AtomicBool::default(),
            withheld: Mutex::default(),
            control: Mutex::default(),
            data: Mutex::default(),
            copies: Mutex::default(),
        }
    }

    fn withholds(&self, datagram: &[u8]) -> bool {
        let Some((key_id, from)) = *lock(&self.withheld) else { return false };
        let packet = self.key.open(datagram).1;
        packet.key_id == key_id && packet.message_id >= Some(from)
    }
}

/// Copies of the client's data packets that come from elsewhere, before the packets themselves do.
struct Copies {
    from: UdpSocket,
    every: Duration,
    next: Instant,
}

impl Line {
    /// Listens on port 1194 of `host`, for the owner of a profile with this text.
    pub(crate) fn start(host: &Host, gateway: SocketAddr, profile: &str) -> Self {
        let sockets = host.netns.run(|| -> io::Result<_> {
            Ok((UdpSocket::bind("0.0.0.0:1194")?, UdpSocket::bind("0.0.0.0:0")?))
        });
        let (near, far) = sockets.expect("in the namespace").expect("sockets");
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        }
        let state = Arc::new(State::of(profile));
        let client = Arc::new(Mutex::new(None));
        let [near_too, far_too] = [&near, &far].map(|socket| socket.try_clone().expect("a socket"));
        let (seen, from) = (Arc::clone(&state), Arc::clone(&client));
        std::thread::spawn(move || upward(&near_too, &far_too, gateway, &seen, &from));
        let (seen, far_too) = (Arc::clone(&state), far.try_clone().expect("a socket"));
        std::thread::spawn(move || downward(&near, &far_too, &seen, &client));
        Self { gateway, far, state }
    }

    /// Lets no control packet pass from here on.
    pub(crate) fn mute(&self) {
        self.state.mutes.store(true, Ordering::Relaxed);
    }

    /// Copies a data packet so often, from a socket elsewhere.
    pub(crate) fn copy(&self, from: UdpSocket, every: Duration) {
        *lock(&self.state.copies) = Some(Copies { from, every, next: Instant::now() });
    }

    /// Stops copying; and the data packets that the client sent of late.
    pub(crate) fn recorded(&self) -> Vec<Vec<u8>> {
        *lock(&self.state.copies) = None;
        lock(&self.state.data).clone()
    }

    /// Sends what looks like the client's.
    pub(crate) fn spoof(&self, datagram: &[u8]) {
        // A full queue of ours counts as sent.
        let _ = self.far.send_to(datagram, self.gateway);
    }

    /// Begins a renewal in the client's name, of which the client hears by the gateway's answer, and spoils it.
    pub(crate) fn take_over(&self, forger: &mut Forger, how: TakenOver) {
        let key_id = forger.key_id.next();
        match how {
            TakenOver::ByAHello => {
                self.spoof(&forger.soft_reset(key_id));
                let hello = self.message_of_client(KeyId::FIRST, MessageId(1));
                let hello = hello.expect("the client has said hello").payload;
                self.spoof(&forger.message(Opcode::CONTROL_V1, key_id, MessageId(1), hello));
            }
            TakenOver::AfterTheHello => {
                self.withhold(Some((key_id, MessageId(2))));
                self.spoof(&forger.soft_reset(key_id));
                let said = || self.message_of_client(key_id, MessageId(1)).is_some();
                assert!(wait_until(Duration::from_secs(5), said), "the client renews");
                // The hello goes before.
                sleep(Duration::from_millis(50));
                // Its stamps have gone on meanwhile.
                self.spoof(&self.forger().garbage(key_id, MessageId(2)));
                sleep(Duration::from_millis(50));
                self.withhold(None);
            }
        }
    }

    /// Lets no message of this key pass from this one on.
    fn withhold(&self, from: Option<(KeyId, MessageId)>) {
        *lock(&self.state.withheld) = from;
    }

    fn message_of_client(&self, key_id: KeyId, id: MessageId) -> Option<ControlPacket> {
        let control = lock(&self.state.control);
        let mut opened = control.iter().map(|datagram| self.state.key.open(datagram).1);
        opened.find(|packet| packet.key_id == key_id && packet.message_id == Some(id))
    }

    /// What the client's next control packet could look like.
    pub(crate) fn forger(&self) -> Forger {
        let opened: Vec<_> = lock(&self.state.control)
            .iter()
            .map(|datagram| self.state.key.open(datagram))
            .collect();
        let (stamp, packet) = opened.last().expect("the client has spoken").clone();
        let key_id = opened.iter().map(|(_, packet)| packet.key_id).next_back();
        let key_id = key_id.expect("the client has spoken");
        let of_it = opened.iter().filter(|(_, packet)| packet.key_id == key_id);
        let next = of_it.filter_map(|(_, packet)| packet.message_id).map(|id| id.0 + 1).max();
        let gateway = opened.iter().filter_map(|(_, packet)| packet.acked_session).next_back();
        Forger {
            wrap: self.state.key.seals(),
            stamp,
            session: packet.session_id,
            gateway: gateway.expect("the gateway was acknowledged"),
            key_id,
            next: MessageId(next.expect("messages")),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

/// What goes into TLS in the client's place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TakenOver {
    /// A hello, before the client's own.
    ByAHello,
    /// Bytes that are no TLS, behind the client's hello and before what it says next.
    AfterTheHello,
}

/// Makes packets that are the client's as far as the tls-auth key says.
pub(crate) struct Forger {
    wrap: ControlWrap,
    stamp: ReplayStamp,
    session: SessionId,
    gateway: SessionId,
    pub(crate) key_id: KeyId,
    /// The client's next message of this key.
    pub(crate) next: MessageId,
}

impl Forger {
    /// Bytes that are no TLS, as a message.
    pub(crate) fn garbage(&mut self, key_id: KeyId, message_id: MessageId) -> Vec<u8> {
        self.message(Opcode::CONTROL_V1, key_id, message_id, vec![0x55; 60])
    }

    /// The beginning of a renegotiation, with nothing behind it.
    pub(crate) fn soft_reset(&mut self, key_id: KeyId) -> Vec<u8> {
        self.message(Opcode::CONTROL_SOFT_RESET_V1, key_id, MessageId::FIRST, Vec::new())
    }

    /// An acknowledgement whose stamp is so many seconds ahead of the clock.
    pub(crate) fn stamped_ahead(&self, seconds: u64) -> Vec<u8> {
        let acks = Acks::from_iter([MessageId::FIRST]);
        let ack = ControlPacket::ack(self.key_id, self.session, acks, self.gateway);
        self.wrap.seal(ReplayStamp::first(unix_seconds() + seconds), &ack)
    }

    fn message(
        &mut self,
        opcode: Opcode,
        key_id: KeyId,
        id: MessageId,
        payload: Vec<u8>,
    ) -> Vec<u8> {
        self.stamp = self.stamp.next();
        let packet = ControlPacket::message(opcode, key_id, self.session, id, payload);
        self.wrap.seal(self.stamp, &packet)
    }
}

/// The key that every profile holds.
pub(crate) struct TlsKey(StaticKey);

impl TlsKey {
    /// That of a profile.
    pub(crate) fn of(profile: &str) -> Self {
        let start = profile.find("<tls-auth>").expect("a key") + "<tls-auth>\n".len();
        let end = profile.find("</tls-auth>").expect("its end");
        Self(StaticKey::parse(&profile[start..end]).expect("a key"))
    }

    /// Seals as a client does.
    pub(crate) fn seals(&self) -> ControlWrap {
        self.wrap(KeyDirection::Inverse)
    }

    /// Opens what a gateway sealed.
    pub(crate) fn opens(&self) -> ControlWrap {
        self.wrap(KeyDirection::Inverse)
    }

    /// Opens what a client sealed.
    fn open(&self, datagram: &[u8]) -> (ReplayStamp, ControlPacket) {
        let opened = self.wrap(KeyDirection::Normal).open(datagram).expect("the client's");
        let (stamp, packet) = opened.into_parts();
        (stamp.expect("a stamp"), packet)
    }

    fn wrap(&self, direction: KeyDirection) -> ControlWrap {
        ControlWrap::TlsAuth(Box::new(TlsAuth::new(&self.0, direction, AuthDigest::Sha256)))
    }
}

/// The time as stamps have it.
pub(crate) fn unix_seconds() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

/// From the client to the gateway.
fn upward(
    near: &UdpSocket,
    far: &UdpSocket,
    gateway: SocketAddr,
    state: &State,
    client: &Mutex<Option<SocketAddr>>,
) {
    let mut buffer = [0; 2048];
    while !state.over.load(Ordering::Relaxed) {
        let Ok((length, from)) = near.recv_from(&mut buffer) else { continue };
        *lock(client) = Some(from);
        let datagram = &buffer[..length];
        if parse_header(datagram).is_ok() {
            let mut data = lock(&state.data);
            data.push(datagram.to_vec());
            let extra = data.len().saturating_sub(KEPT);
            data.drain(..extra);
            drop(data);
            copy_if_due(state, datagram, gateway);
        } else {
            lock(&state.control).push(datagram.to_vec());
            if state.mutes.load(Ordering::Relaxed) || state.withholds(datagram) {
                continue;
            }
        }
        let _ = far.send_to(datagram, gateway);
    }
}

fn copy_if_due(state: &State, datagram: &[u8], gateway: SocketAddr) {
    let mut copies = lock(&state.copies);
    let Some(copies) = copies.as_mut().filter(|copies| copies.next <= Instant::now()) else {
        return;
    };
    copies.next += copies.every;
    let _ = copies.from.send_to(datagram, gateway);
    // Elsewhere is nearer.
    sleep(Duration::from_millis(3));
}

/// From the gateway to the client.
fn downward(near: &UdpSocket, far: &UdpSocket, state: &State, client: &Mutex<Option<SocketAddr>>) {
    let mut buffer = [0; 2048];
    while !state.over.load(Ordering::Relaxed) {
        let Ok((length, _)) = far.recv_from(&mut buffer) else { continue };
        let datagram = &buffer[..length];
        let is_muted = state.mutes.load(Ordering::Relaxed) && parse_header(datagram).is_err();
        if let Some(client) = lock(client).filter(|_| !is_muted) {
            let _ = near.send_to(datagram, client);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Data packets that are remembered.
const KEPT: usize = 1_000;
