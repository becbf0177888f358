//! One OpenVPN connection of either role: what its driver calls, in which order.

use std::sync::Arc;

use clock::Now;
use wire::{KeyId, SessionId};

use crate::{
    Accepted, ClientConfig, Close, Deadline, DropReason, EndReason, Event, Grant, Negotiated, Progress,
    Refusal, RenegotiateReason, Role, Seed, ServerConfig, SessionState,
};

/// One OpenVPN connection.
///
/// Drive it so:
///
/// 1. Call one of `handle_datagram`, `handle_timeout`, `admit`, `refuse`, `key_installed`,
///    `data_seen`, `renegotiate`, `close`.
/// 2. Drain `poll_transmit` and send each datagram to the peer.
/// 3. Drain `poll_event`. Answer `Admission` with `admit` or `refuse` and `KeyReady` with
///    `key_installed`, each of which begins again at 1; the answer may come at any later time.
/// 4. Arm a timer for `poll_timeout`.
///
/// After `Ended`, drain `poll_transmit` once more (it may hold a last acknowledgement or alert).
pub struct Session {
    _id: SessionId,
}

#[rustfmt::skip]
#[expect(unused_variables)]
impl Session {
    /// A server's session from what the gate accepted.
    pub fn server(config: Arc<ServerConfig>, accepted: Accepted, seed: Seed, now: Now) -> Session { unimplemented!() }
    /// A client's session; its first datagram waits in `poll_transmit`.
    pub fn client(config: Arc<ClientConfig>, seed: Seed, now: Now) -> Session { unimplemented!() }
    /// A server's session from its saved state. Starts a renegotiation.
    pub fn restore_server(config: Arc<ServerConfig>, state: SessionState, seed: Seed, now: Now) -> Session { unimplemented!() }
    /// A client's session from its saved state. Starts a renegotiation, or over.
    pub fn restore_client(config: Arc<ClientConfig>, state: SessionState, seed: Seed, now: Now) -> Session { unimplemented!() }
    pub fn save(&self) -> SessionState { unimplemented!() }
    pub fn role(&self) -> Role { unimplemented!() }
    pub fn id(&self) -> SessionId { unimplemented!() }
    pub fn peer_session_id(&self) -> Option<SessionId> { unimplemented!() }
    pub fn negotiated(&self) -> Option<Negotiated> { unimplemented!() }
    pub fn progress(&self) -> Progress { unimplemented!() }
    pub fn is_established(&self) -> bool { unimplemented!() }
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Now) -> Result<(), DropReason> { unimplemented!() }
    pub fn handle_timeout(&mut self, now: Now) { unimplemented!() }
    pub fn poll_transmit(&mut self, now: Now) -> Option<Vec<u8>> { unimplemented!() }
    pub fn poll_event(&mut self) -> Option<Event> { unimplemented!() }
    pub fn poll_timeout(&self) -> Option<Deadline> { unimplemented!() }
    pub fn admit(&mut self, grant: Grant, now: Now) { unimplemented!() }
    pub fn refuse(&mut self, refusal: Refusal, now: Now) { unimplemented!() }
    pub fn key_installed(&mut self, key_id: KeyId, now: Now) { unimplemented!() }
    pub fn data_seen(&mut self, key_id: KeyId, now: Now) { unimplemented!() }
    pub fn renegotiate(&mut self, why: RenegotiateReason, now: Now) { unimplemented!() }
    pub fn close(&mut self, how: Close, now: Now) { unimplemented!() }
}
