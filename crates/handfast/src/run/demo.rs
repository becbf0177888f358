//! `handfast demo`: the whole story in throw-away network namespaces.

use gateway::admin::failure::{Failure, FailureKind};

use super::Output;

/// What `demo` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoOptions {
    /// Whether missing packages may be installed.
    pub(crate) install: bool,
}

/// Shows it.
pub(crate) fn run_demo(options: DemoOptions) -> Result<Output, Failure> {
    let message = format!("the demo can't run yet (install: {})", options.install);
    Err(Failure::new(FailureKind::Failed, message))
}
