//! The gateway put together: store, CA, publishing, control socket and the operations on them.
//!
//! Not here: the wording of the command line (`handfast`) and the running VPN (`engine`). The
//! store is the only truth; everything else here is a projection of it or a change to it.

pub mod admin;
pub mod config;
pub mod control;
pub mod data;
pub mod effects;
pub mod profile;

#[cfg(test)]
mod testing;
