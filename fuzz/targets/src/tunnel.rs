//! The gate and the sessions of `tunnel` against a peer that sends any bytes.
//!
//! The peers here have the right control-channel key: behind tls-auth it is everybody whom the key was
//! given to, so being sealed proves nothing. A script is a list of chunks, each with an octet that says
//! what to do and two octets of length.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::tunnel::{
    ClientConfig, Close, Event, Gate, GateSettings, Grant, Refusal, ServerConfig, Session,
    SessionState, Timing, Verdict,
};
use clock::Now;
use testkit::Authority;
use wire::cipher::Cipher;
use wire::control::{Acks, ControlPacket};
use wire::fuzzing::Target;
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, PeerId, SessionId};
use zeroize::Zeroizing;

use crate::peer::Peer;

pub(crate) const TARGETS: [(&str, Target); 6] = [
    ("gate", gate),
    ("server", server),
    ("client", client),
    ("server_messages", server_messages),
    ("client_messages", client_messages),
    ("state", state),
];

/// Datagrams of unknown senders, as they are and sealed anew; an answer is at most 12 bytes longer.
fn gate(bytes: &[u8]) {
    let mut gate = new_gate();
    let mut now = START;
    for (number, (what, chunk)) in chunks(bytes).enumerate() {
        let datagram = match what & 3 {
            0 | 1 => reseal(stamp(number), chunk, None).unwrap_or_else(|| chunk.to_vec()),
            2 => chunk.to_vec(),
            _ => {
                now = now.after(Duration::from_secs(u64::from(what)));
                continue;
            }
        };
        if let Verdict::Answer(answer) = gate.handle_datagram(remote(what), &datagram, now) {
            assert!(answer.len() <= datagram.len() + 12, "an amplifier");
        }
    }
}

/// A server's session whose client sends any packets, in its name or not.
fn server(bytes: &[u8]) {
    let accepted = accepted();
    let (ours, theirs) = (accepted.session_id(), accepted.client_session_id());
    let session = Session::server(Arc::clone(&CONFIGS.0), accepted, [2; 32], START);
    run(session, theirs, ours, bytes);
}

/// A client's session whose server sends any packets.
fn client(bytes: &[u8]) {
    let mut session = Session::client(Arc::clone(&CONFIGS.1), [3; 32], START);
    let (ours, theirs) = (session.id(), sid(7));
    let reset = Opcode::CONTROL_HARD_RESET_SERVER_V2;
    let reset = ControlPacket::message(reset, KeyId::FIRST, theirs, MessageId::FIRST, Vec::new())
        .with_acks(Acks::from_iter([MessageId::FIRST]), ours);
    while session.poll_transmit(START).is_some() {}
    let taken = session.handle_datagram(&WRAPS.0.seal(stamp(0), &reset), START);
    assert_eq!(taken, Ok(()));
    run(session, theirs, ours, bytes);
}

/// A server's session after a whole TLS handshake: chunks are what the client says inside.
fn server_messages(bytes: &[u8]) {
    let accepted = accepted();
    let (ours, theirs) = (accepted.session_id(), accepted.client_session_id());
    let session = Session::server(Arc::clone(&CONFIGS.0), accepted, [2; 32], START);
    let peer = Peer::client(&CONFIGS.1.tls, &WRAPS.1, theirs, ours);
    talk(session, peer, bytes);
}

/// A client's session after a whole TLS handshake: chunks are what the server says inside.
fn client_messages(bytes: &[u8]) {
    let session = Session::client(Arc::clone(&CONFIGS.1), [3; 32], START);
    let peer = Peer::server(&CONFIGS.0.tls.present(), &WRAPS.0, sid(7), session.id());
    talk(session, peer, bytes);
}

/// A saved session; what is read is written the same, and comes to life.
fn state(bytes: &[u8]) {
    let Ok(state) = SessionState::decode(bytes) else { return };
    let again = state.encode();
    let again = SessionState::decode(&again).expect("a written state is read");
    assert_eq!(again.encode(), state.encode());
    let session = match state.role() {
        ::tunnel::Role::TlsServer => {
            Session::restore_server(Arc::clone(&CONFIGS.0), state, [4; 32], START)
        }
        ::tunnel::Role::TlsClient => {
            Session::restore_client(Arc::clone(&CONFIGS.1), state, [4; 32], START)
        }
    };
    let (ours, theirs) = (session.id(), session.peer_session_id().unwrap_or_else(|| sid(7)));
    run(session, theirs, ours, &bytes[bytes.len() / 2..]);
}

