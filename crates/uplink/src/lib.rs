//! The client's side of TLS: a local port in the clear, and behind it a remote service that speaks TLS.
//!
//! For programs that speak none, or can't show a certificate. What they say leaves this machine only once the
//! service has shown a certificate of the right CA, name, time and key, and nobody whom that names says that it was
//! revoked, and TLS that the service's own protocol leads to begins before all that; [`Uplink::reach`] is that, and [`Local`] the port in front of it.
//!
//! Not here: settings, files, where the CA and our own certificate come from. How it degrades: what fails costs that
//! one connection, is told as an [`Event`] with the reason, and is tried anew by the next one.

mod beside;
mod event;
mod local;
mod pin;
mod reach;
mod reach_error;
mod secured;
mod standing;
mod target;
mod verifier;

pub use beside::Beside;
pub use event::Event;
pub use local::{Local, LocalError};
pub use pin::{NotAPin, Pin};
pub use reach::{Reached, Settings, Uplink};
pub use reach_error::ReachError;
pub use secured::Secured;
pub use standing::{Revocation, Unsettled};
pub use target::{NotATarget, Target};
