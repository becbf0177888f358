//! What users, devices, servers, the gateway and the reasons of a revocation are called.
//!
//! These words stand in certificates, records, events, requests and on the command line alike, so each has
//! one type and one rule here, and whatever reads it from outside (arguments, JSON, rows) goes by it. Not
//! here: what a name is good for.
//!
//! The crate exists so that certificates, records and administration need not know of each other to
//! agree; it rests on nothing of ours. It degrades by refusing, with a [`NameError`].

mod name;
mod reserved;
mod revocation_reason;

pub use name::{CertificateName, DeviceName, GroupName, NameError, UserName};
pub use reserved::{RESERVED_GATEWAY_NAME, is_reserved_name};
pub use revocation_reason::RevocationReason;
