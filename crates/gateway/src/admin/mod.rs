//! Administration: the commands an operator gives, as values.
//!
//! The same [`protocol::Request`] is carried over the control socket of a running gateway or
//! executed straight on the store while none runs; both give the same [`protocol::Response`].

pub mod answer;
pub mod failure;
pub mod figures;
pub mod protocol;
pub mod secret;
pub mod timestamp;
