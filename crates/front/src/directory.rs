//! What the door asks of whoever knows the records, and what it tells them.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use clock::Revision;
use pki::{CertificateId, Fingerprint, Refusal};
use tokio::sync::watch;

use crate::holder::Holder;
use crate::overheard::{Overheard, Wanted};
use crate::refused::Refused;
use crate::registry::{Ended, Info};

/// Knows who may in. Asked on the path of every connection, so it answers from memory.
pub trait Directory: Send + Sync + Debug {
    /// The holder of a leaf whose chain was verified, if it may connect at this moment.
    ///
    /// # Errors
    /// Why it may not.
    fn holder(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Holder, Refusal>;

    /// Whose it is or was, for logs and refusals.
    fn named(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Option<Holder>;

    /// Whether the certificate of this id may be used, for sweeps and for the second look.
    ///
    /// # Errors
    /// Why it may not.
    fn recheck(&self, id: &CertificateId) -> Result<(), Refusal>;

    /// Tells when the records changed.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// Whether some certificate may have become worth less since.
    fn may_have_ended(&self, after: Revision) -> bool;

    /// All that this revision demands is in force; connections by these certificates were closed for it.
    fn swept(&self, through: Revision, closed: Vec<CertificateId>);

    /// Of which handshakes a report is to bring what was said. Asked once for each connection, which holds it until the
    /// client was let in.
    fn handshakes_wanted(&self) -> Wanted;

    /// What happened. Gives the number under which somebody may ask why a client was refused or a connection ended, where
    /// that is kept.
    fn report(&self, report: &Report) -> Option<u64>;
}

/// What happened to a connection.
#[derive(Debug)]
pub enum Report {
    /// It was let in; and its handshake, where that is wanted.
    Opened(Arc<Info>, Option<Arc<Overheard>>),
    /// It is over.
    Closed(Arc<Info>, Ended),
    /// It was not let in.
    Refused {
        /// Where it came from.
        source: SocketAddr,
        /// The address of ours that it came to, where that is known.
        local: Option<SocketAddr>,
        /// Whose certificate it showed, where that is known.
        whom: Option<Holder>,
        /// Why.
        why: Refused,
        /// What was said, where that is wanted and began like TLS.
        heard: Option<Arc<Overheard>>,
    },
}
