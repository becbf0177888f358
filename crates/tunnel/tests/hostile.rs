//! What strangers and captured packets get from gate and session: a typed drop and not one byte.

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use testkit::Random;
use tunnel::{DropReason, Gate, GateSettings, Progress, Timing, Verdict};
use wire::control::{Acks, ControlPacket};
use wire::static_key::{KeyDirection, StaticKey};
use wire::stranger::StrangerCheck;
use wire::tls_auth::{AuthDigest, ReplayStamp, TlsAuth};
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, SessionId};

use world::{START, Setup, Who, World, remote, wrap};

#[test]
fn an_answer_is_twelve_bytes_longer_and_its_cookie_makes_a_session() {
    let (mut gate, mut client) = (gate(), Client::new(1));
    let reset = client.seal(client.reset());
    let answer = client.knock(&mut gate, &reset, START).expect("an answer");
    assert_eq!(answer.len(), reset.len() + 12);
    let third = client.seal(client.third());
    let Verdict::Accept(accepted) = gate.handle_datagram(remote(), &third, START) else {
        panic!("not accepted")
    };
    assert_eq!(accepted.client_session_id(), client.id);
    assert_eq!(Some(accepted.session_id()), client.server);
}

#[test]
fn a_replayed_reset_is_answered_once_wherever_it_comes_from() {
    let (mut gate, mut client) = (gate(), Client::new(2));
    let reset = client.seal(client.reset());
    assert!(client.knock(&mut gate, &reset, START).is_some());
    for from in [remote(), address(9)] {
        assert_eq!(dropped(gate.handle_datagram(from, &reset, START)), DropReason::AlreadyAnswered);
    }
    let repeated = client.seal(client.reset());
    assert!(
        matches!(gate.handle_datagram(remote(), &repeated, START), Verdict::Answer(_)),
        "a retransmission has a new stamp"
    );
}

#[test]
fn a_reset_that_is_repeated_over_a_stream_is_answered_once() {
    let (mut gate, mut client) = (gate(), Client::new(2));
    let mut knock = |from, datagram: &[u8]| {
        let check = StrangerCheck::shared(wrap(KeyDirection::Normal));
        let unwrapped = check.open(datagram).expect("it is wrapped with the key");
        gate.handle_in_order(from, unwrapped, START)
    };
    let reset = client.seal(client.reset());
    assert!(matches!(knock(remote(), &reset), Verdict::Answer(_)));
    for _ in 0..3 {
        let repeated = client.seal(client.reset());
        assert_eq!(dropped(knock(remote(), &repeated)), DropReason::AlreadyAnswered);
    }
    let elsewhere = client.seal(client.reset());
    assert!(matches!(knock(address(9), &elsewhere), Verdict::Answer(_)), "over another stream");
    let replayed = client.seal(client.reset());
    assert!(matches!(knock(address(10), &replayed), Verdict::Answer(_)));
    assert_eq!(dropped(knock(address(11), &replayed)), DropReason::AlreadyAnswered);
}

#[test]
fn a_cookie_is_good_for_the_slot_and_the_two_that_follow() {
    for (seconds, good) in
        [(0, true), (59, true), (60, true), (89, true), (90, false), (1000, false)]
    {
        // 990 s is the first second of a slot.
        let baked = Now { boot: Duration::from_secs(990), ..START };
        let (mut gate, mut client) = (gate(), Client::new(3));
        let reset = client.seal(client.reset());
        client.knock(&mut gate, &reset, baked);
        let third = client.seal(client.third());
        let verdict =
            gate.handle_datagram(remote(), &third, baked.after(Duration::from_secs(seconds)));
        match good {
            true => assert!(matches!(verdict, Verdict::Accept(_)), "after {seconds} s"),
            false => assert_eq!(dropped(verdict), DropReason::WrongCookie, "after {seconds} s"),
        }
    }
}

