//! The life of data keys as the gateway tells it beforehand, beside the packets on the wire: when each key would be
//! renewed, against the first and the last packet under each as tcpdump recorded them and tshark reads them.
//!
//! ```text
//!    stock client ── router ── gateway (tcpdump) ── host behind it: iperf3 both ways
//! ```
//!
//! Alone: it holds times on the wire to a fifth of a second.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use interop::{Program, Stock, World, long, skip};
use serde_json::Value;

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
    let (seconds, renewals) = if long() { (30, 10) } else { (6, 2) };
    let age = seconds.to_string();
    let routes = ("vpn.push.routes", r#"["10.99.0.0/24"]"#);
    let settings = [routes, ("vpn.reneg_sec", age.as_str()), ("explain.keep", "\"all\"")];
    let Some(mut world) = World::start(NAME, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let capture = world.file("wire.pcap");
    let mut dump = recording(&world, &capture);
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let length = seconds * (renewals + 1);
    let _traffic = traffic(&world, &alice.host, length);
    let told = told_beforehand(&world, Duration::from_secs(length));
    dump.signal("INT");
    assert!(dump.ends(Duration::from_secs(10)).is_some(), "{}", dump.log());

    let seen = keys_on_the_wire(&capture);
    println!("FIGURE keys: told {told:?}, seen {seen:?}");
    let mut furthest = 0;
    for generation in 0..renewals as usize {
        let due = *told
            .get(&generation)
            .unwrap_or_else(|| panic!("nothing was told of key {generation}"));
        for (side, keys) in &seen {
            let (Some(old), Some(new)) = (keys.get(generation), keys.get(generation + 1)) else {
                panic!("the {side} renewed {} times alone", keys.len().saturating_sub(1));
            };
            for (what, at) in [("ends", old.last), ("begins", new.first)] {
                let apart = at.abs_diff(due);
                assert!(apart <= APART, "key {generation}, {side}: {what} {apart} us from {due}");
                furthest = furthest.max(apart);
            }
        }
    }
    println!(
        "FIGURE key life: {renewals} renewals, at most {} ms from what was told",
        furthest / 1_000
    );
}

/// When packets under a key went, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Used {
    first: u64,
    last: u64,
}

/// What `explain session` says of each key's renewal, taken while the key is in use: the first word counts.
fn told_beforehand(world: &World, length: Duration) -> BTreeMap<usize, u64> {
    let begun = Instant::now();
    let mut told = BTreeMap::new();
    while begun.elapsed() < length {
        thread::sleep(Duration::from_millis(500));
        let said = world.handfast(&["explain", "session", "alice/default", "--format", "json"]);
        let stories: Value = serde_json::from_str(&said).expect("JSON");
        let story = &stories["stories"][0];
        let began = story["began"].as_u64().expect("a time");
        for key in story["keys"].as_array().into_iter().flatten() {
            let number = key["id"].as_str().and_then(|id| id.strip_prefix("data")?.parse().ok());
            let renews = key["plan"]["renews"].as_u64();
            if let (Some(number), Some(renews), true) =
                (number, renews, key["plan"]["in_use"] == true)
            {
                told.entry(number).or_insert(began + renews);
            }
        }
    }
    told
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

/// By side, the keys in their order. Ids come again after the seventh, so that order tells which is meant.
fn keys_on_the_wire(capture: &Path) -> BTreeMap<&'static str, Vec<Used>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-d", "udp.port==1194,openvpn", "-T", "fields"]);
    for field in ["frame.time_epoch", "udp.srcport", "openvpn.opcode", "openvpn.keyid"] {
        tshark.args(["-e", field]);
    }
    let read = tshark.output().expect("tshark starts");
    let mut seen: BTreeMap<&'static str, Vec<Used>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&read.stdout).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [time, port, "9" | "0x48" | "0x09", id] = fields[..] else { continue };
        let (seconds, part) = time.split_once('.').expect("a time");
        let at = seconds.parse::<u64>().expect("seconds") * 1_000_000
            + part[..6].parse::<u64>().expect("microseconds");
        let side = if port == "1194" { "gateway" } else { "client" };
        let keys = seen.entry(side).or_default();
        let present = keys.len().checked_sub(1);
        let id: usize = id.parse().expect("a key id");
        if present.is_none_or(|present| id == key_id(present + 1)) {
            keys.push(Used { first: at, last: at });
        } else if let Some(which) = keys.len().checked_sub(1) {
            // A packet that was late is of the key before.
            let which = if id == key_id(which) { which } else { which.saturating_sub(1) };
            keys[which].last = at;
        }
    }
    seen
}

/// The id of the key of so many renewals: 0, then 1 to 7 round and round.
fn key_id(generation: usize) -> usize {
    match generation {
        0 => 0,
        later => (later - 1) % 7 + 1,
    }
}
