//! Hostile traffic in bounded amounts: no answer, no memory, and no packet of a session lost.
//!
//! `HANDFAST_LONG=1` sends ten times as much at ten times the pace, which is the figure that counts.
//! The short variant leaves room for a gateway built without optimisation on a busy machine.
//!
//! Alone: it floods, and no packet of a session may be lost meanwhile.

mod flood;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use interop::{Ping, Stock, World};

use flood::{Answers, HalfOpen, Relay, Resets, answers_of, distorted, flood, overflowed, resident};

const MEGABYTE: i64 = 1024;

#[test]
fn a_flood_gets_no_answer_and_costs_a_session_nothing() {
    let name = "a_flood_gets_no_answer_and_costs_a_session_nothing";
    let Some(mut world) = World::start(name, &[]) else { return };
    let gateway = SocketAddr::from((world.gateway.v4[0], 1194));
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let mut pinged = Stock::start(&alice.host, &alice.profile(), &[]);
    pinged.connected();
    let captured = capture(&mut world, &bob, gateway);
    println!("FIGURE captured: {} datagrams", captured.len());
    assert!(captured.len() > 50);
    let stranger = world.host();
    let process = world.up.as_ref().expect("it runs").id();

    let kinds = [
        ("wrong tls-auth key", distorted::wrong_key()),
        ("truncated", distorted::truncated(&captured)),
        ("random", distorted::random()),
        ("captured and replayed", captured.clone()),
    ];
    for (_, datagrams) in &kinds {
        let _ = flood(&stranger, gateway, datagrams, 2_000, Some(5_000));
    }
    // The pacing loses a few per cent where the machine is busy.
    let (count, rate) = if long() { (200_000, 53_000) } else { (20_000, 5_000) };
    for (kind, datagrams) in &kinds {
        let (before, full) = (resident(process), overflowed(process));
        let seconds = count / rate + 2;
        let log = world.file("ping.log");
        let inside: IpAddr = "10.71.0.1".parse().expect("an address");
        let every = Duration::from_millis(10);
        let ping = Ping::start(&alice.host.netns, inside, seconds * 100, every, &log);
        let ping = ping.expect("ping starts");
        let Answers { bytes, took, .. } = flood(&stranger, gateway, datagrams, count, Some(rate));
        let report = ping.finish(Duration::from_secs(20));
        let grown = resident(process) - before;
        let reached = f64::from(count) / took.as_secs_f64();
        println!(
            "FIGURE {kind}: {count} datagrams at {reached:.0}/s, {bytes} bytes back, {grown} kB \
             grown, {} of {} pings lost, {} datagrams found the socket full",
            report.lost(),
            report.sent,
            overflowed(process) - full
        );
        assert_eq!(bytes, 0, "{kind}");
        assert!(grown < MEGABYTE, "{kind}: {grown} kB");
        assert_eq!(report.lost(), 0, "{kind}: {report:?}");
    }
    at_full_speed(&world, &alice, &stranger, gateway, &kinds[3].1);
}

#[test]
fn a_reset_is_answered_once_and_proven_sources_are_not_limited() {
    let name = "a_reset_is_answered_once_and_proven_sources_are_not_limited";
    let Some(mut world) = World::start(name, &[]) else { return };
    let gateway = SocketAddr::from((world.gateway.v4[0], 1194));
    let alice = world.subscriber("alice", "unified");
    let profile = std::fs::read_to_string(alice.profile()).expect("a profile");
    let mut resets = Resets::by_profile(&profile);
    let stranger = world.host();

    let reset = resets.fresh();
    let again: Vec<_> = std::iter::repeat_n(reset.clone(), 1000).collect();
    let answers = answers_of(&stranger, gateway, &again);
    println!("FIGURE one reset 1000 times: {answers:?}");
    assert!(answers.count <= 1, "{answers:?}");
    assert!(answers.longest <= reset.len() + 12, "{answers:?}, {}", reset.len());

    let many: Vec<_> = (0..1000).map(|_| resets.fresh()).collect();
    let answers = answers_of(&stranger, gateway, &many);
    println!("FIGURE 1000 resets of a stranger: {answers:?}");
    assert!((1..200).contains(&answers.count), "{answers:?}");
    assert!(world.counts("rate_limited", 1));

    // Its network has used up its answers; a client that was there before has not.
    let mut waiting = Stock::start(&alice.host, &alice.profile(), &[]);
    waiting.connected();
    let many: Vec<_> = (0..500).map(|_| resets.fresh()).collect();
    let answers = answers_of(&alice.host, gateway, &many);
    println!("FIGURE 500 resets of a source whose cookie came back: {answers:?}");
    assert_eq!(answers.count, 500);
}

