//! A request put to the running gateway, or to the store while none runs.

use std::path::Path;

use gateway::admin::failure::{Failure, FailureKind};
use gateway::admin::protocol::{Reply, Request};

/// Asks and waits for the answer.
pub(crate) fn ask(_data: &Path, _request: Request) -> Reply {
    Err(Failure::new(FailureKind::NotRunning, "no gateway runs"))
}
