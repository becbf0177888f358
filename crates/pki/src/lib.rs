//! The certificates behind every door: what they hold, how they are signed, whether they still hold.
//!
//! It exists so that one place knows the profile of a certificate and one place knows why a
//! certificate is refused. It does no IO and reads no clock: time and entropy are arguments.
//! One named exception: generating a key and making a signature draw on the randomness inside
//! aws-lc-rs, as TLS itself does.
//!
//! It degrades by refusing: whatever cannot be read, checked or found is a [`Refusal`] with a
//! reason, never an acceptance.

mod refusal;
mod revocation;
mod serial;
mod timestamp;
mod tls;
mod verify;

pub use refusal::{Purpose, Refusal, refusal_of};
pub use revocation::RevocationReason;
pub use serial::{Serial, SerialError};
pub use timestamp::Timestamp;
pub use tls::{
    ClockTime, DualResolver, client_config, dual_resolver, resolver_of_one, server_config,
};
pub use verify::{AnchorError, GatewayVerifier, NameRule, Roster, ServerNameVerifier, Standing};
