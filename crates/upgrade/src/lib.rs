//! STARTTLS over real streams: [`to_tls`] brings one to where TLS begins, [`Between`] stands behind TLS for as long
//! as one side would notice it, and [`doors`] are for connections beside it.
//!
//! The crate exists because both doors need it, the one that ends TLS and the one that begins it, and neither knows
//! the other. All words are `starttls`'s; time limits are set here for nobody but a door. How it degrades: a stream that
//! does not come to TLS is given back to nobody, and nothing is sent over it in the clear but what the protocol has for
//! this.

mod between;
mod doors;
mod drive;
mod whole;

pub use between::Between;
pub use doors::{SocketDoors, Transfers, doors};
pub use drive::{Failed, to_tls, to_tls_after};
pub use whole::{Unfinished, carry_file};