#[test]
fn a_third_packet_has_to_be_just_right() {
    let (mut gate, mut client) = (gate(), Client::new(4));
    let reset = client.seal(client.reset());
    client.knock(&mut gate, &reset, START);
    let right = client.third();
    let other = SessionId::new([0x77; 8]).expect("not zero");
    let key_one = KeyId::FIRST.next();
    let acks = |id| Acks::from_iter([MessageId(id)]);
    let wrong = [
        (ControlPacket { acked_session: Some(other), ..right.clone() }, DropReason::WrongCookie),
        (ControlPacket { session_id: other, ..right.clone() }, DropReason::WrongCookie),
        (ControlPacket { acks: acks(5), ..right.clone() }, DropReason::BadMessageId),
        (
            ControlPacket { message_id: Some(MessageId(2)), ..right.clone() },
            DropReason::BadMessageId,
        ),
        (
            ControlPacket { message_id: Some(MessageId(0)), ..right.clone() },
            DropReason::BadMessageId,
        ),
        (ControlPacket { key_id: key_one, ..right.clone() }, DropReason::KeyIdOutOfSync),
        (
            ControlPacket { acks: Acks::new(), acked_session: None, ..right.clone() },
            DropReason::NoCookie,
        ),
        (
            ControlPacket { opcode: Opcode::CONTROL_HARD_RESET_SERVER_V2, ..right.clone() },
            DropReason::UnexpectedOpcode,
        ),
        (
            ControlPacket { opcode: Opcode::CONTROL_SOFT_RESET_V1, ..right.clone() },
            DropReason::UnexpectedOpcode,
        ),
    ];
    for (packet, reason) in wrong {
        let datagram = client.seal(packet.clone());
        assert_eq!(dropped(gate.handle_datagram(remote(), &datagram, START)), reason, "{packet:?}");
    }
    let datagram = client.seal(right.clone());
    assert_eq!(
        dropped(gate.handle_datagram(address(9), &datagram, START)),
        DropReason::WrongCookie
    );
    assert!(matches!(gate.handle_datagram(remote(), &datagram, START), Verdict::Accept(_)));
    assert_eq!(dropped(gate.handle_datagram(remote(), &datagram, START)), DropReason::CookieSpent);
}

#[test]
fn an_ack_alone_may_be_the_third_packet() {
    let (mut gate, mut client) = (gate(), Client::new(5));
    let reset = client.seal(client.reset());
    client.knock(&mut gate, &reset, START);
    let server = client.server.expect("answered");
    let ack = ControlPacket::ack(KeyId::FIRST, client.id, Acks::from_iter([MessageId(0)]), server);
    let datagram = client.seal(ack);
    assert!(matches!(gate.handle_datagram(remote(), &datagram, START), Verdict::Accept(_)));
}

#[test]
fn a_wrong_key_direction_or_digest_is_never_answered() {
    let mut gate = gate();
    let other = StaticKey::from_bytes(&[9; 256]);
    let ours = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
    for (key, direction, digest) in [
        (&other, KeyDirection::Inverse, AuthDigest::Sha256),
        (&ours, KeyDirection::Normal, AuthDigest::Sha256),
        (&ours, KeyDirection::Bidirectional, AuthDigest::Sha256),
        (&ours, KeyDirection::Inverse, AuthDigest::Sha1),
    ] {
        let client = Client::new(6);
        let wrap = ControlWrap::TlsAuth(Box::new(TlsAuth::new(key, direction, digest)));
        let datagram = wrap.seal(ReplayStamp::first(START.unix_secs()), &client.reset());
        assert_eq!(
            dropped(gate.handle_datagram(remote(), &datagram, START)),
            DropReason::WrongWrapping
        );
    }
}

