//! Keeps the door in step with the records: at every change that took something back, whatever it took back is closed.

use std::sync::Arc;
use std::time::Duration;

use clock::Revision;
use tokio::time::interval;

use crate::shared::Shared;

/// Sweeps for as long as there are changes.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let mut revisions = shared.directory.revisions();
    let mut swept = Revision::NONE;
    let mut look = interval(LOOK);
    loop {
        let present = *revisions.borrow_and_update();
        if present > swept {
            sweep_once(&shared, swept, present).await;
            swept = present;
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            _ = look.tick() => {
                let now = shared.clock.now();
                shared.log.write_repeated(now.boot);
                shared.connections.expire(now.into());
            }
        }
    }
}

async fn sweep_once(shared: &Shared, swept: Revision, present: Revision) {
    let directory = &shared.directory;
    let mut closed = Vec::new();
    if directory.may_have_ended(swept) {
        // First, so that no handshake begins with a certificate whose connections are closed.
        shared.keyring.withdraw(|id| directory.recheck(id).is_ok());
        closed = shared.connections.sweep(|id| directory.recheck(id)).await;
    }
    let certificates = closed.iter().filter_map(|info| info.client.as_ref());
    directory.swept(present, certificates.map(|(_, id)| *id).collect());
}

/// Between two looks at what the log holds back, and at the time.
const LOOK: Duration = Duration::from_secs(10);
