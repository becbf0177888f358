//! What it costs a gateway to watch handshakes (`explain.keep`), at either door: its CPU for each of many that it lets in,
//! beside that of the same gateway when it keeps nothing.
//!
//! A debug build shows that it is a part only. `HANDFAST_BIN` with a release build, `HANDFAST_SESSIONS=100` and
//! `HANDFAST_ROUNDS=21` give the figures of docs/explain.md; `HANDFAST_KEYS=rsa`, which keys are by default, those of it.
//!
//! Alone: it counts processor time.

mod crowd;
mod tls_house;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interop::{Program, World, binary};
use sysio::lab::Host;

use tls_house::{Client, LINES};

const KEEPS: [&str; 3] = ["off", "failures", "all"];
#[test]
fn to_watch_handshakes_costs_a_gateway_a_small_part_of_them() {
    let name = "to_watch_handshakes_costs_a_gateway_a_small_part_of_them";
    let Some(mut world) = World::start(name, &keys()) else { return };
    let (sessions, rounds) = (number("HANDFAST_SESSIONS", 20), number("HANDFAST_ROUNDS", 3));
    let profiles = crowd::devices(&world, sessions);
    let host = world.host();
    compared("of the VPN", sessions, rounds, &world, || {
        handshakes(&world, &host, &profiles, sessions)
    });
}

#[test]
fn to_watch_handshakes_at_the_tls_door_costs_a_small_part_of_them() {
    let name = "to_watch_handshakes_at_the_tls_door_costs_a_small_part_of_them";
    let Some(mut world) = World::start(name, &keys()) else { return };
    let (sessions, rounds) = (10 * number("HANDFAST_SESSIONS", 20), number("HANDFAST_ROUNDS", 3));
    tls_house::serve_all(&world);
    let file = world.data().join("handfast.toml");
    let text = fs::read_to_string(&file).expect("settings");
    let door = format!(
        "[[tls.listen]]\naddress = \"[::]:443\"\n\
         [[tls.server]]\nnames = [\"lines.test\"]\nbackend = \"tcp:127.0.0.1:{LINES}\"\n"
    );
    fs::write(&file, text + &door).expect("written");
    world.handfast(&["reload"]);
    let ca = world.file("ca.pem");
    world.handfast(&["ca", "export", "--out", &ca.display().to_string()]);
    let client = Client::trusting(&ca, world.gateway.v4[0].into());
    let host = world.host();
    compared("at the TLS door", sessions, rounds, &world, || {
        let before = cpu_ms(&world);
        host.netns.run(|| (0..sessions).for_each(|_| asks(&client))).expect("a thread");
        assert!(world.sessions_become(0, Duration::from_secs(20)), "{}", world.log());
        (cpu_ms(&world) - before) / sessions as f64
    });
}

/// P-256, whose handshakes are the quickest: what is added weighs most there.
fn keys() -> [(&'static str, &'static str); 2] {
    let is_rsa = std::env::var("HANDFAST_KEYS").is_ok_and(|keys| keys == "rsa");
    let kind = if is_rsa { "\"rsa\"" } else { "\"p256\"" };
    [("ca.key_type", kind), ("device.key_type", kind)]
}

/// A whole connection, for what stands behind its handshake is the same in all.
fn asks(client: &Client) {
    let mut stream = BufReader::new(client.connect("lines.test").expect("it lets in"));
    stream.get_mut().write_all(b"hello\n").expect("it takes a line");
    let mut answer = String::new();
    stream.read_line(&mut answer).expect("it answers");
    assert_eq!(answer, "answered: hello\n");
}

/// Lets in so many at each setting in turn. What a machine does beside it changes from round to round, so that each is
/// compared with the one of its own round that keeps nothing.
fn compared(whose: &str, sessions: usize, rounds: usize, world: &World, lets_in: impl Fn() -> f64) {
    let mut costs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    // What is new to the process is read once, and is nobody's cost.
    lets_in();
    for round in 0..rounds {
        for turn in 0..KEEPS.len() {
            let keep = KEEPS[(round + turn) % KEEPS.len()];
            world.handfast(&["config", "set", "explain.keep", keep]);
            world.handfast(&["reload"]);
            costs.entry(keep).or_default().push(lets_in());
        }
    }
    let middle = |keep: &str| crowd::spread(costs[keep].clone()).0;
    let dearer = |keep: &str| {
        let pairs = costs[keep].iter().zip(&costs["off"]);
        crowd::spread(pairs.map(|(cost, off)| cost / off).collect()).0
    };
    let (of_failures, of_all) = (dearer("failures"), dearer("all"));
    println!(
        "FIGURE CPU of the gateway for a handshake {whose}, {sessions} of them, the middle of {rounds} rounds: {:.3} ms, \
         with failures kept {:.3} ms ({:+.1} % of its own round), with all kept {:.3} ms ({:+.1} %); all: {costs:.3?}",
        middle("off"),
        middle("failures"),
        (of_failures - 1.0) * 100.0,
        middle("all"),
        (of_all - 1.0) * 100.0,
    );
    let [most_of_failures, most_of_all] = match std::env::var_os("HANDFAST_BIN") {
        Some(_) => [1.1, 1.3],
        None => [2.0, 2.0],
    };
    assert!(of_failures < most_of_failures && of_all < most_of_all, "{costs:?}");
}

/// CPU milliseconds of the gateway for each of so many handshakes, one after the other.
fn handshakes(world: &World, host: &Host, profiles: &Path, count: usize) -> f64 {
    let mut command = Command::new(binary());
    command.arg("bench").arg(profiles).args(["--json", "--at-once", "1", "--hold", "1"]);
    command.args(["--sessions", &count.to_string()]);
    let before = cpu_ms(world);
    let mut crowd =
        Program::start(&host.netns, command, &world.file("bench.log")).expect("it starts");
    assert!(crowd.says("holding ", Duration::from_secs(240)), "{}", crowd.log());
    let after = cpu_ms(world);
    assert_eq!(world.sessions().len(), count, "{}", crowd.log());
    crowd.ends(Duration::from_secs(60));
    assert!(world.sessions_become(0, Duration::from_secs(20)), "{}", world.log());
    (after - before) / count as f64
}

/// What the gateway's threads have had so far.
fn cpu_ms(world: &World) -> f64 {
    let id = world.up.as_ref().expect("it runs").id();
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("threads");
    let had = |thread: fs::DirEntry| {
        // A thread may have ended since.
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(had).sum::<f64>() / 1e6
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}