#[test]
fn a_flood_of_resets_is_limited_by_prefix_and_not_for_the_proven() {
    let mut gate = gate();
    let mut answers = 0;
    for n in 0..2_000_u32 {
        let mut client = Client::new(1_000 + u64::from(n));
        let reset = client.seal(client.reset());
        answers += u32::from(matches!(
            gate.handle_datagram(address(1_000 + n as u16), &reset, START),
            Verdict::Answer(_)
        ));
    }
    assert_eq!(answers, 100, "one /24 has its burst and no more");
    let mut proven = Client::new(7);
    let elsewhere: SocketAddr = "198.51.100.1:5000".parse().expect("an address");
    let reset = proven.seal(proven.reset());
    let Verdict::Answer(answer) = gate.handle_datagram(elsewhere, &reset, START) else {
        panic!("another prefix")
    };
    proven.learn(&answer);
    let third = proven.seal(proven.third());
    assert!(matches!(gate.handle_datagram(elsewhere, &third, START), Verdict::Accept(_)));
    for n in 0..500 {
        let mut client = Client::new(50_000 + n);
        let reset = client.seal(client.reset());
        assert!(
            matches!(gate.handle_datagram(elsewhere, &reset, START), Verdict::Answer(_)),
            "{n}"
        );
    }
}

#[test]
fn random_truncated_and_damaged_packets_are_never_answered() {
    let (mut gate, mut client, mut random) = (gate(), Client::new(8), Random::new(8));
    let reset = client.seal(client.reset());
    for len in 0..reset.len() {
        assert!(matches!(gate.handle_datagram(remote(), &reset[..len], START), Verdict::Drop(_)));
    }
    for _ in 0..5_000 {
        let mut bad = reset.clone();
        let at = random.below(bad.len() as u64) as usize;
        bad[at] ^= 1 << random.below(8);
        assert!(matches!(gate.handle_datagram(remote(), &bad, START), Verdict::Drop(_)));
        let noise: Vec<u8> = (0..random.below(1500)).map(|_| random.bits() as u8).collect();
        assert!(matches!(gate.handle_datagram(remote(), &noise, START), Verdict::Drop(_)));
    }
}

#[test]
fn captured_packets_of_an_established_session_get_not_one_byte_back() {
    let mut world = World::new(Setup::fine(20));
    world.run_for(Duration::from_secs(3));
    world.renegotiate(Who::Client);
    world.run_for(Duration::from_secs(10));
    let captured = world.to_server.clone();
    assert!(captured.len() > 6, "{}", captured.len());
    world.drops.clear();
    let id = world.client.session.id();
    let now = world.now;
    for datagram in captured.iter().chain(captured.iter().rev()) {
        let server = world.servers.get_mut(&id).expect("a session");
        assert_eq!(server.session.handle_datagram(datagram, now), Err(DropReason::Replayed));
        assert!(server.session.poll_transmit(now).is_none());
        assert!(
            matches!(world.gate.handle_datagram(remote(), datagram, now), Verdict::Drop(_)),
            "at the gate"
        );
        assert!(
            matches!(world.gate.handle_datagram(address(9), datagram, now), Verdict::Drop(_)),
            "from elsewhere"
        );
    }
}

#[test]
fn a_plain_session_drops_what_is_not_from_its_peer() {
    let mut world = World::new(Setup { plain: true, ..Setup::fine(21) });
    world.run_for(Duration::from_secs(3));
    let id = world.client.session.id();
    let now = world.now;
    let server = world.servers.get_mut(&id).expect("a session");
    let other = SessionId::new([0x55; 8]).expect("not zero");
    let acks = Acks::from_iter([MessageId(0)]);
    let message = |opcode, key_id, session, message_id| {
        ControlPacket::message(opcode, key_id, session, MessageId(message_id), vec![0; 20])
    };
    let (first, next) = (KeyId::FIRST, KeyId::FIRST.next());
    for (packet, reason) in [
        (ControlPacket::ack(first, id, acks, other), DropReason::WrongAckedSession),
        (message(Opcode::CONTROL_V1, first, other, 9), DropReason::WrongSession),
        (message(Opcode::CONTROL_V1, first, id, 10_000), DropReason::BeyondWindow),
        (message(Opcode::CONTROL_V1, next, id, 1), DropReason::KeyIdOutOfSync),
        (message(Opcode::CONTROL_V1, first, id, 0), DropReason::BadMessageId),
        (message(Opcode::CONTROL_SOFT_RESET_V1, next, id, 1), DropReason::BadMessageId),
        (message(Opcode::CONTROL_HARD_RESET_SERVER_V2, first, id, 0), DropReason::UnexpectedOpcode),
        (
            message(Opcode::CONTROL_SOFT_RESET_V1, KeyId::new(6).expect("small"), id, 0),
            DropReason::KeyIdOutOfSync,
        ),
    ] {
        assert_eq!(
            server.session.handle_datagram(&packet.encode(), now),
            Err(reason),
            "{packet:?}"
        );
    }
    assert!(server.session.is_established());
    assert_eq!(server.session.handle_datagram(&[0x20; 3000], now), Err(DropReason::Malformed));
}

