//! For tests only: a throw-away CA, a seeded random stream, and a hostile network in virtual time.
//!
//! Nothing here is part of the product, so it panics where a test should stop.

mod authority;
mod network;
mod random;
pub mod secrets;

pub use authority::{Authority, Identity, certificate_pem, client_config, server_config};
pub use network::{Network, Weather};
pub use random::Random;
