//! OpenVPN's control channel as it was observed: packets in, facts out, with the TLS inside.
//!
//! It follows both ends at once: wrapping, reliability, one TLS connection for each generation of keys, and
//! which side uses which data key. It answers nothing and enforces nothing.

mod framed;
mod inside;
mod joined;
mod listed;
mod order;
mod packets;
mod session;
mod wrapping;

pub(crate) use framed::Framed;
pub(crate) use listed::Listed;
pub use packets::{Opened, TunnelPacket};
pub(crate) use session::{
    Asked, DATAGRAMS, DataUse, EITHER, GROUPS_KEY, OWN_KEY, SESSIONS_KEY, Session, lengths,
};
pub use wrapping::Keys;
pub(crate) use wrapping::Opened as OpenedControl;