#[test]
fn tls_bytes_are_message_0_of_a_later_generation_whoever_began_it() {
    let hello = |id, key_id| {
        ControlPacket::message(Opcode::CONTROL_V1, key_id, id, MessageId(0), vec![22; 40]).encode()
    };
    for ours in [true, false] {
        let mut world = World::new(Setup { plain: true, ..Setup::fine(22) });
        world.run_for(Duration::from_secs(3));
        let (id, now, next) = (world.client.session.id(), world.now, KeyId::FIRST.next());
        let server = &mut world.servers.get_mut(&id).expect("a session").session;
        let first = server.handle_datagram(&hello(id, KeyId::FIRST), now);
        assert_eq!(first, Err(DropReason::BadMessageId));
        let early = server.handle_datagram(&hello(id, next), now);
        assert_eq!(early, Err(DropReason::BadMessageId));
        if ours {
            server.renegotiate(now).expect("it is up");
        } else {
            let opcode = Opcode::CONTROL_SOFT_RESET_V1;
            let reset = ControlPacket::message(opcode, next, id, MessageId(0), Vec::new());
            server.handle_datagram(&reset.encode(), now).expect("a renegotiation");
        }
        assert_eq!(server.handle_datagram(&hello(id, next), now), Ok(()), "ours: {ours}");
    }
}

#[test]
fn soft_resets_without_tls_behind_them_keep_no_session() {
    // Its first key seals for 100 s and four windows; where keys have no age, the windows count alone.
    for (renegotiate, kept) in [(100, 17), (0, 12)] {
        let timing = Timing {
            hand_window: Duration::from_secs(60),
            renegotiate: Duration::from_secs(renegotiate),
            ..Timing::default()
        };
        let mut world = World::new(Setup { plain: true, timing, ..Setup::fine(24) });
        world.run_for(Duration::from_secs(3));
        world.cut_the_line();
        let (id, mut key_id, mut resets) = (world.client.session.id(), KeyId::FIRST, 0);
        while world.server().expect("a session").end.is_none() {
            key_id = key_id.next();
            let opcode = Opcode::CONTROL_SOFT_RESET_V1;
            let reset = ControlPacket::message(opcode, key_id, id, MessageId(0), Vec::new());
            world.deliver_to_server(&reset.encode());
            world.run_for(Duration::from_secs(20));
            resets += 1;
            assert!(resets < 30, "it is kept");
        }
        let end = world.server().expect("a session").end.as_ref().expect("ended").code();
        assert_eq!((end, resets), ("renegotiation_timeout", kept), "keys of {renegotiate} s");
    }
}

