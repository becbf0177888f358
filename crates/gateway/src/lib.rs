//! The gateway, put together: store, engine, publishing and the control socket.
//!
//! This crate composes; protocol decisions live in the cores below it.

pub mod admin;
pub mod profile;
