//! The stateless door of a server (signatures).
use std::net::SocketAddr;
use std::sync::Arc;

use clock::Now;
use wire::tls_auth::ControlWrap;

use crate::{Accepted, DropReason, GateSettings, Seed};

/// The answer to one datagram of an unknown sender.
#[derive(Debug)]
pub enum Verdict {
    /// Say nothing.
    Drop(DropReason),
    /// Send this back, and keep nothing. At most 12 bytes longer than what came.
    Answer(Vec<u8>),
    /// The cookie came back: make a [`crate::Session`].
    Accept(Box<Accepted>),
}

/// Stateless.
pub struct Gate;

#[rustfmt::skip]
#[expect(unused_variables)]
impl Gate {
    pub fn new(wrap: Arc<ControlWrap>, secret: Seed, settings: GateSettings) -> Self { unimplemented!() }
    pub fn handle(&mut self, remote: SocketAddr, datagram: &[u8], now: Now) -> Verdict { unimplemented!() }
}
