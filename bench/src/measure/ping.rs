//! Round trips through the tunnel, answered by the other end's kernel.

use std::process::Command;
use std::time::Duration;

use interop::Program;

use super::iperf::Iperf;
use super::{Bench, Figures, spent_during};
use crate::error::BenchError;
use crate::interrupt;

/// Sends the pings, idle or beside one TCP stream up at the tunnel's own maximum.
pub(super) fn measure(bench: &Bench<'_>, loaded: bool) -> Result<(Figures, f64), BenchError> {
    let load = loaded.then(|| Iperf::start(bench, 1, true, LOAD_SECONDS)).transpose()?;
    if loaded {
        // The stream has left its slow start.
        interrupt::sleep(Duration::from_millis(1500))?;
    }
    let (mut times, spent) = spent_during(&bench.tunnel.ids(), || pings(bench))?;
    let carried = load.map(Iperf::finish).transpose()?;
    times.sort_by(f64::total_cmp);
    let mut figures = Figures::from([
        ("p50_ms", percentile(&times, 0.50)),
        ("p99_ms", percentile(&times, 0.99)),
        ("samples", times.len() as f64),
        ("lost", f64::from(COUNT) - times.len() as f64),
    ]);
    if let Some(carried) = carried {
        figures.insert("gbit_per_s", carried.gbit);
    }
    Ok((figures, spent.stolen))
}

/// The round-trip times in milliseconds.
fn pings(bench: &Bench<'_>) -> Result<Vec<f64>, BenchError> {
    let mut ping = Command::new("ping");
    ping.args(["-n", "-c", &COUNT.to_string(), "-i", INTERVAL, "-W", "1"]);
    ping.arg(bench.tunnel.address.to_string());
    let log = bench.log.with_extension("ping");
    let mut program = Program::start(&bench.topology.client, ping, &log)
        .map_err(|e| BenchError::tool("ping", e.to_string()))?;
    program.ends(Duration::from_secs(LOAD_SECONDS.into()));
    interrupt::check()?;
    let times = parse(&program.log());
    if times.is_empty() {
        return Err(BenchError::tool("ping", format!("no answer came: {}", program.log())));
    }
    Ok(times)
}

fn parse(log: &str) -> Vec<f64> {
    let time = |line: &str| line.split_once("time=")?.1.split(' ').next()?.parse().ok();
    log.lines().filter_map(time).collect()
}

/// The smallest sample that so large a share of all are not above.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// In seconds. Below 10 ms `ping` does not sleep but spin, and takes a processor from what it measures.
const INTERVAL: &str = "0.02";
const COUNT: u32 = 400;
/// Longer than the pings take.
const LOAD_SECONDS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_the_programs_words() {
        let log = "PING 10.8.0.1\n64 bytes from 10.8.0.1: icmp_seq=1 ttl=64 time=0.146 ms\n\
                   64 bytes from 10.8.0.1: icmp_seq=2 ttl=64 time=12 ms\n";
        assert_eq!(parse(log), [0.146, 12.0]);
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 0.50), 50.0);
        assert_eq!(percentile(&sorted, 0.99), 99.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
