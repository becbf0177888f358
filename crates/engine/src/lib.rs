//! The running VPN: sockets, a TUN device and two protocol cores, in both roles.
//!
//! The crate exists to move bytes and to keep order. It decides nothing about the protocol (that is
//! `tunnel` and `datapath`) and nothing about who may in (that is [`Admission`]).
//!
//! ```text
//!  UDP, TCP, TUN  <->    data workers (datapath::Worker)       a thread each, no async runtime
//!                             | control packets, notices  ^ commands
//!                             v                            |
//!                         control task (Gate, table of sessions, sweeps)
//!                             | packets, answers          ^ admission, ends
//!                             v                            |
//!                         session tasks (tunnel::Session), one each; they and the control task
//!                         run on a pool of threads that yields to everything else
//! ```
//!
//! How it degrades: a flood of control packets fills one bounded queue and is dropped there; a
//! session that panics ends alone; a queue to a session that does not keep up drops packets, which
//! the peer sends again.
//!
//! One invariant above all: the control task registers a session before its admission is answered,
//! and sweeps the registered sessions at every change, so that no session outlives its right.

mod admission;
mod affinity;
mod client;
mod control;
mod data;
mod ending;
mod entropy;
mod figures;
mod grant;
mod inbox;
mod offload;
mod peers;
mod pool;
mod server;
mod session;
mod sources;
mod steering;

pub use admission::{Admission, Admitted, Identity, Report, Revision, SessionInfo};
pub use client::{Client, ClientEvent, ClientSettings, Link};
pub use data::{QUEUES_PER_WORKER, StreamEnd};
pub use ending::Ending;
pub use figures::{ControlFigures, DataFigures, Figures, StreamFigures};
pub use grant::DataSettings;
pub use offload::Offloads;
pub use server::{Kick, Server, ServerIo, ServerSettings, StartError};
