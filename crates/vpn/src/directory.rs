//! What the door asks of whoever knows the records, in its own words.

use std::fmt::Debug;
use std::sync::Arc;

use engine::{Begun, Principal, Report, Revision, Watcher};
use pki::{CertificateId, Fingerprint, Refusal};
use tokio::sync::watch;

use crate::member::Member;
use crate::push::PushPolicy;

/// Knows who may in. Implementations answer from memory.
pub trait Directory: Debug + Send + Sync + 'static {
    /// Who has the certificate of this id and fingerprint, and with which addresses; or why it is
    /// not let in.
    ///
    /// # Errors
    /// The reason why not.
    fn member(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Member, Refusal>;

    /// Whose the certificate of this id and fingerprint is, let in or not; nothing where it is not on
    /// record, or its device is not any more.
    fn holder(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Option<Principal>;

    /// Whether an earlier answer still holds.
    ///
    /// # Errors
    /// The reason why not.
    fn recheck(&self, id: &CertificateId) -> Result<(), Refusal>;

    /// What members are pushed, at this moment.
    fn push(&self) -> Arc<PushPolicy>;

    /// Moves with every change of the records.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// Whether a change after this revision may have ended somebody's right.
    fn may_have_ended(&self, after: Revision) -> bool;

    /// Told of what happened to sessions, in order. Must not block. Gives the number under which somebody may ask why a
    /// client was refused or a session ended, where that is kept.
    fn report(&self, report: &Report) -> Option<u64>;

    /// Who watches the handshakes of this connection, if anybody does.
    fn watch(&self, begun: &Begun<'_>) -> Option<Box<dyn Watcher>>;
}
