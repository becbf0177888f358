//! Typed numbers of users, devices, CA generations and events.

use std::fmt;

use clock::Revision;
use serde::{Deserialize, Serialize};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number that the database knows.
            pub fn get(self) -> i64 {
                self.0
            }

            pub(crate) fn from_row(id: i64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// A user. Never used again for another one.
    UserId
}
row_id! {
    /// A device. Never used again for another one.
    DeviceId
}
row_id! {
    /// One generation of the CA: 1 is the first.
    CaGenerationId
}
/// An event. Ids are dense and in the order of commits: 1 is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(u64);

impl EventId {
    /// Before the first event: `event_list(EventId::NONE, ..)` starts at the beginning.
    pub const NONE: EventId = EventId(0);

    /// From a number that a user or another process gave back.
    pub fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// How far the records have come once this event is in them.
    pub fn revision(self) -> Revision {
        Revision::new(self.0)
    }

    /// The event after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
