//! The gateway's one truth: records and their events, on SQLite.
//!
//! Every change is made in one transaction together with an [`Event`] in an append-only,
//! hash-chained log, and is acknowledged only after that transaction is on the disk. Readers on hot
//! paths use the [`Snapshot`], which is built at start and moved on after each commit, before the
//! acknowledgement; they never touch the database.
//!
//! How it degrades: when the disk is full or the database is damaged, the change that was asked for
//! fails with a [`StoreError`] that says what to do, the snapshot stays as it was, and whatever was
//! acknowledged before is still there.

mod actor;
mod chain;
mod change_certificates;
mod change_users;
mod error;
mod event;
mod ids;
mod lock;
mod names;
mod reader;
mod records;
mod rows;
mod schema;
mod secret;
mod snapshot;
mod store;
mod txn;
mod writer;

pub use pki::{RevocationReason, Serial, SerialError};

pub use actor::Actor;
pub use error::StoreError;
pub use event::{ChainFault, ChainReport, Event, EventKind};
pub use ids::{CaGenerationId, DeviceId, EventId, UserId};
pub use names::{DeviceName, NameError, UserName};
pub use reader::Reader;
pub use records::{
    CaGeneration, Certificate, Connected, Crl, Device, DeviceDetail, Holder, Lease,
    NewCaGeneration, NewCertificate, NewCrl, NewKey, Revocation, User, UserDetail,
};
pub use secret::Secret;
pub use snapshot::{CertificateEntry, Snapshot, Standing};
pub use store::{Follower, Options, Store};
