//! From a revocation's commit to the closed session, while many sessions are looked at again.
//!
//! `HANDFAST_SESSIONS=1000` makes the figure that counts, of a release build where `HANDFAST_BIN` names one:
//!
//! `HANDFAST_BIN=target/release/handfast HANDFAST_SESSIONS=1000 cargo test -p interop --test revocation_time -- --nocapture`
//!
//! It asks nothing of the program but its commands and its log, so former builds are measured by it too.
//!
//! Alone: it times milliseconds.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use interop::{Program, World, binary};
use serde_json::Value;

#[test]
fn a_revocation_closes_its_session_soon_though_many_are_looked_at() {
    let name = "a_revocation_closes_its_session_soon_though_many_are_looked_at";
    let Some(mut world) = World::start(name, &[]) else { return };
    let sessions = std::env::var("HANDFAST_SESSIONS").map_or(60, |n| n.parse().expect("a number"));
    let profiles = devices(&world, sessions);
    let crowd = world.host();
    let mut command = Command::new(binary());
    command.arg("bench").arg(&profiles).args(["--json", "--hold", "1000"]);
    let mut load = Program::start(&crowd.netns, command, &world.file("bench.log")).expect("starts");
    assert!(load.says("holding ", Duration::from_secs(240)), "{}", load.log());
    assert_eq!(world.sessions().len(), sessions, "all of them are up");

    let (mut closed, mut answered) = (Vec::new(), Vec::new());
    for number in (0..sessions).step_by((sessions / REVOCATIONS).max(1)) {
        let device = format!("crowd/d{number}");
        let start = Instant::now();
        let event = world.json(&["device", "revoke", &device]);
        answered.push(start.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(event["sessions_closed"], 1, "{event}");
        closed.push((number, milliseconds_of_day(&event["at"])));
        sleep(Duration::from_millis(20));
    }
    let log = world.log();
    let closed = closed.iter().map(|(number, committed)| end_of(&log, *number) - committed);
    let closed = spread(closed.collect());
    println!(
        "FIGURE {sessions} sessions, {} revocations: commit to closed session p50 {:.1} ms, p99 {:.1} ms; \
         the command p50 {:.1} ms, p99 {:.1} ms",
        answered.len(),
        closed.0,
        closed.1,
        spread(answered.clone()).0,
        spread(answered).1
    );
    assert!(closed.1 < 1000.0, "{closed:?}");
    load.signal("TERM");
}

/// A folder with the profiles of so many devices of one user.
fn devices(world: &World, count: usize) -> PathBuf {
    let folder = world.file("crowd");
    fs::create_dir_all(&folder).expect("a folder");
    world.handfast(&["user", "add", "crowd"]);
    let make = |number: usize| {
        let device = format!("crowd/d{number}");
        world.handfast(&["device", "add", &device]);
        let out = world.file(&format!("crowd-{number}"));
        let into = out.display().to_string();
        world.handfast(&["profile", &device, "--out", &into, "--os", "linux", "--form", "unified"]);
        let mut files =
            fs::read_dir(&out).expect("profiles").filter_map(|entry| Some(entry.ok()?.path()));
        let profile = files.find(|path| path.extension().is_some_and(|e| e == "ovpn"));
        fs::rename(profile.expect("a profile"), folder.join(format!("{number:06}.ovpn")))
            .expect("moved");
    };
    std::thread::scope(|scope| {
        for first in 0..MAKERS {
            let make = &make;
            scope.spawn(move || (first..count).step_by(MAKERS).for_each(make));
        }
    });
    folder
}

/// When the log says that a device's session ended.
fn end_of(log: &str, number: usize) -> f64 {
    let device = format!("\"d{number}\"");
    let ends = |line: &&str| line.contains("disconnected") && line.contains(&device);
    let line = log.lines().find(ends).unwrap_or_else(|| panic!("{device} did not end:\n{log}"));
    time_of_day(line.split_whitespace().next().unwrap_or(""))
}

/// A time stamp in JSON: milliseconds, or as people write it.
fn milliseconds_of_day(at: &Value) -> f64 {
    match at.as_u64() {
        Some(milliseconds) => (milliseconds % DAY) as f64,
        None => time_of_day(at.as_str().expect("a time stamp")),
    }
}

/// `2026-01-31T23:59:59.123456Z`, in milliseconds since midnight.
fn time_of_day(text: &str) -> f64 {
    let time = text.split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z'));
    let parts = time.split(':').map(|part| part.parse::<f64>().expect("a time"));
    parts.fold(0.0, |sum, part| sum * 60.0 + part) * 1000.0
}

/// The middle one, and the one that 99 of 100 do not exceed.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).ceil() as usize];
    (at(0.5), at(0.99))
}

const REVOCATIONS: usize = 200;
const MAKERS: usize = 4;
const DAY: u64 = 24 * 3600 * 1000;