/// Feeds packets: as they are, sealed anew, or in the peer's name as well.
fn run(mut session: Session, theirs: SessionId, ours: SessionId, bytes: &[u8]) {
    let wrap = if session.role() == ::tunnel::Role::TlsServer { &WRAPS.1 } else { &WRAPS.0 };
    let mut now = START;
    for (number, (what, chunk)) in chunks(bytes).enumerate() {
        let stamp = stamp(number + 2);
        match what & 7 {
            0..=3 => {
                let names = Some((theirs, ours));
                if let Some(datagram) = reseal_by(wrap, stamp, chunk, names) {
                    let _ = session.handle_datagram(&datagram, now);
                }
            }
            4 => {
                if let Some(datagram) = reseal_by(wrap, stamp, chunk, None) {
                    let _ = session.handle_datagram(&datagram, now);
                }
            }
            5 => drop(session.handle_datagram(chunk, now)),
            _ => nudge(&mut session, what, &mut now),
        }
        drain(&mut session, now, |_| {});
    }
    let saved = session.save().encode();
    assert!(SessionState::decode(&saved).is_ok());
}

/// Lets a peer finish TLS, then say each chunk as one record.
fn talk(mut session: Session, mut peer: Peer, bytes: &[u8]) {
    let mut now = START;
    exchange(&mut session, &mut peer, now);
    for (what, chunk) in chunks(bytes) {
        match what & 7 {
            0..=5 => peer.say(chunk),
            _ => nudge(&mut session, what, &mut now),
        }
        exchange(&mut session, &mut peer, now);
    }
    let saved = session.save().encode();
    assert!(SessionState::decode(&saved).is_ok());
}

/// Carries packets both ways until nobody has any more.
fn exchange(session: &mut Session, peer: &mut Peer, now: Now) {
    for _ in 0..64 {
        let mut to_peer = Vec::new();
        drain(session, now, |datagram| to_peer.push(datagram));
        to_peer.iter().for_each(|datagram| peer.take(datagram));
        let to_session = peer.packets();
        if to_peer.is_empty() && to_session.is_empty() {
            return;
        }
        for datagram in to_session {
            let _ = session.handle_datagram(&datagram, now);
        }
    }
}

/// What the driver may do at any time.
fn nudge(session: &mut Session, what: u8, now: &mut Now) {
    match what >> 3 & 7 {
        0 => drop(session.renegotiate(*now)),
        1 => drop(session.close(Close::Exit, *now)),
        2 => session.data_seen(KeyId::FIRST, *now),
        3 => drop(session.key_installed(KeyId::FIRST, *now)),
        more => {
            *now = now.after(Duration::from_secs(1 << (2 * (more - 4))));
            session.handle_timeout(*now);
        }
    }
}

/// Takes what waits, answers events, and holds the session to its bounds.
fn drain(session: &mut Session, now: Now, mut sent: impl FnMut(Vec<u8>)) {
    for _ in 0..64 {
        let mut idle = true;
        while let Some(datagram) = session.poll_transmit(now) {
            assert!(datagram.len() <= 1250, "a datagram of {} bytes", datagram.len());
            sent(datagram);
            idle = false;
        }
        while let Some(event) = session.poll_event() {
            answer(session, event, now);
            idle = false;
        }
        if idle {
            return;
        }
    }
    panic!("the session never falls silent");
}

/// The session may have gone on, or be over, behind the event.
fn answer(session: &mut Session, event: Event, now: Now) {
    match event {
        Event::Admission(hello) if hello.username == "mallory" => {
            let close = Close::AuthFailed(hello.username);
            let refusal = Refusal { code: "refused", close };
            let _may_be_late = session.refuse(refusal, now);
        }
        Event::Admission(_) => {
            let peer_id = PeerId::new(5).expect("a small number");
            let (push, ciphers) = (Vec::new(), Vec::new());
            let grant = Grant { push, peer_id, ciphers, not_after: None };
            let _may_be_late = session.admit(grant, now);
        }
        Event::KeyReady(key) => drop(session.key_installed(key.key_id, now)),
        _ => {}
    }
}

