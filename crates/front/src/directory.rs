//! What the door asks of whoever knows the records, and what it tells them.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use clock::Revision;
use pki::{CertificateId, Fingerprint, Refusal};
use tokio::sync::watch;

use crate::first_message::FirstMessage;
use crate::holder::Holder;
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

    /// Whether the report of a refusal is to bring what the client said first. Asked once for each connection, which
    /// holds it until the client was let in.
    fn wants_first_messages(&self) -> bool;

    /// What happened.
    fn report(&self, report: Report);
}

/// What happened to a connection.
#[derive(Debug)]
pub enum Report {
    /// It was let in.
    Opened(Arc<Info>),
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
        /// What it said first, where that is wanted and began like TLS.
        first: Option<Box<FirstMessage>>,
    },
}
