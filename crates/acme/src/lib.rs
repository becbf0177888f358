//! Certificates from another CA that is asked by ACME (RFC 8555): an account, an order, proofs that names are ours.
//!
//! 1. [`Ca::new`] says which CA, whom its web server's certificate has to come from ([`Trust`]), and who asks;
//! 2. [`Ca::account`] opens the account that was kept, or has one made, which the caller keeps;
//! 3. [`Account::certificate`] has a certificate issued by an order, [`Placed`]; what the CA has to be shown meanwhile goes
//!    to its [`Stage`]; where the CA is not through yet, the same order goes on later;
//! 4. [`Ca::renewal`] asks when it would have a certificate renewed;
//! 5. whatever fails is an [`AcmeError`], which says whose fault it is, what to do, and when to ask again: [`Pace`].
//!
//! The protocol is `instant-acme`'s; here are its network, with bounds in size and time, its proofs and its faults in
//! our words. Not here: what is kept and where, which certificates are due, and the doors at which a CA looks.
//! How it degrades: an order that fails takes its proofs down and leaves nothing behind; the next one begins anew.

mod account;
mod ca;
mod challenge;
mod error;
mod http;
mod nonces;
mod order;
mod pace;
#[cfg(test)]
mod refusing_ca;
mod renewal;

pub use account::Account;
pub use ca::{Ca, Eab, Kept};
pub use challenge::{Method, Proof, Stage};
pub use error::AcmeError;
pub use http::Trust;
pub use order::Placed;
pub use pace::Pace;
pub use renewal::Renewal;
