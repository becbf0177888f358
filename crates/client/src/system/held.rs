//! Routes that do not go with the TUN interface: on record before they are made, removed when the
//! guard is dropped, struck from the record when they are gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sysio::Undo;
use sysio::netlink::{Netlink, NetlinkError, Route, RouteHold};

use super::SystemError;
use super::record::Record;
use crate::Warning;

/// The record, shared by the guards that write to it.
pub(super) type SharedRecord = Arc<Mutex<Record>>;

/// A route of ours.
#[derive(Debug)]
pub(super) struct HeldRoute {
    hold: RouteHold,
    record: SharedRecord,
}

/// Why a route was not made.
pub(super) enum NotHeld {
    /// The kernel refused it.
    Refused(NetlinkError),
    /// It could not be put on record.
    Record(SystemError),
}

impl HeldRoute {
    /// Notes and makes a route.
    pub(super) async fn make(
        netlink: &Netlink,
        route: &Route,
        record: &SharedRecord,
    ) -> Result<Self, NotHeld> {
        lock(record).add(route).map_err(NotHeld::Record)?;
        match netlink.route_hold(route).await {
            Ok(hold) => Ok(Self { hold, record: Arc::clone(record) }),
            Err(error) => {
                // It is not ours to remove.
                lock(record).remove(route).map_err(NotHeld::Record)?;
                Err(NotHeld::Refused(error))
            }
        }
    }

    pub(super) fn route(&self) -> &Route {
        self.hold.route()
    }

    /// Removes it, and says what stays.
    pub(super) fn release(mut self) -> Option<Warning> {
        self.undo().err()
    }

    fn undo(&mut self) -> Result<(), Warning> {
        let stays = |why: String| Warning::NotUndone(why);
        if let Err(error) = self.hold.undo() {
            return Err(stays(format!("{} stays: {error}", self.hold.what())));
        }
        lock(&self.record).remove(self.hold.route()).map_err(|error| stays(error.to_string()))
    }
}

impl Drop for HeldRoute {
    fn drop(&mut self) {
        // Nobody is left to be told; what stays is on record.
        let _ = self.undo();
    }
}

fn lock(record: &SharedRecord) -> MutexGuard<'_, Record> {
    // A record is written whole or not at all.
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
