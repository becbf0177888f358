//! The place for limits and rules: whether what a batch brought of one peer may pass.
//!
//! A worker that was given [`Rules`] asks them once for each run of a peer's packets, and drops the whole
//! run if they say so. What a limit is and how it is kept is theirs: nothing here counts, waits or knows
//! a rule. Without them the packet path is as it is.
//!
//! Invariant: nobody is judged by what isn't proven to be theirs. What comes from a peer is judged after
//! its tag, its packet id and its source were checked; pings, goodbyes and control packets aren't judged.

use std::fmt::Debug;

use clock::Now;

use crate::PeerRef;

/// Packets of one peer that came one after the other in one batch, one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerRun {
    /// Whose they are, or for whom.
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
pub enum Verdict {
    /// It goes on.
    Pass,
    /// Every packet of it is dropped, and counted as [`DropCause::ByRule`](crate::DropCause::ByRule).
    Drop,
}

/// Judges runs of packets. Called by the packet path, so it must not block.
pub trait Rules: Debug + Send {
    /// Whether these may pass.
    fn judge(&mut self, run: &PeerRun, now: Now) -> Verdict;
}
