//! Control packets that are encrypted by a key that is not read here: what stands in the clear of them.

use wire::control::ControlHeader;
use wire::{KeyId, Opcode};

use super::super::listed::Listed;
use super::super::wrapping::{Form, envelope_of_sealed};
use super::{MOST_PACKETS, Session};
use crate::catalogue::Kind;
use crate::fact::Fact;
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::{Source, Wrapping};

/// By which key what can't be read is encrypted.
pub(crate) const GROUPS_KEY: &str = "tls-crypt, not checked: its key is not read here";
pub(crate) const OWN_KEY: &str = "tls-crypt-v2, not checked: its key is not read here";
pub(crate) const SESSIONS_KEY: &str =
    "encrypted by a key of the first handshake (dynamic tls-crypt)";
pub(crate) const EITHER: &str =
    "tls-crypt as before, or a key of the first handshake (dynamic tls-crypt): not checked";

impl Session {
    /// The control channel is encrypted from its first packet on (tls-crypt), by a key that is not read here: what
    /// stands in the clear is told, and the rest is a gap.
    pub(super) fn sealed_channel(&mut self, seen: &Seen<'_>) {
        let Some((header, stamp)) = envelope_of_sealed(seen.bytes) else { return };
        self.own_key |= header.opcode == Opcode::CONTROL_HARD_RESET_CLIENT_V3;
        if header.opcode.is_hard_reset() {
            self.form = Some(Form::Sealed);
        }
        let kind = match (header.opcode, seen.from) {
            (
                Opcode::CONTROL_HARD_RESET_CLIENT_V2 | Opcode::CONTROL_HARD_RESET_CLIENT_V3,
                Side::Client,
            ) if self.client_session.is_some() => Kind::ResetRepeated,
            (
                Opcode::CONTROL_HARD_RESET_CLIENT_V2 | Opcode::CONTROL_HARD_RESET_CLIENT_V3,
                Side::Client,
            ) => {
                self.client_session = Some(header.session_id);
                Kind::ClientReset
            }
            (Opcode::CONTROL_HARD_RESET_SERVER_V2, Side::Server) => {
                let offered = self.offers(seen.from, header.opcode, header.session_id);
                self.server_session.get_or_insert(header.session_id);
                offered.unwrap_or(Kind::ServerReset)
            }
            _ => kind_of_sealed(header.opcode, seen.from),
        };
        if self.generations.is_empty() {
            self.generation(header.key_id);
        }
        let wrapping = match (header.key_id == KeyId::FIRST, self.own_key) {
            (false, _) => EITHER,
            (true, true) => OWN_KEY,
            (true, false) => GROUPS_KEY,
        };
        self.tell_envelope(seen, header, stamp, kind, wrapping);
    }

    /// A renewal of which only the envelopes can be read.
    pub(super) fn encrypted(&mut self, seen: &Seen<'_>, header: ControlHeader, stamp: (u32, u32)) {
        let kind = kind_of_sealed(header.opcode, seen.from);
        self.tell_envelope(seen, header, stamp, kind, SESSIONS_KEY);
    }

    /// One step for each kind of packet that says something or knocks again, and each packet in the list.
    fn tell_envelope(
        &mut self,
        seen: &Seen<'_>,
        header: ControlHeader,
        stamp: (u32, u32),
        kind: Kind,
        wrapping: &str,
    ) {
        let new = self.generations.last().is_some_and(|last| header.key_id == last.key_id.next());
        if new {
            self.generation(header.key_id);
        }
        if kind != Kind::SessionOffered && kind != Kind::ResetRepeated {
            self.speaks_of(seen, header.opcode, header.key_id);
        }
        let handshake = self.newest();
        let told =
            |fact: &Fact| (fact.kind, fact.from, fact.handshake) == (kind, seen.from, handshake);
        let is_told = kind != Kind::SessionOffered && self.facts.all().iter().any(told);
        let kind = match header.opcode {
            Opcode::CONTROL_SOFT_RESET_V1 if is_told => Kind::ResetRepeated,
            _ => kind,
        };
        let says_nothing = header.opcode == Opcode::ACK_V1;
        if kind == Kind::ResetRepeated || !says_nothing && !is_told {
            let fields = vec![
                Field::number("opcode", header.opcode.0).meaning(&header.opcode.to_string()),
                Field::number("key_id", header.key_id.get()),
                Field::bytes("session_id", header.session_id.as_bytes()),
                Field::number("replay_id", stamp.0),
                Field::number("replay_time", stamp.1),
                Field::text("wrapping", wrapping),
            ];
            let source = if kind == Kind::ControlSealed { Source::Gap } else { Source::Seen };
            self.tell(seen, kind, fields, source);
        }
        if self.packets.len() < MOST_PACKETS {
            self.packets.push(Listed {
                stamp: Some(stamp),
                wrapping: Wrapping::Encrypted,
                ..Listed::envelope(seen, header.opcode, header.key_id, header.session_id)
            });
        }
    }
}

/// What a packet is whose content can't be read.
fn kind_of_sealed(opcode: Opcode, from: Side) -> Kind {
    match (opcode, from) {
        (Opcode::CONTROL_SOFT_RESET_V1, Side::Client) => Kind::ClientSoftReset,
        (Opcode::CONTROL_SOFT_RESET_V1, Side::Server) => Kind::ServerSoftReset,
        _ => Kind::ControlSealed,
    }
}
