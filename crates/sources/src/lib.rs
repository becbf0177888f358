//! The other side as limits and logs see it: the networks that count as one source, and what is said again
//! and again because of them.
//!
//! This crate exists so that every limit draws the border of a source at the same places, and so that no line
//! of the log comes as often as somebody outside likes. It reads no clock and has no thread: time is an
//! argument, as in the cores.
//!
//! How it degrades: [`Repeats`] holds a bounded number of keys. What finds no room is counted under a
//! key that its caller chose for that, so counts stay whole and only their detail is lost.

mod repeats;
mod source;

pub use repeats::{Limits, Repeated, Repeats};
pub use source::Source;
