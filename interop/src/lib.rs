//! Stock OpenVPN beside ours, in namespaces that each test makes and that go with it.
//!
//! ```text
//!    subscriber 1 ──┐
//!    subscriber 2 ──┤ router ── gateway ── host behind it (10.99.0.2, fd99::2)
//!    a stranger   ──┘
//! ```
//!
//! A [`World`] is one gateway with an empty data folder, started as an operator would start it: the
//! binary, a configuration file, commands. What a test needs and the machine lacks is a named skip.

mod broken_disk;
mod delay;
mod failing_disk;
mod iperf;
mod openvpn3;
mod own;
mod ping;
mod postgresql;
mod process;
mod stock;
mod today;
mod transfer;
mod world;

pub use broken_disk::Broken;
pub use delay::Delay;
pub use failing_disk::FailingDisk;
pub use iperf::iperf;
pub use openvpn3::OpenVpn3;
pub use own::{Own, Said};
pub use ping::{Ping, PingReport};
pub use postgresql::postgresql_programs;
pub use process::{Program, wait_until};
pub use stock::Stock;
pub use today::of_today;
pub use transfer::{FileServer, Received, segment_sizes};
pub use world::{Subscriber, World, binary, long, skip};
