//! Segments and super-packets: what the kernel leaves to the far side of a TUN interface that has
//! offload, and what it takes from there in one piece.
//!
//! [`split`] turns one packet of up to 64 KiB into the segments that it stands for, each with its
//! own headers and checksum. [`Coalescer`] is its inverse: it joins consecutive segments of a flow.
//! Walking the kernel's stack once for 45 packets is what makes a tunnel in user space fast.
//!
//! Invariant: a checksum that is merged away was right, and only what the kernel's own receive
//! offload would join is joined. Not here: who may send what, which is settled per packet before.

pub(crate) mod checksum;
mod coalesce;
mod flow;
mod split;
#[cfg(test)]
mod tests;
mod virtio;

pub use coalesce::{Coalescer, Joined, Joining, SuperSink};
pub use flow::flow_hash;
pub(crate) use split::count;
pub use split::{SplitError, split};
pub use virtio::{Segmentation, VirtioError, VirtioHeader};
