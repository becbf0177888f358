//! Throughput of TCP streams, and what it cost.

use std::time::Duration;

use super::iperf::Iperf;
use super::netstat::Order;
use super::{Bench, Figures, spent_during};
use crate::error::BenchError;
use crate::interrupt;

/// Runs the streams once.
pub(super) fn measure(
    bench: &Bench<'_>,
    streams: u32,
    up: bool,
) -> Result<(Figures, f64), BenchError> {
    let (server, client) = (&bench.topology.server, &bench.topology.client);
    let (sender, receiver) = if up { (client, server) } else { (server, client) };
    let before = (Order::of(sender)?, Order::of(receiver)?);
    let run = Iperf::start(bench, streams, up, bench.seconds)?;
    // CPU is read well inside of the counted seconds: no start and no end belongs to a Gbit.
    interrupt::sleep(LEAD)?;
    let inside = Duration::from_secs(bench.seconds.into()).saturating_sub(TRAIL);
    let ids = bench.tunnel.ids();
    let ((), spent) = spent_during(&ids, || interrupt::sleep(inside))?;
    let carried = run.finish()?;
    let after = (Order::of(sender)?, Order::of(receiver)?);
    let gbits = carried.gbit * spent.seconds;
    let figures = Figures::from([
        ("gbit_per_s", carried.gbit),
        ("retransmits_per_gb", carried.retransmits_per_gb),
        ("cpu_s_per_gbit", (spent.busy - bench.idle * spent.seconds) / gbits),
        ("server_cpu_s_per_gbit", spent.sides[0] / gbits),
        ("client_cpu_s_per_gbit", spent.sides[1] / gbits),
        ("cores_busy", spent.busy / spent.seconds),
        ("receiver_ofo_queue", grown(before.1.out_of_order, after.1.out_of_order)),
        ("receiver_sack_reorder", grown(before.1.reordered, after.1.reordered)),
        ("sender_sack_reorder", grown(before.0.reordered, after.0.reordered)),
    ]);
    Ok((figures, spent.stolen))
}

fn grown(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64
}

/// The second that is not counted, and what starting a program takes.
const LEAD: Duration = Duration::from_millis(1150);
/// Before the end of the counted seconds.
const TRAIL: Duration = Duration::from_millis(300);
