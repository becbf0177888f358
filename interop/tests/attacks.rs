//! What somebody can do who has the tls-auth key, the line or a device of his own: flood the gateway with failing
//! handshakes, pose as a client whose packets he sees, copy them, keep a session alive without proof.
//!
//! ```text
//!    alice ── line ──┐
//!    bob ────────────┤ router ── gateway
//!    a stranger ─────┘
//! ```
//!
//! Each attack is tried in its smallest form on alice's session, and as a flood as fast as it goes beside bob's.

mod line;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use interop::{Ping, PingReport, Stock, Subscriber, World, long, of_today, wait_until};
use sysio::lab::Host;
use wire::control::{Acks, ControlPacket};

use wire::tls_auth::ReplayStamp;
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, SessionId};

use line::{Line, TakenOver, TlsKey, unix_seconds};

/// Alone: it floods as fast as it can, and bob beside it may lose nothing.
#[test]
fn copies_of_a_clients_packets_from_elsewhere_divert_it_for_moments_only() {
    let name = "copies_of_a_clients_packets_from_elsewhere_divert_it_for_moments_only";
    let Some(attacked) = Attacked::start(name, &[]) else { return };
    let elsewhere = attacked.stranger_socket();
    let again = elsewhere.try_clone().expect("a socket");
    attacked.line.copy(elsewhere, Duration::from_millis(990));
    let report = attacked.pings("copied", &attacked.alice, 600);
    println!("FIGURE a copy each second: {} of {} pings lost", report.lost(), report.sent);
    assert!(report.lost() <= report.sent / 10, "{report:?}\n{}", attacked.world.log());
    let copies = attacked.line.recorded();
    let gateway = attacked.gateway();
    let lost = attacked.beside_a_flood(|n| {
        let copy = &copies[n % copies.len()];
        // From its own address, and from elsewhere.
        attacked.line.spoof(copy);
        let _ = again.send_to(copy, gateway);
    });
    assert!(lost <= FEW, "{lost} pings lost");
    attacked.is_unhurt();
}

/// Alone: it floods as fast as it can, and bob beside it may lose nothing.
#[test]
fn bytes_that_are_not_a_clients_tls_end_no_session_that_is_up() {
    let name = "bytes_that_are_not_a_clients_tls_end_no_session_that_is_up";
    let Some(attacked) = Attacked::start(name, &[]) else { return };
    let mut forger = attacked.line.forger();
    let (key_id, next) = (forger.key_id, forger.next);
    attacked.line.spoof(&forger.garbage(key_id, next));
    let report = attacked.pings("garbage", &attacked.alice, 300);
    println!("FIGURE one forged message: {} of {} pings lost", report.lost(), report.sent);
    assert_eq!(report.lost(), 0, "{report:?}\n{}", attacked.world.log());
    attacked.is_unhurt();
    let lost = attacked.beside_a_flood(|n| {
        let key_id = KeyId::new((n / 8 % 8) as u8).expect("three bits");
        let message = MessageId(next.0.wrapping_add((n % 8) as u32));
        attacked.line.spoof(&forger.garbage(key_id, message));
    });
    assert!(lost <= FEW, "{lost} pings lost");
    attacked.comes_back();
}

/// Alone: it floods as fast as it can, and bob beside it may lose nothing.
#[test]
fn a_stamp_from_the_future_blocks_no_renewal() {
    let name = "a_stamp_from_the_future_blocks_no_renewal";
    let settings = [("vpn.reneg_sec", "5"), ("vpn.hand_window", "6")];
    let Some(attacked) = Attacked::start(name, &settings) else { return };
    let renewed = || attacked.world.figure("handfast_renegotiations_total");
    // One of each client; what follows is alice's own under attack.
    let forger = attacked.line.forger();
    let future = forger.stamped_ahead(86_400);
    attacked.line.spoof(&future);
    let before = renewed();
    let report = attacked.pings("future", &attacked.alice, 800);
    println!("FIGURE a stamp from the future: {} of {} pings lost", report.lost(), report.sent);
    assert_eq!(report.lost(), 0, "{report:?}\n{}", attacked.world.log());
    assert!(renewed() >= before + 2.0, "{} renewals\n{}", renewed(), attacked.world.log());
    attacked.is_unhurt();
    let lost = attacked.beside_a_flood(|_| attacked.line.spoof(&future));
    assert!(lost <= FEW, "{lost} pings lost");
    attacked.is_unhurt();
}

