//! What the writer thread is asked, and where its answers go.

use tokio::sync::oneshot;

use crate::change::{Made, Proposal};
use crate::error::StoreError;

/// What the writer thread is asked.
pub(crate) enum Request {
    Change(Box<Proposal>, Reply),
    /// To try the disk again for what waits for it.
    WriteWaiting,
    /// Answered with the number of changes that the disk never took.
    Stop(oneshot::Sender<usize>),
}

/// Where the events of a change go.
pub(crate) type Reply = oneshot::Sender<Result<Made, StoreError>>;
