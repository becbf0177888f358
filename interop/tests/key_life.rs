//! The life of data keys as the gateway tells it beforehand, beside the packets on the wire as tcpdump recorded them and
//! tshark reads them: each moment that is told, in the sense that it has.
//!
//! - `renews`: both sides' last packet under the old key and first one under the new one (alice, with traffic both ways).
//! - `seals_from`: the gateway's first packet under a new key, of a client that does not use it before (bob, who is only
//!   sent to).
//! - `seals_until`: the gateway's last packet under a key that nothing replaced (carol, whose renewals get lost).
//! - `opens_until`: an old packet under the key is one that came before until then, and unknown from then on (alice).
//!
//! ```text
//!    alice, bob, carol: stock clients ── router ── gateway (tcpdump) ── host behind it: iperf3, datagrams
//! ```
//!
//! Alone: it holds times on the wire to a fifth of a second.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interop::{Program, Stock, Subscriber, World, long, skip};
use serde_json::Value;

#[path = "keys/old_key.rs"]
mod old_key;
#[path = "keys/wire.rs"]
mod wire;

use old_key::{First, forgotten};
use wire::{Wire, keys_on_the_wire};

const NAME: &str = "data_keys_change_when_it_was_told_beforehand_that_they_would";
/// How far what happens may be from what was told, in microseconds.
const APART: u64 = 200_000;

#[test]
fn data_keys_change_when_it_was_told_beforehand_that_they_would() {
    for program in ["tcpdump", "tshark", "iperf3"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skip(NAME, &format!("{program} is not installed"));
        }
    }
    // Key 0 is forgotten half a minute after key 2 is used, and key 8 has an id that came before.
    let (age, hand_window, renewals) = if long() { (30, "60", 10) } else { (5, "5", 8) };
    let renewed_at = age.to_string();
    let settings = [
        ("vpn.push.routes", r#"["10.99.0.0/24"]"#),
        ("vpn.reneg_sec", renewed_at.as_str()),
        ("vpn.hand_window", hand_window),
        // Bob says nothing by himself.
        ("vpn.ping", "300"),
        ("vpn.ping_restart", "600"),
        ("explain.keep", "\"all\""),
    ];
    let Some(mut world) = World::start(NAME, &settings) else { return };
    let people = ["alice", "bob", "carol"].map(|name| world.subscriber(name, "unified"));
    let capture = world.file("wire.pcap");
    let mut dump = recording(&world, &capture);
    let [alice, bob, carol] = &people;
    let first = First::of(&world, &alice.host);
    let mut clients = people.each_ref().map(|one| Stock::start(&one.host, &one.profile(), &[]));
    clients.iter_mut().for_each(Stock::connected);
    lose_renewals(carol);
    let length = age * (renewals + 1);
    let over = AtomicBool::new(false);
    let (told, forgotten) = thread::scope(|scope| {
        let _traffic = traffic(&world, &alice.host, length);
        scope.spawn(|| send_to(&world, [bob, carol], &over));
        let forgotten = scope.spawn(|| forgotten(&world, &alice.host, first, &over));
        let told = told_beforehand(&world, Duration::from_secs(length));
        over.store(true, Ordering::Relaxed);
        (told, forgotten.join().expect("it ends"))
    });
    dump.signal("INT");
    assert!(dump.ends(Duration::from_secs(10)).is_some(), "{}", dump.log());

    let mut seen = keys_on_the_wire(&capture);
    let mut seen = |who: &Subscriber| seen.remove(&who.host.v4[0]).expect("its packets");
    let (alices, bobs, carols) = (seen(alice), seen(bob), seen(carol));
    println!("FIGURE keys: told {told:?}");
    println!("FIGURE keys: alice {alices:?}, bob {bobs:?}, carol {carols:?}");
    for (wire, keys) in
        [(&alices, &told["alice"]), (&bobs, &told["bob"]), (&carols, &told["carol"])]
    {
        nothing_is_sealed_beyond(wire, keys);
    }
    let renewed = renewed_when_due(&alices, &told["alice"], renewals as usize);
    println!(
        "FIGURE key life: {renewals} renewals, at most {} ms from what was told",
        renewed / 1_000
    );
    let switched = switched_when_due(&bobs, &told["bob"]);
    println!("FIGURE key life: the gateway changed keys at most {} ms from it", switched / 1_000);
    let ends = told["carol"][&0].seals_until.expect("the end of a key that nothing replaces");
    let ended = carols.gateway[&0].last.abs_diff(ends);
    assert!(carols.gateway.len() == 1 && ended <= APART, "{ended} us from the end that was told");
    println!("FIGURE key life: a key that nothing replaced ended {} ms from it", ended / 1_000);
    let until = told["alice"][&0].opens_until.expect("the end of a former key");
    let (before, after) = forgotten.expect("the first key was read to the end");
    let forgotten = [before, after].map(|at| at.abs_diff(until));
    assert!(forgotten.iter().all(|apart| *apart <= APART), "{before} to {after}, told {until}");
    println!("FIGURE key life: a former key was forgotten {forgotten:?} us from it at most");
}

