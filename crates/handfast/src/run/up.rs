//! `handfast up`: the gateway in the foreground.

use std::path::PathBuf;

use gateway::admin::failure::{Failure, FailureKind};
use gateway::config::PublicName;

use super::Output;

/// What `up` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpOptions {
    /// The data folder, made where it is missing.
    pub(crate) data: PathBuf,
    /// What profiles point to, where it was typed.
    pub(crate) public: Option<PublicName>,
}

/// Runs until it is told to stop.
pub(crate) fn run_up(options: UpOptions) -> Result<Output, Failure> {
    let message = format!("the gateway on {} can't run yet", options.data.display());
    Err(Failure::new(FailureKind::Failed, message).because(format!("{:?}", options.public)))
}
