//! The CAs' keys, in a process of their own.
//!
//! The crate exists so that whoever takes over the process that talks with clients has not taken over the
//! CA: keys are made, kept and used here, and what is asked for is judged here once more. Two ends speak over
//! a socket pair that nobody else can reach:
//!
//! - [`Line`], the gateway's, a [`pki::Signer`] for each CA. It starts the other end and starts it again;
//! - [`serve`], around a [`Keeper`], which says what may be signed and does neither I/O nor reading of clocks.
//!
//! How it degrades: without a signer nothing is signed and everything else goes on; a signer that died is
//! started again by the next question, which is asked once more.

mod adopt;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod given;
mod keeper;
mod line;
mod listed;
mod making;
mod place;
mod program;
pub mod protocol;
mod rate;
mod rules;
mod sandbox;
mod seal;
mod serve;
mod spent;
mod vault;

pub use keeper::Keeper;
pub use line::Line;
pub use listed::Last;
pub use place::Place;
pub use program::Program;
pub use seal::Protection;
pub use serve::{Standing, serve};
pub use vault::{Vault, VaultError};
