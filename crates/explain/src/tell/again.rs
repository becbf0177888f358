//! What is said of a reset that was sent once more, where it is not the client's first packet: a word on new keys, or the
//! offer of a new session.

use wire::Opcode;

use crate::catalogue::{Entry, Kind};
use crate::fact::Fact;
use crate::place::Side;

/// Whether it is none of the client's knocks.
pub(super) fn is_of_another(fact: &Fact) -> bool {
    is(fact, Opcode::CONTROL_SOFT_RESET_V1) || is(fact, Opcode::CONTROL_HARD_RESET_SERVER_V2)
}

pub(super) fn of(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    if is(fact, Opcode::CONTROL_HARD_RESET_SERVER_V2) {
        return Entry {
            title: "New session, offered once more (hard reset)",
            sentence: "No answer came, so the server offers the new session again, with the same number.",
            proves: "Nothing new; the server is still there.",
            leaves_open: "Whether packets or answers are lost on the way, or the client is gone.",
            section: "OpenVPN protocol, reliability layer",
            ..entry
        };
    }
    let sentence = match (fact.from, wants_new_keys(fact, all)) {
        (Side::Client, true) => {
            "No answer has come to the client, so it says once more that it wants new keys."
        }
        (Side::Server, true) => {
            "No answer has come to the server, so it says once more that it wants new keys."
        }
        (Side::Client, false) => {
            "Nothing has confirmed the client's word on new keys, so it says once more that it agrees."
        }
        (Side::Server, false) => {
            "Nothing has confirmed the server's word on new keys, so it says once more that it agrees."
        }
    };
    Entry {
        title: "Word on new keys, once more (soft reset)",
        sentence,
        proves: "Nothing new; its sender is still there.",
        leaves_open: "Whether packets or answers are lost on the way, or the other end is gone.",
        ..entry
    }
}

/// Whoever speaks of new keys first in a renewal wants them; the other agrees.
pub(super) fn wants_new_keys(fact: &Fact, all: &[&Fact]) -> bool {
    let speaks = |one: &&&Fact| one.handshake == fact.handshake && is_word_on_new_keys(one.kind);
    all.iter().find(speaks).is_none_or(|first| first.from == fact.from)
}

pub(super) fn is_word_on_new_keys(kind: Kind) -> bool {
    matches!(kind, Kind::ClientSoftReset | Kind::ServerSoftReset)
}

pub(super) fn is(fact: &Fact, opcode: Opcode) -> bool {
    let field = fact.fields.iter().find(|field| field.name == "opcode");
    field.is_some_and(|field| field.value == opcode.0.to_string())
}