#[test]
fn forged_tls_bytes_end_a_generation_and_not_its_session() {
    for (millis, renegotiating) in [(0, false), (0, true), (15, true), (30, true), (50, true)] {
        let mut setup = Setup { plain: true, ..Setup::fine(25 + millis) };
        setup.weather.delay = Duration::from_millis(10);
        let mut world = World::new(setup);
        world.run_for(Duration::from_secs(3));
        let (id, mut key_id) = (world.client.session.id(), KeyId::FIRST);
        if renegotiating {
            world.renegotiate(Who::Client);
            key_id = key_id.next();
        }
        world.run_for(Duration::from_millis(millis));
        for number in 1..10 {
            let message = MessageId(number);
            let forged =
                ControlPacket::message(Opcode::CONTROL_V1, key_id, id, message, vec![0x55; 60]);
            world.deliver_to_server(&forged.encode());
        }
        for _ in 0..15 {
            world.run_for(Duration::from_secs(1));
            world.exchange_data();
        }
        world.run_for(Duration::from_secs(1));
        let at = format!("{millis} ms into a renegotiation: {renegotiating}");
        for party in [&world.client, world.server().expect("a session")] {
            assert!(party.end.is_none(), "{at}: {:?}", party.end);
            assert_eq!(party.session.progress(), Progress::Complete, "{at}");
            assert!(!party.renegotiated.is_empty(), "{at}");
        }
        assert_eq!((world.data_sent, world.data_opened), (30, 30), "{at}");
    }
}

/// A renegotiation that the client never began, in TLS 1.2: there a certificate comes in the clear, and that
/// there is none is seen before anybody has proved to be the peer.
#[test]
fn a_forged_handshake_without_a_certificate_ends_no_session() {
    let mut world = World::new(Setup { plain: true, tls12: true, ..Setup::fine(31) });
    world.run_for(Duration::from_secs(3));
    let (id, key_id) = (world.client.session.id(), KeyId::FIRST.next());
    let reset =
        ControlPacket::message(Opcode::CONTROL_SOFT_RESET_V1, key_id, id, MessageId(0), Vec::new());
    world.deliver_to_server(&reset.encode());
    let bytes = [tls_12_hello(), record(&[11, 0, 0, 3, 0, 0, 0])].concat();
    let hello = ControlPacket::message(Opcode::CONTROL_V1, key_id, id, MessageId(1), bytes);
    world.deliver_to_server(&hello.encode());
    for _ in 0..15 {
        world.run_for(Duration::from_secs(1));
        world.exchange_data();
    }
    world.run_for(Duration::from_secs(1));
    for party in [&world.client, world.server().expect("a session")] {
        assert!(party.end.is_none(), "{:?}", party.end);
        assert_eq!(party.session.progress(), Progress::Complete);
    }
    assert_eq!((world.data_sent, world.data_opened), (30, 30));
}

/// A ClientHello that knows TLS 1.2 alone (RFC 5246, section 7.4.1.2).
fn tls_12_hello() -> Vec<u8> {
    let suites = [0, 4, 0xc0, 0x2b, 0xc0, 0x2f];
    let groups = [0, 10, 0, 6, 0, 4, 0, 0x1d, 0, 0x17];
    let signatures = [0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1];
    let (points, master_secret) = ([0, 11, 0, 2, 1, 0], [0, 23, 0, 0]);
    let extensions = [&groups[..], &signatures, &points, &master_secret].concat();
    let length = u16::try_from(extensions.len()).expect("short").to_be_bytes();
    let body = [&[3, 3][..], &[7; 32], &[0], &suites, &[1, 0], &length, &extensions].concat();
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    record(&[&[1, 0], &length[..], &body].concat())
}

fn record(handshake: &[u8]) -> Vec<u8> {
    let length = u16::try_from(handshake.len()).expect("short").to_be_bytes();
    [&[22, 3, 3], &length[..], handshake].concat()
}

#[test]
fn a_stamp_from_the_future_is_refused_and_none_blocks_the_peers_own() {
    for by_server in [true, false] {
        let mut world = World::new(Setup::fine(26));
        world.run_for(Duration::from_secs(30));
        let (id, now) = (world.client.session.id(), world.now);
        let server = &mut world.servers.get_mut(&id).expect("a session").session;
        let acks = Acks::from_iter([MessageId(0)]);
        let ack = ControlPacket::ack(KeyId::FIRST, id, acks, server.id());
        let mut take = |seconds: u64| {
            let stamp = ReplayStamp::first(now.unix_secs() + seconds);
            server.handle_datagram(&wrap(KeyDirection::Inverse).seal(stamp, &ack), now)
        };
        assert_eq!(take(86_400), Err(DropReason::AheadOfClock));
        assert_eq!((take(0), take(60)), (Ok(()), Ok(())));
        assert_eq!((take(60), take(0)), (Err(DropReason::Replayed), Err(DropReason::Replayed)));
        world.renegotiate(if by_server { Who::Server(id) } else { Who::Client });
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.server().expect("a session").renegotiated.len(), 1);
    }
}

