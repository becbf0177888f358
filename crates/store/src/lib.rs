//! The gateway's one truth: records and their events.
//!
//! Every change is made in one transaction together with an [`Event`] in an append-only,
//! hash-chained log, and is acknowledged only after that transaction is on the disk. Readers on hot
//! paths use the [`Snapshot`], which is built at start and moved on after each commit, before the
//! acknowledgement; they never touch the database. A change answers with the events that it
//! committed, and by these events, whoever committed them, snapshots move.
//!
//! How it degrades: when the disk is full or the database is damaged, the change that was asked for
//! fails with a [`Fault`] that says what to do, the snapshot stays as it was, and whatever was
//! acknowledged before is still there. A change that withdraws a right is made all the same, in memory,
//! where the database can still be read, and [`Committed::on_disk`] and [`Waiting`] say so until the disk has it.

mod actor;
mod audit;
mod backend;
mod backup;
mod ca_keys;
mod chain;
mod change;
mod copy;
mod deed;
mod error;
mod event;
mod fold;
mod ids;
mod lock;
mod options;
mod outcome;
mod payload;
mod reader;
mod records;
mod request;
mod reserve;
mod rollover;
mod rules;
mod secret;
mod sessions;
mod settings_mark;
mod shards;
mod snapshot;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod verifier;
mod waiting;
mod writer;

pub use clock::Timestamp;
pub use names::{CertificateName, DeviceName, NameError, RevocationReason, UserName};
pub use pki::{CertificateId, CertificateStatus, Serial, SerialError};

pub use actor::Actor;
pub use audit::Difference;
pub use backup::{Restoring, backup, restore};
pub use ca_keys::{ca_keys_forget, ca_keys_read};
pub use change::Committed;
pub use copy::{Beside, CopyError};
pub use deed::Deed;
pub use error::{Cause, Fault, OpenError, Refused, StoreError};
pub use event::{ChainFault, ChainReport, Event, EventKind};
pub use ids::{CaGenerationId, DeviceId, EventId, UserId};
pub use lock::{FolderLock, LockError};
pub use options::Options;
pub use reader::Reader;
pub use records::{
    CaGeneration, CaKey, Certificate, Connected, Crl, Device, DeviceDetail, Ended, Hold, Holder,
    Lease, Listed, NewCaGeneration, NewCertificate, NewCrl, NewKey, NewRollover, Revocation, User,
    UserDetail,
};
pub use rollover::RolloverState;
pub use secret::Secret;
pub use sessions::{SessionNote, SessionQuery, SessionRecord};
pub use settings_mark::{ProfilesOnRecord, SettingsMark};
pub use snapshot::{CertificateEntry, CrlEntry, Snapshot};
pub use store::Store;
pub use verifier::{Depth, Verdict, Verifier};
pub use waiting::Waiting;
