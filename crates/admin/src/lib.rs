//! Administration as values: what an operator asks, who may ask it, and what is answered.
//!
//! The same [`request::Request`] is carried over the control socket of a running gateway or executed
//! straight on the records while none runs; both give the same [`response::Response`]. Not here: the
//! words a person reads (`handfast`) and whatever carries a request out (`gateway`).
//!
//! The crate exists so that a command line, a portal or a test can speak with a gateway without
//! knowing how it is built: it rests on the words that all share (`names`, moments of `clock`) alone.

pub mod failure;
pub mod metrics;
pub mod names;
pub mod permission;
pub mod protocol;
pub mod request;
pub mod response;
pub mod secret;
pub mod transport;