fn new_gate() -> Gate {
    Gate::new(StrangerCheck::shared(Arc::clone(&WRAPS.0)), [1; 32], GateSettings::default())
}

/// A stranger who brought its cookie back.
fn accepted() -> ::tunnel::Accepted {
    let (mut gate, client) = (new_gate(), sid(8));
    let reset = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
    let reset = ControlPacket::message(reset, KeyId::FIRST, client, MessageId::FIRST, Vec::new());
    let answer = match gate.handle_datagram(remote(0), &WRAPS.1.seal(stamp(0), &reset), START) {
        Verdict::Answer(answer) => WRAPS.1.open(&answer).expect("the keys fit").into_parts().1,
        other => panic!("a reset is answered: {other:?}"),
    };
    let acks = Acks::from_iter([MessageId::FIRST]);
    let third = ControlPacket::ack(KeyId::FIRST, client, acks, answer.session_id);
    match gate.handle_datagram(remote(0), &WRAPS.1.seal(stamp(1), &third), START) {
        Verdict::Accept(accepted) => *accepted,
        other => panic!("the cookie is ours: {other:?}"),
    }
}

/// What it says, and what follows: an octet, a length in two octets, as many octets.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([what, high, low], rest) = bytes.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (chunk, rest) = rest.split_at(len);
        bytes = rest;
        Some((*what, chunk))
    })
}

fn reseal(
    stamp: ReplayStamp,
    body: &[u8],
    names: Option<(SessionId, SessionId)>,
) -> Option<Vec<u8>> {
    reseal_by(&WRAPS.1, stamp, body, names)
}

/// Wraps an unwrapped packet, in the names of a sender and a receiver if given.
fn reseal_by(
    wrap: &ControlWrap,
    stamp: ReplayStamp,
    body: &[u8],
    names: Option<(SessionId, SessionId)>,
) -> Option<Vec<u8>> {
    let mut packet = ControlPacket::parse(body).ok()?;
    if let Some((sender, receiver)) = names {
        packet.session_id = sender;
        packet.acked_session = packet.acked_session.map(|_| receiver);
    }
    Some(wrap.seal(stamp, &packet))
}

fn stamp(number: usize) -> ReplayStamp {
    ReplayStamp { id: number as u32 + 1, time: START.wall.as_secs() as u32 }
}

fn remote(number: u8) -> std::net::SocketAddr {
    ([192, 0, 2, number >> 2], 1194).into()
}

fn sid(byte: u8) -> SessionId {
    SessionId::new([byte; 8]).expect("not zero")
}

const START: Now =
    Now { boot: Duration::from_secs(1_000), wall: Duration::from_secs(1_800_000_000) };

/// The server's and the client's.
static WRAPS: LazyLock<(Arc<ControlWrap>, Arc<ControlWrap>)> = LazyLock::new(|| {
    let key = StaticKey::from_bytes(&[7; 256]);
    let wrap = |direction| {
        Arc::new(ControlWrap::TlsAuth(Box::new(TlsAuth::new(&key, direction, AuthDigest::Sha256))))
    };
    (wrap(KeyDirection::Normal), wrap(KeyDirection::Inverse))
});

static CONFIGS: LazyLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = LazyLock::new(|| {
    let authority = Authority::new("fuzz");
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let mut server = authority.server_config(authority.server(), &versions);
    let mut client = authority.client_config(Some(authority.client("device")), &versions);
    ::tunnel::prepare_server(&mut server);
    ::tunnel::prepare_client(&mut client);
    let server = ServerConfig {
        tls: Arc::new(server).into(),
        check: StrangerCheck::shared(Arc::clone(&WRAPS.0)),
        timing: Timing::default(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: "V4,dev-type tun,key-method 2,tls-server".to_owned(),
    };
    let client = ClientConfig {
        tls: Arc::new(client),
        wrap: Arc::clone(&WRAPS.1),
        timing: Timing::default(),
        ciphers: Cipher::DEFAULT.to_vec(),
        options: "V4,dev-type tun,key-method 2,tls-client".to_owned(),
        username: String::new(),
        password: Zeroizing::default(),
        version: "0.1.0".to_owned(),
        platform: "linux".to_owned(),
        peer_info: Vec::new(),
    };
    (Arc::new(server), Arc::new(client))
});