#[test]
fn resets_whose_cookie_never_comes_back_leave_nothing_behind() {
    let name = "resets_whose_cookie_never_comes_back_leave_nothing_behind";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let profile = std::fs::read_to_string(alice.profile()).expect("a profile");
    let mut resets = Resets::by_profile(&profile);
    let stranger = world.host();
    let gateways = [
        SocketAddr::from((world.gateway.v4[0], 1194)),
        SocketAddr::from((world.gateway.v6[0], 1194)),
    ];
    let process = world.up.as_ref().expect("it runs").id();
    let sources: [IpAddr; 2] = [stranger.v4[0].into(), stranger.v6[0].into()];
    let mut send = |count: usize| {
        let datagrams: Vec<_> = (0..count).map(|_| resets.fresh()).collect();
        let sent = stranger.netns.run(|| {
            for (n, datagram) in datagrams.iter().enumerate() {
                let (family, port) = (n % 2, 2_000 + (n / 2) as u16);
                // A port that somebody has is left out.
                let Ok(socket) = UdpSocket::bind((sources[family], port)) else { continue };
                let _ = socket.send_to(datagram, gateways[family]);
                if n % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        sent.expect("sent");
    };
    send(2_000);
    let before = resident(process);
    let count = if long() { 100_000 } else { 10_000 };
    send(count);
    std::thread::sleep(Duration::from_secs(1));
    let grown = resident(process) - before;
    println!("FIGURE {count} resets from as many ports: {grown} kB grown");
    assert!(grown < MEGABYTE, "{grown} kB");
    let begun = world.figure("handfast_handshakes_total");
    assert!(begun.abs() < f64::EPSILON, "{begun} handshakes");
}

/// Ten tries of a login while half-open handshakes come from ten networks, with the tls-auth key, faster
/// than all places are filled in a second.
#[test]
fn half_open_handshakes_from_ten_networks_keep_no_new_login_waiting() {
    let name = "half_open_handshakes_from_ten_networks_keep_no_new_login_waiting";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let profile = std::fs::read_to_string(alice.profile()).expect("a profile");
    let rate = if long() { 10_000 } else { 5_000 };
    let attack = HalfOpen::start(&world.gateway, &profile, 10, rate);
    std::thread::sleep(Duration::from_secs(3));
    let mut took = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
        let limit = Duration::from_secs(10);
        let up = stock.0.says("Initialization Sequence Completed", limit);
        took.push(if up { start.elapsed() } else { limit });
        // Dead without a goodbye: the next try has to take the session over.
        stock.0.signal("KILL");
        stock.0.ends(Duration::from_secs(3));
    }
    let tally = attack.end();
    let in_time = took.iter().filter(|took| **took <= Duration::from_secs(5)).count();
    took.sort();
    println!(
        "FIGURE half-open from 10 networks: {:.0} resets/s, {} cookies came back; logins took {took:.1?}, \
         {in_time} of {} within 5 s",
        tally.rate(),
        tally.completed,
        took.len()
    );
    assert!(tally.rate() > f64::from(rate) / 2.0, "{tally:?}");
    assert!(in_time >= 9, "{took:?}");
}

/// Everything that a client sent from its first packet on; replayed once from its own address.
fn capture(world: &mut World, who: &interop::Subscriber, gateway: SocketAddr) -> Vec<Vec<u8>> {
    let host = world.host();
    let relay = Relay::start(&host, gateway);
    let profile = who.profile_to(&host.v4[0].to_string());
    let mut stock = Stock::start(&who.host, &profile, &[]);
    stock.connected();
    let inside: IpAddr = "10.71.0.1".parse().expect("an address");
    let log = world.file("captured-ping.log");
    let ping = Ping::start(&who.host.netns, inside, 50, Duration::from_millis(10), &log);
    let report = ping.expect("ping starts").finish(Duration::from_secs(10));
    assert_eq!(report.lost(), 0, "{report:?}");
    // Dead without a goodbye: the session is still there, and quiet.
    stock.0.signal("KILL");
    stock.0.ends(Duration::from_secs(3));
    std::thread::sleep(Duration::from_millis(300));
    let (captured, answers) = relay.replay();
    println!("FIGURE {} replayed from the session's own address: {answers:?}", captured.len());
    assert_eq!(answers.bytes, 0);
    captured
}

/// As fast as two cores can: whatever is lost is said, and the session is there afterwards.
fn at_full_speed(
    world: &World,
    alice: &interop::Subscriber,
    stranger: &sysio::lab::Host,
    gateway: SocketAddr,
    datagrams: &[Vec<u8>],
) {
    let inside: IpAddr = "10.71.0.1".parse().expect("an address");
    let every = Duration::from_millis(10);
    let log = world.file("full-ping.log");
    let ping = Ping::start(&alice.host.netns, inside, 300, every, &log).expect("ping starts");
    let process = world.up.as_ref().expect("it runs").id();
    let full = overflowed(process);
    let count = if long() { 1_000_000 } else { 100_000 };
    let Answers { bytes, took, .. } = flood(stranger, gateway, datagrams, count, None);
    let report = ping.finish(Duration::from_secs(20));
    let rate = f64::from(count) / took.as_secs_f64();
    println!(
        "FIGURE full speed: {count} datagrams at {rate:.0}/s, {bytes} bytes back, {} of {} pings \
         lost, {} datagrams found the socket full",
        report.lost(),
        report.sent,
        overflowed(process) - full
    );
    assert_eq!(bytes, 0);
    let log = world.file("after-ping.log");
    let after = Ping::start(&alice.host.netns, inside, 100, every, &log).expect("ping starts");
    let after = after.finish(Duration::from_secs(10));
    assert_eq!(after.lost(), 0, "{after:?}");
}

fn long() -> bool {
    std::env::var_os("HANDFAST_LONG").is_some_and(|value| value == "1")
}
