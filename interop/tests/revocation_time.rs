//! From a revocation's commit to the closed session, while many sessions are looked at again.
//!
//! `HANDFAST_SESSIONS=1000` makes the figure that counts, of a release build where `HANDFAST_BIN` names one:
//!
//! `HANDFAST_BIN=target/release/handfast HANDFAST_SESSIONS=1000 cargo test -p interop --test revocation_time -- --nocapture`
//!
//! It asks nothing of the program but its commands and its log, so former builds are measured by it too.
//!
//! Alone: it times milliseconds.

mod crowd;

use std::thread::sleep;
use std::time::{Duration, Instant};

use interop::World;

use crowd::{devices, end_of, held, milliseconds_of_day, spread};

#[test]
fn a_revocation_closes_its_session_soon_though_many_are_looked_at() {
    let name = "a_revocation_closes_its_session_soon_though_many_are_looked_at";
    let Some(mut world) = World::start(name, &[]) else { return };
    let sessions = std::env::var("HANDFAST_SESSIONS").map_or(60, |n| n.parse().expect("a number"));
    let profiles = devices(&world, sessions);
    let (load, _host) = held(&mut world, &profiles);
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

const REVOCATIONS: usize = 200;
