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

impl Place {
    /// The folder until it has its name: keys are on the way into it from the records.
    pub fn moving(&self) -> PathBuf {
        let mut name = self.folder.as_os_str().to_owned();
        name.push(".moving");
        name.into()
    }
}
