//! OpenVPN's bytes and texts as typed values, in both directions.
//!
//! Packets, key files, key material, option strings, text messages and the configuration grammar are
//! parsed once into types that can't hold nonsense, and written back. Nothing here talks to a socket,
//! reads a clock or draws randomness, and no input of any kind makes it panic: a parser takes any
//! bytes and answers with a value or with a closed error that says whose fault it was. Memory is
//! bounded by the size of the input, or by a constant where input comes in parts.
//!
//! Not here: retransmission, TLS and negotiation (`tunnel`), data packets under encryption
//! (`datapath`).

pub mod cipher;
pub mod config;
pub mod control;
pub mod data;
pub mod domain;
#[doc(hidden)]
pub mod fuzzing;
pub mod key_material;
pub mod key_method;
pub mod message;
pub mod mtu;
pub mod options;
pub mod peer_info;
pub mod prf;
pub mod push;
pub mod static_key;
pub mod stranger;
pub mod stream;
pub mod tls_auth;
pub mod wrap;

mod header;
mod reader;
mod replay;
mod words;

#[cfg(test)]
mod testing;

pub use header::{KeyId, MessageId, Opcode, PeerId, SessionId, split_first_byte};
