//! The gateway put together: settings, store, CA, doors, profiles, control socket and the operations on
//! them.
//!
//! Not here: the tables of the command line (`handfast`), the CA at work (`authority`) and the VPN
//! (`vpn`). The store is the only truth about users, devices and certificates; what follows it registers
//! with [`projections`].
//!
//! How it degrades: a change that is committed stays committed, whatever fails after it; the answer
//! then names the effect that is missing. The CRLs are tried again every minute.

pub mod backup;
pub mod ca_key;
pub mod config;
pub mod control;
pub mod current_view;
pub mod data;
pub mod doors;
pub mod metrics;
mod neighbours;
pub mod profile;
pub mod projections;
pub mod publishing;
mod stapling;
pub mod tls_door;
pub mod vpn_door;

pub use connect::{Admin, ConnectError};
pub use error::GatewayError;
pub use explained::ReasonOf;
pub use first_start::FirstStart;
pub use gateway::{Gateway, InForce};

mod check;
mod connect;
mod context;
mod crl_projection;
mod desk;
mod disk;
mod error;
mod explained;
mod failures;
mod first_start;
mod free_addresses;
mod gateway;
mod history;
mod hooks;
mod maintenance;
mod operations;
mod renewed_here;
mod replacements;
mod tls;
mod tls_auth;
mod told;
mod trusted_roots;
mod verification;
mod warnings;
mod words;

#[cfg(test)]
mod testing;