/// What is told of a key while it is in use: the first word counts, but for how long a former key is kept, which is known
/// when a later one is used.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    renews: Option<u64>,
    seals_from: Option<u64>,
    seals_until: Option<u64>,
    opens_until: Option<u64>,
}

type Keys = BTreeMap<usize, Told>;

/// No side seals with a key after the gateway has said that it opens it no longer, and the gateway not after the end of
/// its own use; nor does it begin later than it said.
fn nothing_is_sealed_beyond(wire: &Wire, told: &Keys) {
    for (side, keys) in [("gateway", &wire.gateway), ("client", &wire.client)] {
        for (number, key) in keys {
            let Some(told) = told.get(number) else { continue };
            let ends = [told.seals_until.filter(|_| side == "gateway"), told.opens_until];
            for end in ends.into_iter().flatten() {
                assert!(key.last <= end + APART, "key {number}, {side}: {key:?}, {told:?}");
            }
            let begins = told.seals_from.filter(|_| side == "gateway").unwrap_or(u64::MAX - APART);
            assert!(key.first <= begins + APART, "key {number}, {side}: {key:?}, {told:?}");
        }
    }
}

/// How far renewals under traffic both ways were from what was told.
fn renewed_when_due(wire: &Wire, told: &Keys, renewals: usize) -> u64 {
    let mut furthest = 0;
    for generation in 0..renewals {
        let due = told.get(&generation).and_then(|told| told.renews);
        let due = due.unwrap_or_else(|| panic!("nothing was told of key {generation}"));
        for (side, keys) in [("gateway", &wire.gateway), ("client", &wire.client)] {
            let (Some(old), Some(new)) = (keys.get(&generation), keys.get(&(generation + 1)))
            else {
                panic!("the {side} renewed {} times alone", keys.len().saturating_sub(1));
            };
            for (what, at) in [("ends", old.last), ("begins", new.first)] {
                let apart = at.abs_diff(due);
                assert!(apart <= APART, "key {generation}, {side}: {what} {apart} us from {due}");
                furthest = furthest.max(apart);
            }
        }
    }
    furthest
}

/// How far the gateway's own change of keys was from what was told, towards a client that says nothing.
fn switched_when_due(wire: &Wire, told: &Keys) -> u64 {
    let (mut furthest, mut exact) = (0, 0);
    for ((_, old), (number, new)) in wire.gateway.iter().zip(wire.gateway.iter().skip(1)) {
        let Some(due) = told.get(number).and_then(|told| told.seals_from) else { continue };
        // It may have spoken after all.
        let before = wire.client.get(number).is_some_and(|used| used.first + APART < due);
        if before {
            continue;
        }
        for at in [old.last, new.first] {
            let apart = at.abs_diff(due);
            assert!(apart <= APART, "key {number}: {apart} us from {due}");
            furthest = furthest.max(apart);
        }
        exact += 1;
    }
    assert!(exact > 0 && 2 * exact >= wire.gateway.len(), "{exact} changes were told beforehand");
    furthest
}

