//! What the control plane asks of a data plane, whoever moves the packets.
//!
//! User space is one ([`super::user_space`]): workers that share out the peers among themselves. Another
//! may stand behind it, as the kernel; so peers are named by slot and generation, the verbs are close to
//! those of Linux's `ovpn` driver (a peer has up to eight keys here, and one is named to seal with), and
//! how workers hand packets over is not asked of it. `tests/data_plane.rs` has one in memory.
//!
//! Invariants: what a peer sends on being told of a key, and what is answered to that, is looked at after the
//! commands that make the peer, the ways to it and the key. A peer's first packet is answered under its key, if that is
//! fresh, whether or not the control plane has heard of the packet and said `KeySwap`. And nothing is opened or sealed
//! for a peer once its `PeerDel` was answered.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use datapath::{Command, Endpoint, Notice, PeerRef, Shard, StreamId};
use tokio::sync::mpsc;

use super::ControlDatagram;
use super::streams::{ForeignStream, StreamEnded, StreamOrder};
use crate::figures::DataFigures;

/// A data plane, as its holders share it.
pub type SharedPlane = Arc<dyn DataPlane>;

/// What a data plane says, and reads that isn't data.
#[derive(Debug)]
pub struct PlaneOutputs {
    /// Control packets, bounded: what finds no room is sent again.
    pub control: mpsc::Receiver<ControlDatagram>,
    /// What became of peers and keys.
    pub notices: mpsc::UnboundedReceiver<Notice>,
    /// Adopted TCP connections that are gone.
    pub ended_streams: mpsc::UnboundedReceiver<StreamEnded>,
}

/// See the module's text. Answers come as notices.
pub trait DataPlane: Debug + Send + Sync {
    /// Applies a command, after those that were given before.
    fn apply(&self, command: Command);

    /// A valid control packet came from the peer, which is alive.
    fn heard(&self, peer: PeerRef);

    /// Sends control packets that leave together.
    fn send_control(&self, endpoint: &Endpoint, packets: Vec<Vec<u8>>);

    /// Asks something of a TCP connection.
    fn stream(&self, stream: StreamId, order: StreamOrder);

    /// Takes a TCP connection that came in elsewhere. A plane that has none closes it.
    fn take_in(&self, stream: ForeignStream) {
        drop(stream);
    }

    /// Sends a peer a ping at once.
    fn send_ping(&self, peer: PeerRef);

    /// Tells a peer in the data channel that we go.
    fn send_exit(&self, peer: PeerRef);

    /// How peers' slots are shared out, where that matters to who gives them out.
    fn shard(&self) -> Shard;

    /// What the receive buffer for datagrams holds, as the kernel counts it, in bytes; `None` where there
    /// is none to tell a peer of.
    fn receive_buffer(&self) -> Option<u32>;

    /// What was counted.
    fn figures(&self) -> Pin<Box<dyn Future<Output = DataFigures> + Send + '_>>;

    /// Moves no packet any more.
    fn stop(&self);

    /// Lets go of what it sends control packets by, whoever holds the plane still: its addresses are free again.
    fn let_go(&self) {}
}
