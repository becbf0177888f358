//! What `benches/micro.rs` measures: the parts of a packet's way, each as a closure over state that is
//! made beforehand. Not an API.
//!
//! Invariant: a case is the same work in every run (fixed packets, fixed keys, no hash order), so that
//! its count of instructions says something about the code alone.

mod parts;
mod rig;
mod workers;

pub use self::parts::{CIPHERS, Pair};

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `area/what`.
    pub name: &'static str,
    /// What one operation is, for the reader.
    pub unit: &'static str,
    /// Makes what is to be run once, and says how many operations that will be.
    pub prepare: fn() -> (u64, Run),
}

/// The work itself; state is its own.
pub type Run = Box<dyn FnMut()>;

/// All of them, in the order of the table.
pub fn cases() -> impl Iterator<Item = Case> {
    parts::CASES.into_iter().chain(workers::CASES)
}
