//! A load generator: many OpenVPN sessions from one thread of one process, against any server.
//!
//! The crate exists to ask what a server bears: a storm of handshakes, sessions that are only kept
//! alive, and packets through them. The sessions are `tunnel`'s, the keys `datapath`'s; there is no
//! TUN device, since the inner packets are made here ([`PacketSettings`]).
//!
//! Each session has a UDP socket of its own, because a stock server tells its clients apart by their
//! addresses. A session that fails or is lost is counted by its reason and not tried again.
//!
//! How it degrades: what this machine can't do (file descriptors, ports) ends the run with the mend;
//! what the server does wrong is a figure of the [`Report`].
//!
//! One invariant: nothing is changed on this machine, and everything ends by itself.

mod error;
mod limits;
mod link;
mod report;
mod run;
mod subscriber;

pub use error::LoadError;
pub use report::{ConnectFigures, HoldFigures, PacketFigures, Report, Spread};
pub use run::{PacketSettings, Progress, Settings, run};
pub use subscriber::{Subscriber, read_profiles};
