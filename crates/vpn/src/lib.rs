//! The VPN door: sockets, the tunnel's network, and the engine between them.
//!
//! 1. [`Vpn::start`] sets everything up from plain values: [`Settings`], the keys, and a [`Directory`]
//!    that knows who may in;
//! 2. [`Vpn::server`] is what administration asks and commands;
//! 3. [`Vpn::stop`] takes leave of subscribers and puts this machine back as it was.
//!
//! The crate exists so that the door does not know who opens it: no store, no CA, no settings file.
//! How it degrades: a start that fails at any step undoes the former ones; without nft or IPv6 it serves
//! what is left and says so.

mod admission;
mod directory;
mod door;
mod error;
mod listen;
mod listeners;
mod member;
mod net;
mod network;
mod push;
mod session_log;
mod settings;

pub use directory::Directory;
pub use door::{Keys, Vpn};
pub use error::VpnError;
pub use listen::{Listen, ListenError};
pub use member::Member;
pub use net::{Net, Net4, Net6, NetworkError};
pub use network::NetworkView;
pub use push::PushPolicy;
pub use settings::{Part, Push, Settings};
