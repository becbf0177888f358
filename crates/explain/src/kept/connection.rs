//! What is kept of a connection of TLS that nothing of OpenVPN stands around.

use std::sync::Arc;

use super::{Kept, Lack, MOST_KEPT};
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts};
use crate::field::Field;
use crate::key_log::KeyLog;
use crate::place::{Chunk, Side};
use crate::story::Source;
use crate::tls::{Checked, Connection, Event};

/// A handshake of TLS that is over, as the end has it that a gateway is.
#[derive(Debug)]
pub struct TlsHandshake<'a> {
    /// What was said, in its order, from the client's first message on: microseconds since 1970, by whom, and records as
    /// they came, cut anywhere.
    pub pieces: Vec<(u64, Side, &'a [u8])>,
    /// The protocol in whose words the client asked for TLS before, where it did.
    pub after: Option<&'a str>,
    /// It went well, and what the gateway found right in it is not calculated again.
    pub went_well: bool,
    /// More was said than is here.
    pub lacks: bool,
    /// Why what came later is not kept, where something did.
    pub rest: Option<Lack>,
}

impl TlsHandshake<'_> {
    /// Reads it. The secrets are needed for this alone. Nothing where not one message is whole.
    pub fn keep(&self, log: KeyLog) -> Option<Kept> {
        let checked = if self.went_well { Checked::All } else { Checked::Signatures };
        let mut connection = Connection::of_one_end(0, Arc::new(log), checked);
        let mut facts = Facts::default();
        let (began, ..) = *self.pieces.first()?;
        if let Some(protocol) = self.after {
            facts.push(asked_for(began, protocol));
        }
        let (before, mut room, mut is_over) = (facts.all().len(), MOST_KEPT, false);
        for (frame, (at, from, bytes)) in (1..).zip(&self.pieces) {
            let bytes = bytes.get(..room).unwrap_or(bytes);
            room -= bytes.len();
            let chunk = Chunk { at: *at, from: *from, frame, offset: 0, bytes };
            for event in connection.push(&chunk.into()) {
                let Event::Fact(fact) = event else { continue };
                if !is_data(&fact, is_over) {
                    is_over |= fact.kind == Kind::ClientFinished;
                    facts.push(fact);
                }
            }
        }
        let is_told = facts.all().len() > before;
        let uses = connection.uses().to_vec();
        is_told.then(|| Kept {
            rest: self.rest,
            ..Kept::cut(facts, Vec::new(), Vec::new(), uses, self.lacks)
        })
    }
}

/// The first of what is said inside may come along with the end of the handshake, and is nobody's business.
fn is_data(fact: &Fact, is_over: bool) -> bool {
    let is_sealed = fact.kind == Kind::Sealed && fact.from == Side::Client;
    fact.kind == Kind::ApplicationData || (is_sealed && is_over)
}

/// The words themselves are not kept.
fn asked_for(at: u64, protocol: &str) -> Fact {
    Fact {
        at,
        from: Side::Client,
        kind: Kind::InTheClear,
        fields: vec![
            Field::text("protocol", protocol),
            Field::text("why", "what is said in the clear may be a password, and is not kept"),
        ],
        basis: Vec::new(),
        key: None,
        handshake: 0,
        source: Source::Gap,
        detail: Detail::unkept(None, true),
    }
}
