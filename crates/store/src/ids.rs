//! Typed numbers of rows: users, devices, CA generations and events.

use std::fmt;

use serde::Serialize;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number that the database knows.
            pub fn get(self) -> i64 {
                self.0
            }

            #[allow(dead_code, reason = "not every kind of id is read back")]
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
row_id! {
    /// An event. Ids are dense and in the order of commits: 1 is the first.
    EventId
}

impl EventId {
    /// Before the first event: `event_list(EventId::NONE, ..)` starts at the beginning.
    pub const NONE: EventId = EventId(0);

    /// From a number that a user or another process gave back.
    pub fn new(id: u64) -> Self {
        Self(i64::try_from(id).unwrap_or(i64::MAX))
    }
}
