//! The keys of an open session, as its gateway knows them at the moment of the question.

use std::cmp::Ordering;

use crate::fact::KeyName;
use crate::place::Side;
use crate::story::{KeyKind, KeyLine, Plan, Protocol, Rule, Use};

/// An open session as its door knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// What is spoken on it.
    pub protocol: Protocol,
    /// When it was let in, in microseconds since 1970.
    pub since: u64,
    /// When its keys were renewed last, in the same, where they were.
    pub renewed: Option<u64>,
    /// Its keys.
    pub keys: Vec<LiveKey>,
    /// By which rules it ends, a sentence each.
    pub rules: Vec<String>,
}

/// A key of a running gateway. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKey {
    /// What it is for.
    pub kind: KeyKind,
    /// Which handshake of the session made it, from 0.
    pub handshake: u32,
    /// The cipher.
    pub cipher: String,
    /// When it was made, where that is known.
    pub made: Option<u64>,
    /// When the gateway's handshake that made it was over, from which `renews` and `seals_from` count, where that is known.
    pub complete: Option<u64>,
    /// From when to when each side used it, as far as that is known, not counted: [`Use::count`] is 0.
    pub uses: Vec<Use>,
    /// The gateway encrypts with it at this moment.
    pub in_use: bool,
    /// When the gateway begins its renewal, unless the client does so before.
    pub renews: Option<u64>,
    /// Whether that is another try of a renewal that failed, and not by the key's age.
    pub renews_again: bool,
    /// When the gateway begins to encrypt with it, unless the client uses it before.
    pub seals_from: Option<u64>,
    /// When the gateway encrypts with it no longer, whatever became of the renewal.
    pub seals_until: Option<u64>,
    /// When the gateway decrypts with it no longer, at the latest; of what a ticket stands for, when it can open that no longer.
    pub opens_until: Option<u64>,
    /// How long it decrypts yet once both sides encrypt with the key after the next one, should that be sooner.
    pub in_flight: Option<u64>,
    /// When the connection is closed whatever it carries.
    pub closes: Option<u64>,
}

impl LiveKey {
    /// As in every story; of a connection of TLS both sides' keys are told as one.
    fn id(&self) -> String {
        let handshake = self.handshake;
        match self.kind {
            KeyKind::Data => KeyName::Data { handshake }.id(),
            KeyKind::TlsHandshake => format!("tls{handshake}-handshake"),
            KeyKind::TlsTraffic => format!("tls{handshake}-traffic"),
            KeyKind::Resumption => format!("ticket{handshake}"),
        }
    }

    /// Adds what is planned with it: to the lines that the handshake has of it, where that was kept.
    pub(super) fn join(&self, lines: &mut Vec<KeyLine>, own: KeyLine) {
        let is_kept = lines.iter().any(|line| line.kind != KeyKind::Data && line.plan.is_none());
        if self.kind == KeyKind::TlsTraffic && is_kept {
            self.add_both_sides(lines, &own);
        }
        let same = |line: &KeyLine| self.kind != KeyKind::Data || line.id == own.id;
        let of_it = |line: &KeyLine| {
            let is_seen = !line.is_of_an_earlier_session();
            line.kind == self.kind && line.plan.is_none() && is_seen && same(line)
        };
        let mut planned = 0;
        for line in lines.iter_mut().filter(|line| of_it(line)) {
            line.plan.clone_from(&own.plan);
            planned += 1;
        }
        // Whether a ticket was given is not known where none is told.
        if planned == 0 && self.kind != KeyKind::Resumption {
            lines.push(own);
        }
    }

    /// Of what the client sends nothing is opened, and of what the gateway does perhaps nothing was: no line of the
    /// handshake has those keys.
    fn add_both_sides(&self, lines: &mut Vec<KeyLine>, own: &KeyLine) {
        let handshake = self.handshake;
        for of in [Side::Client, Side::Server] {
            let id = KeyName::Traffic { handshake, of, update: 0 }.id();
            if lines.iter().any(|line| line.id == id) {
                continue;
            }
            let told = lines.iter().find(|line| line.kind == KeyKind::TlsTraffic);
            // In versions before 1.3 both have lines of theirs, as Finished is under these keys.
            let (like, renewal) = told.map_or((own, Rule::KeyUpdate), |told| (told, told.renewal));
            let (uses, ends_by) = (Vec::new(), renewal);
            let key =
                KeyLine { id: id.clone(), uses, renewal, ends_by, plan: None, ..like.clone() };
            lines.push(key);
            let before = KeyName::Handshake { handshake, of }.id();
            let before = lines.iter_mut().find(|line| line.id == before && line.ends.is_some());
            before.into_iter().for_each(|before| before.replaced_by = Some(id.clone()));
        }
        lines.sort_by(|one, other| {
            let kinds = one.kind.cmp(&other.kind);
            kinds.then_with(|| match one.kind {
                KeyKind::TlsTraffic => one.id.cmp(&other.id),
                _ => Ordering::Equal,
            })
        });
    }

    pub(super) fn line(&self, began: u64, next: Option<&LiveKey>) -> KeyLine {
        let rule = match self.kind {
            KeyKind::Data => Rule::Renegotiation,
            KeyKind::TlsHandshake => Rule::HandshakeFinished,
            KeyKind::TlsTraffic => Rule::NewConnection,
            KeyKind::Resumption => Rule::TicketLifetime,
        };
        let after = |at: Option<u64>| at.map(|at| at.saturating_sub(began));
        KeyLine {
            id: self.id(),
            kind: self.kind,
            cipher: Some(self.cipher.clone()),
            born: after(self.made),
            uses: self.uses.iter().map(|one| one.relative(began)).collect(),
            renewal: rule,
            replaced_by: next.map(LiveKey::id),
            ends: None,
            ends_by: rule,
            plan: Some(Plan {
                in_use: self.in_use,
                complete: after(self.complete),
                renews: after(self.renews),
                renews_again: self.renews_again,
                seals_from: after(self.seals_from),
                seals_until: after(self.seals_until),
                opens_until: after(self.opens_until),
                in_flight: self.in_flight,
                closes: after(self.closes),
            }),
        }
    }
}
