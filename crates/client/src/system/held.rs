//! Routes that do not go with the TUN interface: on record before they are made, removed when the
//! guard is dropped, struck from the record when they are gone.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sysio::Undo;
use sysio::netlink::{Netlink, NetlinkError, Route, RouteHold};
use tokio::sync::oneshot;

use super::SystemError;
use super::record::Record;
use crate::Warning;

/// The record, shared by the guards that write to it.
pub(super) type SharedRecord = Arc<Mutex<Record>>;

/// Held while a route is being made.
pub(super) type Making = Arc<tokio::sync::Mutex<()>>;

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
    /// Notes and makes a route, on a task of its own: a request that the kernel has can't be taken back, so
    /// that whoever stops waiting for the answer leaves it to the task to undo what came of it. Until then
    /// `making` is held.
    pub(super) async fn make(
        netlink: &Arc<Netlink>,
        route: &Route,
        record: &SharedRecord,
        making: &Making,
    ) -> Result<Self, NotHeld> {
        let turn = Arc::clone(making).lock_owned().await;
        let (netlink, route, record) = (Arc::clone(netlink), *route, Arc::clone(record));
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let made = Self::make_now(&netlink, &route, record).await;
            // Nobody waits any more: it comes back, and is undone.
            drop(answer.send(made));
            drop(turn);
        });
        let gone = |_| NotHeld::Record(SystemError::Netlink(io::ErrorKind::Interrupted.into()));
        answered.await.unwrap_or_else(|lost| Err(gone(lost)))
    }

    async fn make_now(
        netlink: &Netlink,
        route: &Route,
        record: SharedRecord,
    ) -> Result<Self, NotHeld> {
        let record = &record;
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use sysio::netlink::{IpFamily, LinkChange};
    use sysio::{Netns, Network};

    use super::*;

    #[test]
    fn a_route_whose_maker_stops_waiting_is_undone() {
        let Ok(netns) = Netns::create() else {
            println!("SKIP a_route_whose_maker_stops_waiting_is_undone: namespaces need root");
            return;
        };
        let state = std::env::temp_dir().join(format!("client-held-{}", std::process::id()));
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        netns.run(|| runtime().unwrap().block_on(give_up_again_and_again(&state))).unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }

    async fn give_up_again_and_again(state: &std::path::Path) {
        let netlink = Arc::new(Netlink::open().unwrap());
        let lo = netlink.link_index("lo").await.unwrap();
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        netlink.link_set(lo, up).await.unwrap();
        let (record, _) = Record::open(state, &netlink).await.unwrap();
        let (record, making) = (Arc::new(Mutex::new(record)), Making::default());
        let network = Network::new([192, 0, 2, 0].into(), 24).unwrap();
        let route = Route::on_link(network, lo);
        for steps in 0..40 {
            let mut make = Box::pin(HeldRoute::make(&netlink, &route, &record, &making));
            // So far, and no further.
            for _ in 0..steps {
                let step = async {
                    tokio::select! {
                        biased;
                        made = &mut make => Some(made),
                        () = ready(()) => None,
                    }
                };
                if step.await.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(make);
            drop(making.lock().await);
            let left = netlink.route_list(IpFamily::V4).await.unwrap();
            assert!(left.is_empty(), "after {steps} steps: {left:?}");
            assert!(lock(&record).is_empty(), "after {steps} steps");
        }
    }
}
