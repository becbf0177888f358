//! What is typed behind `cargo xtask bench vpn`, and what the xtask adds to it.

use std::path::PathBuf;

use clap::Parser;

use crate::topology::Mode;

/// The command line. Everything has a default but the binary under test.
#[derive(Debug, Parser)]
#[command(name = "vpn-bench", about = "Handfast beside openvpn and wireguard-go, in one run")]
pub(crate) struct Args {
    /// The release binary of Handfast
    #[arg(long)]
    pub(crate) handfast: PathBuf,
    /// The root of a Debian sid with openvpn and wireguard-go; without it those are skipped
    #[arg(long)]
    pub(crate) sid: Option<PathBuf>,
    /// Interleaved rounds of the headline's TCP
    #[arg(long, default_value_t = 9)]
    pub(crate) rounds: u32,
    /// Rounds of everything else, which takes long; not more than the headline's
    #[arg(long, default_value_t = 3)]
    pub(crate) other_rounds: u32,
    /// Seconds of each TCP measurement, after one that is not counted
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u32,
    /// Only these contestants or groups
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only measurements whose names begin so: tcp, tcp-1, udp-64, ping
    #[arg(long, value_delimiter = ',')]
    pub(crate) measure: Vec<String>,
    /// Only these kinds of link; both unless said
    #[arg(long, value_delimiter = ',')]
    pub(crate) mode: Vec<Mode>,
    /// Where the report goes
    #[arg(long)]
    pub(crate) out: PathBuf,
}
