//! The place for limits and rules: whether what a batch brought of one peer may pass.
//!
//! A worker that was given [`Rules`] asks them once for each run of a peer's packets, and drops the whole
//! run if they say so. What a limit is and how it is kept is theirs: nothing here counts, waits or knows
//! a rule. Without them the packet path is as it is.
//!
//! Invariant: no peer answers for what isn't proven to be its own. What comes from a peer is decided on
//! after its tag, its packet id and its source were checked; pings, goodbyes and control packets aren't asked about.

use std::fmt::Debug;

use clock::Now;

use crate::PeerRef;

/// Packets of one peer that came one after the other in one batch, one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerRun {
    /// The peer that sent them, or that they are for.
    pub peer: PeerRef,
    /// Which way they go.
    pub direction: Direction,
    /// How many packets; a super-packet counts as those it is to be cut into.
    pub packets: u64,
    /// Their bytes inside the tunnel; a super-packet's headers count once.
    pub bytes: u64,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer sent them.
    FromPeer,
    /// They are for the peer.
    ToPeer,
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Pass,
    /// Every packet of it is dropped, and counted as [`DropCause::ByRule`](crate::DropCause::ByRule).
    Drop,
}

/// Decides on runs of packets. Called by the packet path, so it must not block.
pub trait Rules: Debug + Send {
    /// Whether these may pass.
    fn decide(&mut self, run: &PeerRun, now: Now) -> Decision;
}
