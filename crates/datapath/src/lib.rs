//! The data channel without IO: keys, sealing, opening, and the table of peers behind one worker.
//!
//! This crate exists so that the hot path can be driven by a kernel, a simulated network or a
//! fuzzer alike, and so that the thing behind its messages may one day be another process or
//! Linux's own `ovpn` driver. It knows nothing of TLS, sockets, clocks or threads: a [`Worker`] is
//! told about peers and keys by [`Command`]s, is fed batches, and answers through sinks and
//! [`Notice`]s. One worker owns its peers alone, so there is no lock, and after a peer or a key is
//! installed a packet costs no allocation. Of several workers each has its [`Shard`] of the peers, and
//! hands on what belongs to another's. Limits and rules have one place, [`Rules`], which are asked once for
//! each run of a peer's packets.
//!
//! How it degrades: whatever can't be served is dropped and counted by [`DropCause`]; nothing here
//! blocks, queues packets, or panics on bytes from a stranger.
//!
//! Known gaps: the epoch format (protocol-flags aead-epoch), CBC ciphers, compression framings and
//! `fragment` aren't spoken.

mod batch;
#[doc(hidden)]
pub mod bench;
mod command;
mod counters;
mod endpoint;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod ip;
mod keys;
mod moves;
mod mss;
mod net;
mod notices;
pub mod offload;
mod outbox;
mod pace;
mod peer;
mod remote_peers;
mod replay;
mod routes;
mod rules;
mod shard;
mod table;
#[cfg(test)]
mod testing;
mod worker;

pub use batch::{Datagram, DatagramSink, Packet, PacketSink};
pub use command::{
    Command, CommandRefused, Header, KeepAlive, Mss, MssByUnderlay, Notice, PeerRef, PeerSettings,
    PeerToPeer, RouteChange, Side, WorkerSettings,
};
pub use counters::{DropCause, Drops, PeerCounters};
pub use endpoint::{Carrier, Endpoint, StreamId};
pub use keys::{
    DataKeys, OVERHEAD_V1, OVERHEAD_V2, OpenError, OpenKey, Opened, SealError, SealKey,
};
pub use net::{IpNet, IpNetError};
pub use outbox::{Outbox, Run};
pub use replay::{ReplayWindow, Replayed};
pub use rules::{Decision, Direction, PeerRun, Rules};
pub use shard::Shard;
pub use worker::{Deadline, TimeoutReason, Worker};
