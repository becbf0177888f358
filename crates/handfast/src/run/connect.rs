//! `handfast connect`: the VPN client in the foreground.

use std::path::PathBuf;

use gateway::admin::failure::{Failure, FailureKind};

use super::Output;

/// What `connect` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectOptions {
    /// The profile.
    pub(crate) profile: PathBuf,
}

/// Runs until it is told to stop.
pub(crate) fn run_connect(options: ConnectOptions) -> Result<Output, Failure> {
    let message = format!("{} can't be connected to yet", options.profile.display());
    Err(Failure::new(FailureKind::Failed, message))
}
