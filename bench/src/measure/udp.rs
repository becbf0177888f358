//! The highest rate of datagrams with at most one per cent lost, found by doubling and bisection.
//!
//! A rate fails only twice in a row, since one hiccup of the machine loses more than one per cent of
//! a second.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Bench, Figures, spent_during};
use crate::error::BenchError;
use crate::generator::{Flood, Sink, Trial};

/// Searches for the rate.
pub(super) fn measure(
    bench: &Bench<'_>,
    size: usize,
    joined: bool,
) -> Result<(Figures, f64), BenchError> {
    let sink = Sink::start(&bench.topology.server, PORT, joined)?;
    let target = SocketAddr::from((bench.tunnel.address, PORT));
    let flood = Flood::open(&bench.topology.client, target, size, joined)?;
    let search = || {
        highest(|rate| {
            let mut best = flood.run(&sink, rate, TRIAL)?;
            if !sustained(&best, rate) {
                best = flood.run(&sink, rate, TRIAL)?;
            }
            Ok(best)
        })
    };
    let (best, spent) = spent_during(&bench.tunnel.ids(), search)?;
    let delivered = best.delivered_per_second();
    let figures = Figures::from([
        ("kpps", delivered / 1e3),
        ("gbit_per_s", delivered * size as f64 * 8.0 / 1e9),
        ("loss_percent", best.loss() * 100.0),
    ]);
    Ok((figures, spent.stolen))
}

/// The best trial that was sustained; one without a datagram where none was.
fn highest(mut attempt: impl FnMut(f64) -> Result<Trial, BenchError>) -> Result<Trial, BenchError> {
    let mut best = Trial::default();
    let (mut low, mut high) = (FIRST / 2.0, FIRST);
    loop {
        let trial = attempt(high)?;
        if !sustained(&trial, high) {
            break;
        }
        (best, low) = (better(best, trial), high);
        high *= 2.0;
    }
    while high / low > PRECISION {
        let middle = (low * high).sqrt();
        let trial = attempt(middle)?;
        if sustained(&trial, middle) {
            (best, low) = (better(best, trial), middle);
        } else {
            high = middle;
        }
    }
    Ok(best)
}

/// The sender reached the rate, and almost all arrived.
fn sustained(trial: &Trial, rate: f64) -> bool {
    trial.loss() <= MOST_LOSS && trial.sent_per_second() >= REACHED * rate
}

fn better(one: Trial, other: Trial) -> Trial {
    if other.delivered_per_second() > one.delivered_per_second() { other } else { one }
}

const PORT: u16 = 5300;
const TRIAL: Duration = Duration::from_millis(700);
/// Datagrams a second of the first trial.
const FIRST: f64 = 8_000.0;
const MOST_LOSS: f64 = 0.01;
const REACHED: f64 = 0.97;
/// The search ends where the failed rate is so close above the sustained one.
const PRECISION: f64 = 1.06;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_close_below_what_a_tunnel_can_carry() {
        let carries = |most: f64| {
            move |rate: f64| {
                let (sent, seconds) = (rate as u64, 1.0);
                Ok(Trial { sent, received: rate.min(most) as u64, seconds })
            }
        };
        for most in [9_000.0, 31_000.0, 700_000.0] {
            let best = highest(carries(most)).unwrap().delivered_per_second();
            assert!(best <= most * 1.011 && best >= most / PRECISION, "{most}: {best}");
        }
    }

    #[test]
    fn a_tunnel_that_carries_nothing_ends_the_search_too() {
        let nothing = |rate: f64| Ok(Trial { sent: rate as u64, received: 0, seconds: 1.0 });
        assert_eq!(highest(nothing).unwrap().delivered_per_second(), 0.0);
    }
}
