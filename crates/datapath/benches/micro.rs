//! The micro-benchmarks' program: runs one case for whoever counts its instructions, or times the
//! ciphers itself. `cargo xtask bench micro` drives it.
//!
//! - `micro list`: every case, its unit, how many operations one run is.
//! - `micro run NAME`: warms up, then runs the case once inside [`micro_counted_part`].
//! - `micro ciphers`: seal and open by time, since an emulated processor lacks the instructions that
//!   they use on a real one.

use std::time::{Duration, Instant};

use datapath::bench::{CIPHERS, Pair, Run, cases};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] | [] => list(),
        ["run", name] => run(name),
        ["ciphers"] => ciphers(),
        _ => panic!("micro list | run NAME | ciphers"),
    }
}

fn list() {
    for case in cases() {
        let (operations, _) = (case.prepare)();
        println!("{} {} {operations}", case.name, case.unit.replace(' ', "-"));
    }
}

fn run(name: &str) {
    let case = cases().find(|case| case.name == name).expect("a case of the list");
    // What is made at first use is made before the counted run.
    let (_, mut first) = (case.prepare)();
    first();
    let (_, mut counted) = (case.prepare)();
    micro_counted_part(&mut counted);
}

/// The name that the counting tool is told.
#[inline(never)]
fn micro_counted_part(run: &mut Run) {
    run();
}

/// Every cipher, size and direction in each round, so that whatever else the machine does falls on
/// all of them alike.
fn ciphers() {
    let mut rows: Vec<_> = CIPHERS
        .into_iter()
        .flat_map(|cipher| SIZES.map(|size| (cipher, size)))
        .map(|(cipher, size)| (cipher, size, Pair::new(cipher, size, BATCH), [vec![], vec![]]))
        .collect();
    for _ in 0..ROUNDS {
        for (_, _, pair, times) in &mut rows {
            times[0].push(timed(|| pair.seal()));
            times[1].push(timed(|| pair.open()));
        }
    }
    println!("cipher bytes seal-ns seal-GB/s open-ns open-GB/s");
    for (cipher, size, _, times) in rows {
        let [seal, open] = times.map(median);
        let rate = |nanos: f64| size as f64 / nanos;
        let name = cipher.name();
        println!("{name} {size} {seal:.0} {:.2} {open:.0} {:.2}", rate(seal), rate(open));
    }
}

/// Nanoseconds for one packet of a batch.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_nanos() as f64 / BATCH as f64
}

const SIZES: [usize; 3] = [64, 512, 1428];
const BATCH: usize = 64;
const ROUNDS: usize = 501;