#[test]
fn soft_resets_without_tls_behind_them_keep_no_session() {
    let name = "soft_resets_without_tls_behind_them_keep_no_session";
    let settings = [("vpn.reneg_sec", "5"), ("vpn.hand_window", "5")];
    let Some(attacked) = Attacked::start(name, &settings) else { return };
    let mut forger = attacked.line.forger();
    // The device's holder answers nothing any more; its data goes on.
    attacked.line.mute();
    let (mut key_id, began) = (forger.key_id, Instant::now());
    // Her first key seals for 25 s.
    while attacked.session_of("alice").is_some() && began.elapsed() < Duration::from_secs(32) {
        key_id = key_id.next();
        attacked.line.spoof(&forger.soft_reset(key_id));
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("FIGURE soft resets alone kept a session for {:.1} s", began.elapsed().as_secs_f64());
    assert!(attacked.session_of("alice").is_none(), "{}", attacked.world.log());
    assert!(attacked.world.log().contains("renegotiation_timeout"), "{}", attacked.world.log());
}

/// A stock client then begins another session where it is. It is told to restart, which takes it a second.
#[test]
fn a_renewal_that_somebody_takes_over_costs_its_client_a_restart_at_most() {
    let name = "a_renewal_that_somebody_takes_over_costs_its_client_a_restart_at_most";
    let settings = [("vpn.hand_window", "8"), ("vpn.reneg_sec", "20")];
    for how in of_today([TakenOver::ByAHello, TakenOver::AfterTheHello], 2) {
        let more = ["--hand-window", "8"];
        let Some(attacked) = Attacked::start_with(name, &settings, &more) else { return };
        // Keys are not renewed sooner.
        std::thread::sleep(Duration::from_millis(1_500));
        let mut forger = attacked.line.forger();
        attacked.line.take_over(&mut forger, how);
        let report = attacked.pings("taken-over", &attacked.alice, 1_000);
        println!("FIGURE taken over {how:?}: {} of {} pings lost", report.lost(), report.sent);
        // 10 ms each; on busy processors the restart takes more than its second.
        assert!(report.lost() <= 300, "{how:?}: {report:?}\n{}", attacked.world.log());
        let carries = attacked.pings("after", &attacked.alice, 100);
        assert_eq!(carries.lost(), 0, "{how:?}: {carries:?}\n{}", attacked.world.log());
        let renewed = || attacked.renewed_at("alice");
        let before = renewed();
        let in_time = wait_until(Duration::from_secs(25), || renewed() > before);
        assert!(in_time, "{how:?}\n{}", attacked.world.log());
        let carries = attacked.pings("renewed", &attacked.alice, 100);
        assert_eq!(carries.lost(), 0, "{how:?}: {carries:?}\n{}", attacked.world.log());
    }
}

/// Alone: it floods as fast as it can, and bob beside it may lose nothing.
#[test]
fn a_flood_of_soft_resets_of_one_client_costs_another_nothing() {
    let name = "a_flood_of_soft_resets_of_one_client_costs_another_nothing";
    let Some(attacked) = Attacked::start(name, &[]) else { return };
    let mut forger = attacked.line.forger();
    let mut key_id = forger.key_id;
    let lost = attacked.beside_a_flood(|_| {
        key_id = key_id.next();
        attacked.line.spoof(&forger.soft_reset(key_id));
    });
    assert!(lost <= FEW, "{lost} pings lost");
    attacked.comes_back();
}

/// Alone: it floods as fast as it can, and bob beside it may lose nothing.
#[test]
fn handshakes_that_fail_at_full_speed_are_counted_each_and_logged_in_a_few_lines() {
    let name = "handshakes_that_fail_at_full_speed_are_counted_each_and_logged_in_a_few_lines";
    let Some(attacked) = Attacked::start(name, &[]) else { return };
    let (socket, gateway) = (attacked.stranger_socket(), attacked.gateway());
    let mut handshakes = Handshakes::by_profile(&text(&attacked.alice), socket, gateway);
    let before = refusals(&attacked.world);
    let lines_before = attacked.world.log().lines().count();
    let mut took = Duration::ZERO;
    let lost = attacked.beside(|| took = handshakes.fail_for(attacked_for()));
    let settled = || refusals(&attacked.world) - before >= handshakes.failed;
    let counted = wait_until(Duration::from_secs(5), settled);
    let (refused, log) = (refusals(&attacked.world) - before, attacked.world.log());
    let lines = log.lines().count() - lines_before;
    println!(
        "FIGURE {} handshakes failed in {:.1} s, {refused} counted, {lines} lines, {lost} pings lost",
        handshakes.failed,
        took.as_secs_f64()
    );
    assert!(handshakes.failed > 300 && counted, "{} of {}\n{log}", refused, handshakes.failed);
    assert!(lines <= 8, "{lines} lines\n{log}");
    assert!(lost <= FEW, "{lost} pings lost");
    // What the lines left out is in one that follows.
    let told = || attacked.world.log().contains("refused again");
    assert!(wait_until(Duration::from_secs(15), told), "{}", attacked.world.log());
    attacked.is_unhurt();
}

/// A gateway, alice behind somebody on the line, and bob.
struct Attacked {
    world: World,
    alice: Subscriber,
    bob: Subscriber,
    line: Line,
    stranger: Host,
    session: Option<u64>,
    _clients: [Stock; 2],
}

impl Attacked {
    fn start(name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        Self::start_with(name, settings, &[])
    }

    /// The same with more arguments for alice's client.
    fn start_with(name: &str, settings: &[(&str, &str)], more: &[&str]) -> Option<Self> {
        let mut world = World::start(name, settings)?;
        let (alice, bob) =
            (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
        let (between, stranger) = (world.host(), world.host());
        let gateway = SocketAddr::from((world.gateway.v4[0], 1194));
        let line = Line::start(&between, gateway, &text(&alice));
        let profile = alice.profile_to(&between.v4[0].to_string());
        let mut clients = [
            Stock::start(&alice.host, &profile, more),
            Stock::start(&bob.host, &bob.profile(), &[]),
        ];
        clients.iter_mut().for_each(Stock::connected);
        let mut attacked =
            Self { world, alice, bob, line, stranger, session: None, _clients: clients };
        attacked.session = attacked.session_of("alice");
        assert!(attacked.session.is_some());
        Some(attacked)
    }

    fn gateway(&self) -> SocketAddr {
        SocketAddr::from((self.world.gateway.v4[0], 1194))
    }

    fn stranger_socket(&self) -> UdpSocket {
        let socket = self.stranger.netns.run(|| UdpSocket::bind("0.0.0.0:0"));
        socket.expect("in the namespace").expect("a socket")
    }

    /// The number of a user's session.
    fn session_of(&self, user: &str) -> Option<u64> {
        self.said_of(user, "id")?.as_u64()
    }

    /// When the keys of a user's session were renewed last.
    fn renewed_at(&self, user: &str) -> Option<String> {
        Some(self.said_of(user, "renegotiated_at")?.as_str()?.to_owned())
    }

    fn said_of(&self, user: &str, what: &str) -> Option<serde_json::Value> {
        let sessions = self.world.sessions();
        let of_user = sessions.iter().find(|session| session["device"]["user"] == user)?;
        Some(of_user[what].clone())
    }

    /// Alice has the session that she had, and it carries.
    fn is_unhurt(&self) {
        assert_eq!(self.session_of("alice"), self.session, "{}", self.world.log());
        let report = self.pings("after", &self.alice, 50);
        assert_eq!(report.lost(), 0, "{report:?}\n{}", self.world.log());
    }

    /// What was sent in alice's name may have cost her a renewal, and with it the session: then she is back
    /// after a restart.
    fn comes_back(&self) {
        let began = Instant::now();
        let carries = || self.pings("after", &self.alice, 20).lost() == 0;
        assert!(wait_until(Duration::from_secs(5), carries), "{}", self.world.log());
        let took = began.elapsed().as_secs_f64();
        println!("FIGURE the one whose packets were forged carries {took:.1} s after the flood");
        assert_eq!(self.pings("again", &self.alice, 300).lost(), 0, "{}", self.world.log());
    }

    fn pings(&self, what: &str, who: &Subscriber, count: u32) -> PingReport {
        let log = self.world.file(&format!("{what}.ping"));
        Ping::run(&who.host.netns, INSIDE, count, EVERY, &log)
    }

    /// Sends as fast as it goes for a while. How many of a hundred pings bob lost.
    fn beside_a_flood(&self, mut send: impl FnMut(usize)) -> u32 {
        let (mut sent, limit) = (0, attacked_for());
        let lost = self.beside(|| {
            let began = Instant::now();
            while began.elapsed() < limit {
                send(sent);
                sent += 1;
            }
        });
        let rate = sent as f64 / limit.as_secs_f64();
        println!("FIGURE a flood of {rate:.0} a second: {lost} of a hundred pings of another lost");
        lost
    }

    /// How many of a hundred pings bob lost meanwhile.
    fn beside(&self, work: impl FnOnce()) -> u32 {
        let log = self.world.file("beside.ping");
        let count = (attacked_for().as_millis() / EVERY.as_millis()) as u32;
        let ping = Ping::start(&self.bob.host.netns, INSIDE, count, EVERY, &log);
        let ping = ping.expect("ping starts");
        work();
        let report = ping.finish(Duration::from_secs(20));
        assert_eq!(report.sent, count, "{report:?}");
        (report.lost() * 100).div_ceil(report.sent)
    }
}

/// Handshakes whose TLS is none, as many as the gateway answers.
struct Handshakes {
    seals: ControlWrap,
    opens: ControlWrap,
    socket: UdpSocket,
    gateway: SocketAddr,
    begun: u64,
    failed: u64,
}

impl Handshakes {
    fn by_profile(profile: &str, socket: UdpSocket, gateway: SocketAddr) -> Self {
        let key = TlsKey::of(profile);
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        Self { seals: key.seals(), opens: key.opens(), socket, gateway, begun: 0, failed: 0 }
    }

    /// How long it took.
    fn fail_for(&mut self, limit: Duration) -> Duration {
        let began = Instant::now();
        while began.elapsed() < limit {
            (0..AT_ONCE).for_each(|_| self.begin());
            let mut buffer = [0; 2048];
            let mut answered = 0;
            while let Ok(length) = self.socket.recv(&mut buffer) {
                answered += usize::from(self.go_on(&buffer[..length]));
                if answered == AT_ONCE {
                    break;
                }
            }
        }
        began.elapsed()
    }

    fn begin(&mut self) {
        self.begun += 1;
        let opcode = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
        let session = SessionId::new(self.begun.to_be_bytes()).expect("not zero");
        let first = MessageId::FIRST;
        let reset = ControlPacket::message(opcode, KeyId::FIRST, session, first, Vec::new());
        self.send(ReplayStamp::first(unix_seconds()), &reset);
    }

    /// Answers the gateway's reset with its cookie and bytes that are no TLS. Whether it was one.
    fn go_on(&mut self, datagram: &[u8]) -> bool {
        let Ok(opened) = self.opens.open(datagram) else { return false };
        let packet = opened.packet();
        let (Opcode::CONTROL_HARD_RESET_SERVER_V2, Some(ours)) =
            (packet.opcode, packet.acked_session)
        else {
            return false;
        };
        let acks = Acks::from_iter([MessageId::FIRST]);
        let noise = vec![0x55; 60];
        let message =
            ControlPacket::message(Opcode::CONTROL_V1, KeyId::FIRST, ours, MessageId(1), noise)
                .with_acks(acks, packet.session_id);
        self.send(ReplayStamp::first(unix_seconds()).next(), &message);
        self.failed += 1;
        true
    }

    fn send(&self, stamp: ReplayStamp, packet: &ControlPacket) {
        let _ = self.socket.send_to(&self.seals.seal(stamp, packet), self.gateway);
    }
}

/// All refusals that were counted.
fn refusals(world: &World) -> u64 {
    let status = world.json(&["status"]);
    let counts = status["refusals"].as_object().cloned().unwrap_or_default();
    counts.values().filter_map(serde_json::Value::as_u64).sum()
}

fn text(who: &Subscriber) -> String {
    std::fs::read_to_string(who.profile()).expect("a profile")
}

fn attacked_for() -> Duration {
    Duration::from_secs(if long() { 20 } else { 3 })
}

const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 71, 0, 1));
const EVERY: Duration = Duration::from_millis(10);
/// Handshakes under way at a time.
const AT_ONCE: usize = 32;
/// Pings of a hundred that a flood on the same two cores may cost, in a gateway that is not optimised.
const FEW: u32 = 1;
