//! One generation of keys: the streams of both sides, the TLS in them and what is said inside that.

use wire::KeyId;

use super::super::inside::Inside;
use super::super::order::Order;
use super::super::packets::Openers;
use crate::catalogue::Kind;
use crate::fact::{Fact, Facts};
use crate::place::{Seen, Side};
use crate::story::Source;
use crate::tls;

pub(super) struct Generation {
    pub(super) key_id: KeyId,
    pub(super) tls: tls::Connection,
    pub(super) client: Order,
    pub(super) server: Order,
    pub(super) inside: Inside,
    /// Of its data packets; made when the first of them is opened, or can't be.
    pub(super) openers: Option<Option<Box<Openers>>>,
}

impl Generation {
    pub(super) fn order(&self, from: Side) -> &Order {
        match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(super) fn order_mut(&mut self, from: Side) -> &mut Order {
        match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Lets go of what only a handshake that goes on needs.
    pub(super) fn rest(&mut self) {
        self.tls.rest();
        self.client.rest();
        self.server.rest();
    }

    /// Hands bytes of the stream to TLS, and what comes out of TLS to the protocol inside.
    pub(super) fn tls_bytes(&mut self, handshake: u32, seen: &Seen<'_>, facts: &mut Facts) {
        let events = self.tls.push(seen);
        self.told(handshake, seen.at, events, facts);
    }

    pub(super) fn told(
        &mut self,
        handshake: u32,
        at: u64,
        events: Vec<tls::Event>,
        facts: &mut Facts,
    ) {
        for event in events {
            match event {
                // What is said inside is told by itself.
                tls::Event::Fact(fact) if fact.kind == Kind::ApplicationData => {}
                tls::Event::Later(..) => {}
                tls::Event::Fact(fact) => facts.push(fact),
                tls::Event::Plain(plain) => {
                    for said in self.inside.record(plain.from, &plain.content) {
                        facts.push(Fact {
                            at,
                            from: plain.from,
                            kind: said.kind,
                            fields: said.fields,
                            basis: plain.basis.clone(),
                            key: plain.key,
                            handshake,
                            source: Source::Seen,
                            detail: said.detail,
                        });
                    }
                }
            }
        }
    }
}
