//! STARTTLS over real streams: [`to_tls`] brings one to where TLS begins, and [`Between`] stands behind TLS for as long
//! as one side would notice it.
//!
//! The crate exists because both doors need it, the one that ends TLS and the one that begins it, and neither knows
//! the other. All words are `starttls`'s; no time limit is set here. How it degrades: a stream that does not come to
//! TLS is given back to nobody, and nothing is sent over it in the clear but what the protocol has for this.

mod between;
mod drive;

pub use between::Between;
pub use drive::{Failed, to_tls, to_tls_after};
