//! The Online Certificate Status Protocol (RFC 6960, RFC 5019's profile, RFC 9654's nonces), both sides
//! of it, without a network and without a clock.
//!
//! A responder calls [`respond`]; whoever wants to know writes an [`OcspRequest`], and judges what
//! comes back, or what a server stapled, by [`check()`]. An answer that is not believed says nothing:
//! neither that a certificate holds nor that it doesn't.

mod asn1;
mod cert_id;
mod check;
mod nonce;
mod request;
mod responder;
mod response;
mod rules;
#[cfg(test)]
mod tests;

pub use cert_id::{CertId, CertIdHash};
pub use check::{CLOCK_TOLERANCE, OcspError, OcspExpected, OcspVerdict, check};
pub use nonce::Nonce;
pub use request::{LONGEST_REQUEST, MOST_CERTIFICATES, OcspRequest, RequestError};
pub use responder::{OcspAuthority, OcspRecords, OcspReply, OcspSigner, respond};
pub use response::{
    CertAnswer, LONGEST_RESPONSE, OcspResponse, OcspStatus, ResponseError, Unsuccessful,
};
