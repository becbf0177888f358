//! Where what is to be sent goes: sealed datagrams into the outbox, packets of another worker's peers
//! to that worker.

use datapath::{DatagramSink, Endpoint, Outbox, Packet};

use super::neighbours::Neighbours;

/// Takes what one batch sends.
pub(super) struct Outgoing<'t> {
    pub(super) outbox: &'t mut Outbox,
    pub(super) neighbours: &'t Neighbours,
}

impl DatagramSink for Outgoing<'_> {
    fn room(&mut self, endpoint: &Endpoint, len: usize) -> Option<&mut [u8]> {
        self.outbox.room(endpoint, len)
    }

    fn commit(&mut self) {
        self.outbox.commit();
    }

    fn hand_off(&mut self, owner: u16, packet: &Packet<'_>) -> bool {
        self.neighbours.packet(owner, packet)
    }
}
