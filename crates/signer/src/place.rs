//! Where a signer finds what it keeps. No deeds.

use std::path::PathBuf;

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The signer's own folder.
    pub folder: PathBuf,
    /// The records, which had the keys in earlier releases.
    pub records: PathBuf,
}
