//! What a CA says to everybody: its certificate, its CRL, and OCSP answers, over plain HTTP.
//!
//! Plain, and never redirected to HTTPS: who is about to check a certificate can't need TLS to do it, and
//! everything here is signed. [`Service`] turns requests into responses and knows no network, so that it
//! can be mounted on any listener; [`Listener`] is a thin one of its own, and [`Reception`] takes connections of others.
//!
//! Not here: where CRLs and signers come from, which whoever composes the gateway puts in by
//! [`Service::publish`]. How it degrades: where there is nothing to publish it answers 404 or
//! `unauthorized`, and it drops connections where there are too many, of one host or of all; nothing here can stop the
//! gateway.

mod answers;
mod connections;
mod document;
mod elsewhere;
mod listener;
mod parting;
mod publication;
mod reception;
mod service;
#[cfg(test)]
mod testing;
mod tokens;

pub use listener::{BindError, Listener};
pub use publication::{IssuerPublication, Publication, Records};
pub use reception::Reception;
pub use service::{OCSP_LIFETIME, Service};
pub use tokens::Tokens;
