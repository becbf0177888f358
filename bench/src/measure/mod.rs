//! What is measured through a tunnel.
//!
//! Each measurement gives named figures and the share of time that the hypervisor took away
//! meanwhile; whoever called decides whether that spoils it.

mod iperf;
mod netstat;
mod ping;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::contestants::Tunnel;
use crate::cpu::{Reading, Spent};
use crate::error::BenchError;
use crate::interrupt;
use crate::topology::Topology;

/// A tunnel under measurement.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    /// The two hosts.
    pub(crate) topology: &'a Topology,
    /// What runs between them.
    pub(crate) tunnel: &'a Tunnel,
    /// Processors' worth of CPU that the machine spends while the tunnel is idle.
    pub(crate) idle: f64,
    /// Seconds of a TCP measurement.
    pub(crate) seconds: u32,
    /// For the tools' logs.
    pub(crate) log: PathBuf,
}

/// The figures of one measurement by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Streams of TCP.
    Tcp {
        /// How many at once.
        streams: u32,
        /// From the client to the server.
        up: bool,
    },
    /// The highest rate of datagrams, client to server.
    Udp {
        /// Bytes of payload.
        size: usize,
        /// Joined in the sender's and the receiver's socket, as QUIC does.
        joined: bool,
    },
    /// Round trips.
    Ping {
        /// Beside one TCP stream at full speed.
        loaded: bool,
    },
}

impl Measure {
    /// As in reports and on the command line.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tcp { streams, up } => {
                format!("tcp-{streams}-{}", if up { "up" } else { "down" })
            }
            Self::Udp { size, joined } => format!("udp-{size}{}", if joined { "-gso" } else { "" }),
            Self::Ping { loaded } => format!("ping-{}", if loaded { "loaded" } else { "idle" }),
        }
    }

    /// Does it. Returns the figures and the stolen share of time.
    pub(crate) fn run(self, bench: &Bench<'_>) -> Result<(Figures, f64), BenchError> {
        match self {
            Self::Tcp { streams, up } => tcp::measure(bench, streams, up),
            Self::Udp { size, joined } => udp::measure(bench, size, joined),
            Self::Ping { loaded } => ping::measure(bench, loaded),
        }
    }
}

/// Measures the machine while the tunnel is idle: processors' worth of CPU.
pub(crate) fn idle(tunnel: &Tunnel) -> Result<f64, BenchError> {
    let spent = spent_during(&tunnel.ids(), || interrupt::sleep(IDLE))?.1;
    Ok(spent.busy / spent.seconds)
}

/// Does something and says what the processors did meanwhile.
fn spent_during<T>(
    ids: &[Vec<u32>; 2],
    work: impl FnOnce() -> Result<T, BenchError>,
) -> Result<(T, Spent), BenchError> {
    let before = Reading::take(ids)?;
    let result = work()?;
    Ok((result, Reading::take(ids)?.since(&before)))
}

/// Everything, in the order in which it is done.
pub(crate) const ALL: &[Measure] = &[
    Measure::Ping { loaded: false },
    Measure::Tcp { streams: 1, up: true },
    Measure::Tcp { streams: 1, up: false },
    Measure::Tcp { streams: 4, up: true },
    Measure::Tcp { streams: 4, up: false },
    Measure::Ping { loaded: true },
    Measure::Udp { size: 64, joined: false },
    Measure::Udp { size: 512, joined: false },
    Measure::Udp { size: 1300, joined: false },
    Measure::Udp { size: 1300, joined: true },
];

const IDLE: Duration = Duration::from_secs(1);
