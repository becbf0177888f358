//! How far the records have come: time as it is told by changes.
//!
//! One type from the commit to the closed session, and back to the command that waits for it. It says
//! nothing about what changed.

/// The number of the last change, which is that of its event in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// Before the first change.
    pub const NONE: Revision = Revision(0);

    /// The change with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of the change.
    pub const fn get(self) -> u64 {
        self.0
    }
}