/// What `explain session` says of everybody's keys.
fn told_beforehand(world: &World, length: Duration) -> BTreeMap<&'static str, Keys> {
    let begun = Instant::now();
    let mut told: BTreeMap<&'static str, Keys> = BTreeMap::new();
    while begun.elapsed() < length {
        thread::sleep(Duration::from_millis(300));
        for who in ["alice", "bob", "carol"] {
            let asked = ["explain", "session", &format!("{who}/default"), "--format", "json"];
            let said = world.try_handfast(&asked);
            // Carol's session ends with her key.
            assert!(said.status.success() || who == "carol", "{said:?}");
            if said.status.success() {
                note(told.entry(who).or_default(), &said.stdout);
            }
        }
    }
    told
}

fn note(told: &mut Keys, said: &[u8]) {
    let stories: Value = serde_json::from_slice(said).expect("JSON");
    let story = &stories["stories"][0];
    let began = story["began"].as_u64().expect("a time");
    for key in story["keys"].as_array().into_iter().flatten() {
        let number = key["id"].as_str().and_then(|id| id.strip_prefix("data")?.parse().ok());
        let Some(number) = number else { continue };
        let told: &mut Told = told.entry(number).or_default();
        let plan = |what: &str| key["plan"][what].as_u64().map(|after| began + after);
        if key["plan"]["in_use"] == true {
            told.renews = told.renews.or(plan("renews"));
        }
        told.seals_from = told.seals_from.or(plan("seals_from"));
        told.seals_until = told.seals_until.or(plan("seals_until"));
        told.opens_until = plan("opens_until").or(told.opens_until);
    }
}

/// What this client says on the control channel is lost from here on.
fn lose_renewals(client: &Subscriber) {
    // The opcode is in the upper five bits; 9 is a data packet's.
    let rules = "add table inet lost; \
                 add chain inet lost out { type filter hook output priority 0; }; \
                 add rule inet lost out udp dport 1194 @th,64,5 != 9 drop";
    let mut nft = Command::new("nft");
    nft.arg(rules);
    let output = client.host.netns.output(nft).expect("it starts");
    assert!(output.status.success(), "{output:?}");
}

/// Datagrams through the tunnel to those who asked for them once and say nothing more, until it is over.
fn send_to(world: &World, people: [&Subscriber; 2], over: &AtomicBool) {
    let open = || {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).map(|()| socket)
    };
    let sender = world.lan.netns.run(open).expect("a thread").expect("a socket");
    let to = (world.lan.v4[0], sender.local_addr().expect("an address").port());
    // Each has a socket that takes them, so that nothing is sent back, not even that nobody wants them.
    let receivers = people.map(|subscriber| {
        let socket = subscriber.host.netns.run(open).expect("a thread").expect("a socket");
        // Nothing goes through the tunnel that its client did not begin.
        socket.send_to(&[0], to).expect("it is sent");
        let (_, from) = sender.recv_from(&mut [0]).expect("it arrives");
        (socket, from)
    });
    while !over.load(Ordering::Relaxed) {
        for (_, to) in &receivers {
            // Whose session is over has no way any more.
            let _ = sender.send_to(&[0; 100], to);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(since.as_micros()).expect("a time of this age")
}

/// Headers alone.
fn recording(world: &World, to: &Path) -> Program {
    let mut tcpdump = Command::new("tcpdump");
    tcpdump.args(["--immediate-mode", "-U", "-n", "-s", "80", "-i", "eth0", "-w"]).arg(to);
    tcpdump.args(["udp", "port", "1194"]);
    let mut program = Program::start(&world.gateway.netns, tcpdump, &world.file("tcpdump.log"))
        .expect("it starts");
    assert!(program.says("listening on", Duration::from_secs(10)), "{}", program.log());
    program
}

/// A little all the time, both ways.
fn traffic(world: &World, from: &sysio::lab::Host, seconds: u64) -> (Program, Program) {
    let to: IpAddr = world.lan.v4[0].into();
    let mut listen = Command::new("iperf3");
    listen.args(["-s", "-1", "--forceflush"]);
    let mut server =
        Program::start(&world.lan.netns, listen, &world.file("iperf.server")).expect("it starts");
    assert!(server.says("Server listening", Duration::from_secs(10)), "{}", server.log());
    let mut connect = Command::new("iperf3");
    connect.args(["-c", &to.to_string(), "--bidir", "-b", "3M", "-l", "1200", "-t"]);
    connect.arg((seconds + 10).to_string());
    let client =
        Program::start(&from.netns, connect, &world.file("iperf.client")).expect("it starts");
    (server, client)
}
