//! Asking a CA, over plain HTTP, whether a certificate still holds: at the addresses that the certificate names.
//!
//! Plain HTTP, since whoever checks a certificate can't need TLS to do it, and every answer is signed; so nothing
//! that comes is believed here: `pki` judges it. [`fetch`] gets octets with bounds in size and time and goes
//! nowhere else than it was told to; [`settle`] asks one source after the other about one certificate. How a host
//! is reached is the caller's business, by [`Dial`]: a VPN client has to go past its own tunnel.
//!
//! How it degrades: a source that fails is left for the next one, and what each of them said is handed back, so
//! that a person can be told.

mod address;
mod dial;
mod fetch;
mod settle;

pub use address::{AddressError, HttpAddress};
pub use dial::{Dial, DialError, SystemDial, connect};
pub use fetch::{FetchError, LONGEST_CRL, Question, fetch};
pub use settle::{Asked, AskedError, settle};
