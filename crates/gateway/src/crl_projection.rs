//! The CRLs of all issuers, kept in step with the recorded revocations and signed anew at half their
//! life: the one place from which they are signed.

use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, AuthorityError};
use engine::Revision;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::current_view::CurrentView;
use crate::projections::{Name, Projection, Projections};

/// The projection's task, and the way to have it look at once. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct CrlProjection {
    task: AbortHandle,
    looks: mpsc::Sender<oneshot::Sender<()>>,
}

impl CrlProjection {
    /// Signs what is missing, then follows the records. Needs a tokio runtime.
    pub(crate) async fn start(
        authority: Arc<Authority>,
        view: CurrentView,
        projections: &Projections,
    ) -> Self {
        let projection = projections.register_behind(NAME);
        let (looks, asked) = mpsc::channel(1);
        // Before the first look, so that nothing comes between the two unseen.
        let revisions = view.revisions();
        let mut follower = Follower { authority, view, projection, looked: Revision::NONE };
        // Who is let in does not hang on it; and one of a former CA that can't be signed is no reason to stay away.
        if let Err(error) = follower.catch_up().await {
            tracing::error!(%error, "the CRL could not be signed; it is tried again");
        }
        let task = tokio::spawn(follower.follow(revisions, asked)).abort_handle();
        Self { task, looks }
    }

    /// Has it look at the clock and the records, and waits until it did.
    pub(crate) async fn look(&self) {
        let (done, wait) = oneshot::channel();
        if self.looks.send(done).await.is_ok() {
            let _ = wait.await;
        }
    }
}

impl Drop for CrlProjection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    authority: Arc<Authority>,
    view: CurrentView,
    projection: Projection,
    /// Up to here the CRL says all that it has to.
    looked: Revision,
}

impl Follower {
    async fn follow(
        mut self,
        mut revisions: watch::Receiver<Revision>,
        mut asked: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        loop {
            let (asked_to, done) = tokio::select! {
                changed = revisions.changed() => match changed {
                    Ok(()) => (false, None),
                    Err(_) => return,
                },
                Some(done) = asked.recv() => (true, Some(done)),
                () = sleep(LOOK) => (true, None),
            };
            // First how far, then whether something is lacking: what comes between is looked at next.
            let present = self.present();
            if !asked_to && !self.lacks_some() {
                self.projection.passed(present, []);
            } else {
                self.projection.turn(present).await;
                if let Err(error) = self.catch_up().await {
                    // Whoever waits is told; and it is tried again at the next look.
                    tracing::error!(%error, "the CRL could not be signed; it is tried again");
                }
            }
            if let Some(done) = done {
                let _ = done.send(());
            }
        }
    }

    /// Whether a standing changed that the CRL was not compared with.
    fn lacks_some(&self) -> bool {
        self.view.snapshot().standing_changed().revision() > self.looked
    }

    async fn catch_up(&mut self) -> Result<(), AuthorityError> {
        let present = self.present();
        match self.authority.crls_catch_up().await {
            Ok(()) => {
                self.looked = present;
                self.projection.passed(present, []);
                Ok(())
            }
            Err(error) => {
                self.projection.failed(present, error.to_string());
                Err(error)
            }
        }
    }

    fn present(&self) -> Revision {
        self.view.snapshot().through().revision()
    }
}

const NAME: Name =
    Name { code: "crl", of: "the CRL", lack: "could not be signed", follows_the_crl: false };
/// A wall clock may be set, so that no timer can wait for half the CRL's life.
const LOOK: Duration = Duration::from_secs(60);
