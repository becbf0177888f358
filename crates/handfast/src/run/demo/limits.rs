//! How long a step may take, and how it fails that took longer or was interrupted.

use std::time::Duration;

use admin::failure::{Failure, FailureKind};

/// A step whose outcome was not what it has to be.
pub(super) fn unseen(what: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Failed, what)
}

/// Somebody asked to stop.
pub(super) fn interrupted() -> Failure {
    Failure::new(FailureKind::Interrupted, "the demo was interrupted; nothing of it is left")
}

/// How long after a revocation somebody may hear something still.
pub(super) const ALLOWED: Duration = Duration::from_secs(1);
/// How long a step may take that takes a second on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
