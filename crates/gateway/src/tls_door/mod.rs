//! The TLS door in this gateway: opened with the gateway's records and certificates, and answered for.
//!
//! Settings that name no address open nothing; a reload that names one opens it then. Nothing here holds the gateway:
//! the door has the current view, the authority and the counters, each by itself.

use std::sync::Arc;
use std::time::Duration;

use certificates::Certificates;
use handle::TlsHandle;
use tokio::task::AbortHandle;
use tokio::time::{interval, sleep};

use crate::gateway::Gateway;

mod certificates;
mod client_ports;
mod counters;
mod file_reader;
mod files;
mod handle;
mod listing;
mod ordered;
mod records;
mod served;
mod told;
pub(crate) mod unopened;

/// What is open. Dropping it closes it, with its connections.
#[derive(Debug)]
pub struct TlsDoor {
    handle: Arc<TlsHandle>,
    /// Each waits for something else, and none for the other.
    tasks: [AbortHandle; 3],
}

impl Drop for TlsDoor {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.handle.close();
    }
}

/// Opens the door as the settings have it, as far as it can be had, and has it answer for its connections. Needs a
/// tokio runtime.
pub async fn open(gateway: &Gateway) -> TlsDoor {
    let at = gateway.context();
    let handle = Arc::new(TlsHandle::new(at, Certificates::new(at)));
    at.doors.attach(Arc::clone(&handle) as _);
    handle.open().await;
    let keeper = tokio::spawn(keep(Arc::clone(&handle)));
    let orders = tokio::spawn(order(Arc::clone(&handle)));
    let files = tokio::spawn(glance(Arc::clone(&handle)));
    let tasks = [keeper, orders, files].map(|task| task.abort_handle());
    TlsDoor { handle, tasks }
}

/// Renews certificates in time, and those that were revoked at once.
async fn keep(handle: Arc<TlsHandle>) {
    let mut revisions = handle.revisions();
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            _ = look.tick() => {
                handle.listen_again().await;
                handle.client_ports_follow().await;
            }
        }
        handle.certificates_follow().await;
    }
}

/// Has certificates read that somebody puts into files.
async fn glance(handle: Arc<TlsHandle>) {
    loop {
        handle.files_follow().await;
        sleep(GLANCE).await;
    }
}

/// Has certificates made by another CA, and renewed in time.
async fn order(handle: Arc<TlsHandle>) {
    loop {
        let pause = handle.order().await;
        tokio::select! {
            () = sleep(pause) => {}
            () = handle.may_be_mended() => {}
        }
    }
}

/// A wall clock may be set, so that no timer can wait for two thirds of a certificate's life.
const LOOK: Duration = Duration::from_secs(60);
/// At files that somebody may have written.
const GLANCE: Duration = Duration::from_secs(2);
