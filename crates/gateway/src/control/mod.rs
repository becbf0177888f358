//! The control socket: a running gateway's door for commands, in its data folder.
//!
//! One JSON line each way: a [`Call`](admin::protocol::Call), then its
//! [`Reply`](admin::protocol::Reply). A connection may carry several calls, one after the
//! other. Root, the gateway's own user and the group `handfast` are let in; the kernel says who
//! somebody is, and every event names that somebody.

pub use client::Client;
pub use server::{ControlServer, Execute};

pub(crate) use peer::own_user;

mod client;
mod line;
mod peer;
mod server;

#[cfg(test)]
mod tests;
