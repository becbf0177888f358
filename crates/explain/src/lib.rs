//! Handshakes told from their bytes: who asked whom for what, which certificate was shown and what that proves,
//! which key was agreed on and how long it lives.
//!
//! It exists so that one decoder serves whatever was observed, a connection of our own or a capture file, and
//! so that every picture says the same. Bytes with their sender and time go in, with the lines of a key log if
//! there are any; a [`story::Story`] comes out; everything in [`render`] is a pure function of one.
//!
//! It does no I/O (a capture comes through the caller's reader), reads no clock, and degrades by gaps: what it
//! can't see is a step that says why. Three things never leave it: a secret, since no type of the story can hold
//! one; a step that no bytes stand behind; and a peer's text that is not escaped. Whatever it is given, it keeps
//! a bounded amount.

pub mod capture;
pub mod catalogue;
pub mod diff;
#[doc(hidden)]
pub mod fuzzing;
pub mod kept;
pub mod live;
pub mod render;
pub mod story;
pub mod told;
pub mod tries;

mod arrived;
mod before_tls;
mod fact;
mod field;
mod in_the_clear;
mod key_log;
mod openvpn;
mod place;
mod tell;
mod tls;
mod verdict;

pub use key_log::{KeyLog, KeyLogError};
pub use place::{Chunk, Side};