#[test]
fn noise_inside_a_session_ends_it_with_a_reason_or_not_at_all() {
    for seed in 0..2_000 {
        let mut world = World::new(Setup { plain: true, forged_acks: true, ..Setup::fine(seed) });
        let mut random = Random::new(seed);
        world.run_for(Duration::from_millis(random.below(30)));
        let (id, server) =
            (world.client.session.id(), world.server().map(|party| party.session.id()));
        for n in 0..30 {
            let payload = (0..random.below(1200)).map(|_| random.bits() as u8).collect();
            let message_id = MessageId(random.below(8) as u32 + n / 8);
            let packet =
                ControlPacket::message(Opcode::CONTROL_V1, KeyId::FIRST, id, message_id, payload);
            let packet = match server.filter(|_| random.chance(0.5)) {
                Some(server) => {
                    packet.with_acks(Acks::from_iter([MessageId(random.below(9) as u32)]), server)
                }
                None => packet,
            };
            world.deliver_to_server(&packet.encode());
        }
        world.run_for(Duration::from_secs(200));
        let settled = world
            .servers
            .values()
            .all(|party| party.end.is_some() || party.session.is_established());
        assert!(settled, "seed {seed}");
    }
}

/// A client that makes its packets by hand.
struct Client {
    id: SessionId,
    server: Option<SessionId>,
    wrap: Arc<ControlWrap>,
    stamp: Option<ReplayStamp>,
}

impl Client {
    fn new(number: u64) -> Self {
        let id = SessionId::new((number + 1).to_be_bytes()).expect("not zero");
        Self { id, server: None, wrap: wrap(KeyDirection::Inverse), stamp: None }
    }

    fn reset(&self) -> ControlPacket {
        let opcode = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
        ControlPacket::message(opcode, KeyId::FIRST, self.id, MessageId::FIRST, Vec::new())
    }

    fn third(&self) -> ControlPacket {
        ControlPacket::message(
            Opcode::CONTROL_V1,
            KeyId::FIRST,
            self.id,
            MessageId(1),
            vec![22; 40],
        )
        .with_acks(Acks::from_iter([MessageId(0)]), self.server.expect("answered"))
    }

    fn seal(&mut self, packet: ControlPacket) -> Vec<u8> {
        let stamp = self.stamp.map_or(ReplayStamp::first(START.unix_secs()), ReplayStamp::next);
        self.stamp = Some(stamp);
        self.wrap.seal(stamp, &packet)
    }

    fn knock(&mut self, gate: &mut Gate, reset: &[u8], now: Now) -> Option<Vec<u8>> {
        let Verdict::Answer(answer) = gate.handle_datagram(remote(), reset, now) else {
            return None;
        };
        self.learn(&answer);
        Some(answer)
    }

    fn learn(&mut self, answer: &[u8]) {
        let (stamp, packet) = self.wrap.open(answer).expect("the server's key").into_parts();
        assert_eq!(stamp.map(|stamp| stamp.id), Some(1));
        assert_eq!(packet.acked_session, Some(self.id));
        self.server = Some(packet.session_id);
    }
}

fn gate() -> Gate {
    Gate::new(StrangerCheck::shared(wrap(KeyDirection::Normal)), [7; 32], GateSettings::default())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::new(remote().ip(), port)
}

fn dropped(verdict: Verdict) -> DropReason {
    match verdict {
        Verdict::Drop(reason) => reason,
        other => panic!("not dropped: {other:?}"),
    }
}
