//! A second look at what the CA has signed, before anybody gets it: the musts of RFC 5280 and RFC 6960, read
//! back by another library than the one that writes.
//!
//! It judges the form, not the deed: whether this certificate should exist is the signer's to decide. What
//! breaks a rule is an internal error, is not handed out, and says which rule. The rules of OCSP answers stand beside
//! their responder.

mod certificate;
mod crl;
mod reading;
mod rule;

pub use certificate::{Role, certificate};
pub use crl::crl;
pub use rule::Rule;

#[cfg(test)]
mod tests;
