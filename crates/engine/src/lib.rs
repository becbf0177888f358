//! The running VPN: sockets, a TUN device and two protocol cores, in both roles.
//!
//! The crate exists to move bytes and to keep order. It decides nothing about the protocol (that is
//! `tunnel` and `datapath`) and nothing about who may in (that is [`Admission`]).
//!
//! ```text
//!  UDP, TCP, TUN  <->    data workers (datapath::Worker)       a thread each, no async runtime
//!                             | control packets, notices  ^ commands
//!                             v                            |
//!                         control task (drives the gate and the session registry)
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
//! The data workers are one [`DataPlane`], in user space; [`Server::start_on`] takes any other.
//!
//! One invariant above all: a session is registered before it is told that it is let in, and the
//! registered sessions are swept at every change that may have ended a right, so that none outlives its
//! own. What decides that is a core without tasks or sockets (`registry`), which a model test drives at
//! random.

mod admission;
mod affinity;
mod client;
mod control;
mod data;
mod denied;
mod disconnect;
mod driver;
mod figures;
mod grant;
mod identity;
mod inbox;
mod knocked;
mod leaving;
mod messages;
mod offload;
mod pool;
mod registry;
mod server;
mod session;
mod steering;
mod watch;

pub(crate) use admission::Decision;
pub use admission::{Admission, AdmissionRequest, Admitted, Report, SessionInfo};
pub use client::{Client, ClientEvent, ClientSettings, Link};
pub use clock::Revision;
pub use data::{
    ControlDatagram, DataPlane, ForeignStream, PlaneOutputs, QUEUES_PER_WORKER, SharedPlane,
    StreamEnd, StreamEnded, StreamOrder,
};
pub use datapath::DropCause;
pub use denied::Denied;
pub use disconnect::DisconnectReason;
pub use driver::{Driver, Happened, KeyChange, Surroundings, fresh_seed};
pub use figures::{ControlFigures, DataFigures, Figures, Knocks, LastFrom, StreamFigures};
pub use grant::DataSettings;
pub use identity::{Credential, Identity, Principal};
pub use offload::Offloads;
pub use pool::step_back;
pub use registry::Kick;
pub use server::{Server, ServerIo, ServerSettings, StartError};
pub use watch::{Became, Begun, Watcher};
