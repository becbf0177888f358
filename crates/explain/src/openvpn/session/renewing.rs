//! Who asked for new keys and whether the other side said anything to that, and a session that the server offers in the
//! place of this one.
//!
//! Of renewals the last one is followed: that one decides how the session stands.

use wire::{KeyId, Opcode, SessionId};

use super::Session;
use crate::catalogue::Kind;
use crate::place::{Seen, Side};

/// The last asking for new keys.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) handshake: u32,
    pub(crate) by: Side,
    pub(crate) at: u64,
    /// Whether the other side has sent anything under that key id.
    pub(crate) is_answered: bool,
}

/// What is known of all that.
#[derive(Default)]
pub(super) struct Renewing {
    asked: Option<Asked>,
    /// When the client and the server sent anything last.
    latest: [Option<u64>; 2],
    /// Until when anybody looked.
    until: u64,
    /// Whether the server has said more in this session than its reset, which it may repeat with another number until then.
    goes_on: bool,
    offered: Option<SessionId>,
    is_followed: bool,
}

impl Session {
    /// The last asking for new keys.
    pub(crate) fn asked(&self) -> Option<Asked> {
        self.renewing.asked
    }

    /// When a side sent anything last.
    pub(crate) fn latest(&self, side: Side) -> Option<u64> {
        let [client, server] = self.renewing.latest;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Until when this was observed.
    pub(crate) fn until(&self) -> u64 {
        self.renewing.latest.iter().flatten().fold(self.renewing.until, |until, at| until.max(*at))
    }

    /// Whether the client has begun another session in the place of this one.
    pub(crate) fn is_followed(&self) -> bool {
        self.renewing.is_followed
    }

    /// That it was observed until then, whether anything was sent or not.
    pub(crate) fn observed_until(&mut self, at: u64) {
        self.renewing.until = at;
    }

    /// That the client has begun another one.
    pub(crate) fn followed(&mut self) {
        self.renewing.is_followed = true;
    }

    pub(super) fn sent(&mut self, seen: &Seen<'_>) {
        let [client, server] = &mut self.renewing.latest;
        let latest = if seen.from == Side::Client { client } else { server };
        *latest = Some(seen.at);
    }

    /// Takes note of a control packet under this key id, whatever it says.
    pub(super) fn speaks_of(&mut self, seen: &Seen<'_>, opcode: Opcode, key_id: KeyId) {
        self.renewing.goes_on |= seen.from == Side::Server && !opcode.is_hard_reset();
        let Some(index) = self.generations.iter().rposition(|have| have.key_id == key_id) else {
            return;
        };
        let handshake = self.first + index as u32;
        match &mut self.renewing.asked {
            Some(asked) if asked.handshake == handshake => {
                asked.is_answered |= asked.by != seen.from
            }
            Some(asked) if asked.handshake > handshake => {}
            _ if handshake == 0 => {}
            asked => {
                *asked = Some(Asked { handshake, by: seen.from, at: seen.at, is_answered: false });
            }
        }
    }

    /// What a packet is by which the server offers another session in the place of one that is up; none of any other packet.
    /// While a session begins, an answer with another number is another cookie.
    pub(super) fn offers(
        &mut self,
        from: Side,
        opcode: Opcode,
        session: SessionId,
    ) -> Option<Kind> {
        let is_another = self.server_session.is_some_and(|own| own != session);
        let is_reset = opcode == Opcode::CONTROL_HARD_RESET_SERVER_V2 && from == Side::Server;
        if !(is_another && is_reset && self.renewing.goes_on) {
            return None;
        }
        match self.renewing.offered.replace(session) == Some(session) {
            true => Some(Kind::ResetRepeated),
            false => Some(Kind::SessionOffered),
        }
    }
}
