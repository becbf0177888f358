//! The gateway put together: store, CA, publishing, control socket and the operations on them.
//!
//! Not here: the wording of the command line (`handfast`) and the running VPN (`engine`). The
//! store is the only truth; everything else here is a projection of it or a change to it.
//!
//! How it degrades: a change that is committed stays committed, whatever fails after it; the answer
//! then names the effect that is missing, and it is tried again every minute.

pub mod config;
pub mod control;
pub mod data;
pub mod doors;
pub mod live;
pub mod metrics;
pub mod profile;
pub mod projections;
pub mod vpn_door;

pub use connect::Admin;
pub use error::GatewayError;
pub use gateway::{FirstStart, Gateway};

mod check;
mod connect;
mod crl_projection;
mod error;
mod failures;
mod gateway;
mod maintenance;
mod operations;
mod tls_auth;
mod words;

#[cfg(test)]
mod testing;
