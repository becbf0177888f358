//! The PROXY protocol, versions 1 and 2: what stands before a connection's first octet and says who the client is.
//!
//! Whoever may say so is believed without proof, so a source that is not listed and says so all the same is an
//! error, and so is a listed one that says nothing. [`Preamble::read`] takes what has come so far; the rest of the
//! connection is the caller's. [`Preamble::to_v1`] and [`Preamble::to_v2`] write one for a backend.
//!
//! Not here: sockets and time limits. How it degrades: a malformed preamble is an error and never a guess.

pub mod fuzzing;
mod listed;
mod preamble;
mod secured;

pub use listed::{Listed, NotANetwork};
pub use preamble::{Addresses, LONGEST, NotProxied, NotWritten, Preamble, Progress, says_proxied};
pub use secured::Secured;
