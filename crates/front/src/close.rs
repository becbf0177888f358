//! The registry, shared by connections, sweeper and administration; and waiting until what was closed is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Timestamp;
use pki::{CertificateId, Refusal};
use tokio::sync::{Notify, oneshot};

use crate::registry::{Ended, Info, Kick, Registry};
use crate::sums::Sums;

/// All that are open.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    registry: Mutex<Registry>,
    gone: Notify,
}

/// A connection's place in the registry. Dropping it says that the connection is gone, so sockets are dropped
/// before it.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    pub(crate) info: Arc<Info>,
}

impl Connections {
    /// A place for the connection that `info` makes of its number, and what tells it to close.
    pub(crate) fn register(
        self: &Arc<Self>,
        info: impl FnOnce(u64) -> Info,
    ) -> (Place, oneshot::Receiver<Ended>) {
        let (info, closing) = self.registry().register(info);
        (Place { connections: Arc::clone(self), info }, closing)
    }

    /// Closes those whose right has ended, and gives them once they are gone.
    pub(crate) async fn sweep(
        &self,
        recheck: impl Fn(&CertificateId) -> Result<(), Refusal>,
    ) -> Vec<Arc<Info>> {
        let closed = self.registry().sweep(recheck);
        self.all_gone(&closed).await;
        closed
    }

    /// Has those closed whose right has ended, and waits for none.
    pub(crate) fn look(&self, recheck: impl Fn(&CertificateId) -> Result<(), Refusal>) {
        self.registry().sweep(recheck);
    }

    /// Has those closed whose certificate has ended.
    pub(crate) fn expire(&self, now: Timestamp) {
        self.registry().expire(now);
    }

    /// Closes those who are meant, and gives them once they are gone.
    pub(crate) async fn kick(&self, whom: &Kick) -> Vec<Arc<Info>> {
        let closed = self.registry().kick(whom);
        self.all_gone(&closed).await;
        closed
    }

    /// Who is connected.
    pub(crate) fn infos(&self) -> Vec<Arc<Info>> {
        self.registry().infos()
    }

    /// What connections carried so far.
    pub(crate) fn sums(&self) -> Sums {
        self.registry().sums()
    }

    async fn all_gone(&self, closed: &[Arc<Info>]) {
        for info in closed {
            loop {
                let next = self.gone.notified();
                tokio::pin!(next);
                // Before the look, so that no word comes between the two unheard.
                next.as_mut().enable();
                if !self.registry().has(info.number) {
                    break;
                }
                next.await;
            }
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.registry().remove(self.info.number);
        self.connections.gone.notify_waiters();
    }
}
