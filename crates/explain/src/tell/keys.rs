//! The lives of the keys, from what was seen under each.

use std::collections::BTreeMap;

use super::Conversation;
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, KeyName};
use crate::openvpn::DataUse;
use crate::place::Side;
use crate::story::{Ending, KeyKind, KeyLine, Rule, Use};
use crate::tls;

pub(super) fn of(
    facts: &[&Fact],
    conversation: &Conversation<'_>,
    ending: &Ending,
    began: u64,
) -> Vec<KeyLine> {
    let mut lines = tls_keys(facts, conversation, began);
    if let Some(session) = conversation.session {
        lines.extend(data_keys(
            facts,
            &session.data,
            &data_handshakes(facts, &session.data),
            began,
        ));
    }
    if let Ending::Broken(_) = ending {
        let has_no_future = |line: &&mut KeyLine| {
            line.replaced_by.is_none() && line.renewal != Rule::HandshakeFinished
        };
        lines.iter_mut().filter(has_no_future).for_each(|line| line.renewal = Rule::Never);
    }
    lines.extend(earlier(facts));
    // OpenVPN makes no use of a ticket: no later session rests on it.
    if conversation.session.is_none() {
        lines.extend(tickets(facts, began));
    }
    lines
}

/// Keys of TLS that records were opened by, in the order of their names.
fn tls_keys(facts: &[&Fact], conversation: &Conversation<'_>, began: u64) -> Vec<KeyLine> {
    let used: BTreeMap<KeyName, Use> = conversation.uses.iter().copied().collect();
    let names: Vec<KeyName> = used.keys().copied().collect();
    let is_vpn = conversation.session.is_some();
    used.iter()
        .map(|(name, one)| tls_key(*name, one.relative(began), facts, (&names, is_vpn), began))
        .collect()
}

fn tls_key(
    name: KeyName,
    used: Use,
    facts: &[&Fact],
    (names, is_vpn): (&[KeyName], bool),
    began: u64,
) -> KeyLine {
    let (handshake, kind) = match name {
        KeyName::Handshake { handshake, .. } => (handshake, KeyKind::TlsHandshake),
        KeyName::Traffic { handshake, .. } | KeyName::Data { handshake } => {
            (handshake, KeyKind::TlsTraffic)
        }
    };
    let of_handshake = || facts.iter().filter(move |fact| fact.handshake == handshake);
    let suite = of_handshake().find_map(|fact| match fact.detail {
        Detail::Suite(number) => Some(number),
        _ => None,
    });
    let new = of_handshake()
        .any(|fact| matches!(fact.kind, Kind::ServerHello | Kind::ServerHelloResumed));
    let (renewal, next) = match name {
        KeyName::Handshake { of, .. } => {
            (Rule::HandshakeFinished, KeyName::Traffic { handshake, of, update: 0 })
        }
        KeyName::Traffic { of, update, .. } if new => {
            (Rule::KeyUpdate, KeyName::Traffic { handshake, of, update: update + 1 })
        }
        other => (Rule::NewConnection, other),
    };
    let moved_on = names.contains(&next) && next != name;
    let renewed = renewed(name).filter(|key| !moved_on && names.contains(key));
    let by_another = is_vpn && kind == KeyKind::TlsTraffic && !moved_on;
    let renewal = if by_another || renewed.is_some() { Rule::Renegotiation } else { renewal };
    let is_over = moved_on || is_finished(name, facts);
    let refused = match is_over || renewed.is_some() {
        true => None,
        false => refused(facts, handshake).map(|at| at.saturating_sub(began).max(used.last)),
    };
    let renewal = if refused.is_some() { Rule::Never } else { renewal };
    KeyLine {
        id: name.id(),
        kind,
        cipher: suite.and_then(tls::suite_name).map(str::to_owned),
        born: born(name, facts, began),
        uses: vec![used],
        renewal,
        ends: match (is_over, renewed) {
            (true, _) => Some(used.last),
            (false, Some(_)) => None,
            (false, None) => refused.or_else(|| end(facts, handshake, used.by, began)),
        },
        replaced_by: moved_on.then_some(next).or(renewed).map(KeyName::id),
        ends_by: if refused.is_some() { Rule::Refusal } else { renewal },
        plan: None,
    }
}

/// Whether its sender has said Finished, behind which it goes on under its traffic key, whether anything is seen of that
/// or not.
fn is_finished(name: KeyName, facts: &[&Fact]) -> bool {
    let KeyName::Handshake { handshake, of } = name else { return false };
    let finished = |fact: &&Fact| {
        let said = matches!(fact.kind, Kind::ClientFinished | Kind::ServerFinished);
        said && fact.from == of && fact.handshake == handshake
    };
    facts.iter().any(finished)
}

/// The key of the same sender in the next handshake, which a renewal puts in its place.
fn renewed(name: KeyName) -> Option<KeyName> {
    match name {
        KeyName::Traffic { handshake, of, .. } => {
            Some(KeyName::Traffic { handshake: handshake + 1, of, update: 0 })
        }
        KeyName::Handshake { .. } | KeyName::Data { .. } => None,
    }
}

/// When both sides could calculate it.
fn born(name: KeyName, facts: &[&Fact], began: u64) -> Option<u64> {
    let (handshake, makers): (u32, &[Kind]) = match name {
        KeyName::Handshake { handshake, .. } => {
            (handshake, &[Kind::ServerHello, Kind::ServerHelloResumed])
        }
        KeyName::Traffic { handshake, update: 0, .. } => (
            handshake,
            &[Kind::ClientKeyExchange, Kind::ServerHelloOldResumed, Kind::ServerFinished],
        ),
        KeyName::Traffic { handshake, .. } => (handshake, &[Kind::KeyUpdate]),
        KeyName::Data { handshake } => (handshake, &[Kind::ServerKeyMessage]),
    };
    let made = |fact: &&&Fact| fact.handshake == handshake && makers.contains(&fact.kind);
    let of_update = match name {
        KeyName::Traffic { of, update, .. } if update > 0 => Some((of, update as usize - 1)),
        _ => None,
    };
    let fact = match of_update {
        Some((of, before)) => facts.iter().filter(made).filter(|fact| fact.from == of).nth(before),
        None => facts.iter().find(made),
    };
    fact.map(|fact| fact.at.saturating_sub(began))
}

/// When its sender said that nothing more comes, or the whole session ended.
fn end(facts: &[&Fact], handshake: u32, of: Side, began: u64) -> Option<u64> {
    let last = |fact: &&&Fact| {
        fact.handshake == handshake && fact.from == of && fact.kind == Kind::CloseNotify
    };
    let said = facts.iter().find(last).map(|fact| fact.at.saturating_sub(began));
    said.or_else(|| goodbye(facts, began))
}

/// When one side broke this handshake off, or refused the other in it. Whoever sent the alert, both close at once and forget
/// the keys: RFC 8446, 6.2; RFC 5246, 7.2.2.
fn refused(facts: &[&Fact], handshake: u32) -> Option<u64> {
    let says_no = |fact: &&&Fact| {
        fact.handshake == handshake && matches!(fact.kind, Kind::Alert | Kind::AuthFailed)
    };
    facts.iter().find(says_no).map(|fact| fact.at)
}

/// Handshakes that made a key of the tunnel's packets: those under whose key there were some, and those whose key messages
/// both came and that were not refused after that. A gateway counts no packets, and tells its own keys by itself.
fn data_handshakes(facts: &[&Fact], data: &[DataUse]) -> Vec<u32> {
    let of_a_gateway = facts.iter().any(|fact| matches!(fact.kind, Kind::NotKept | Kind::NotHeard));
    let refused = |handshake: u32| {
        facts.iter().any(|fact| fact.handshake == handshake && fact.kind == Kind::AuthFailed)
    };
    let agreed = facts.iter().filter(|fact| {
        fact.kind == Kind::ServerKeyMessage && !of_a_gateway && !refused(fact.handshake)
    });
    let used = data.iter().map(|one| one.handshake);
    let mut all: Vec<u32> = agreed.map(|fact| fact.handshake).chain(used).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Keys of the tunnel's packets, one for each handshake.
fn data_keys(facts: &[&Fact], data: &[DataUse], handshakes: &[u32], began: u64) -> Vec<KeyLine> {
    let cipher = facts.iter().find_map(|fact| match &fact.detail {
        Detail::DataCipher(name) => Some(name.clone()),
        _ => None,
    });
    // A server that lets somebody in no longer ends the session with that.
    let refused = facts.iter().find(|fact| fact.kind == Kind::AuthFailed);
    let refused = refused.map(|fact| fact.at.saturating_sub(began));
    let line = |(index, handshake): (usize, &u32)| {
        let name = KeyName::Data { handshake: *handshake };
        let next = handshakes.get(index + 1).map(|next| KeyName::Data { handshake: *next }.id());
        let mine = data.iter().filter(|one| one.handshake == *handshake);
        let uses: Vec<Use> = mine.map(|one| one.used.relative(began)).collect();
        KeyLine {
            id: name.id(),
            kind: KeyKind::Data,
            cipher: cipher.clone(),
            born: born(name, facts, began),
            ends: next.is_none().then(|| refused.or_else(|| goodbye(facts, began))).flatten(),
            uses,
            renewal: if refused.is_some() && next.is_none() {
                Rule::Never
            } else {
                Rule::Renegotiation
            },
            ends_by: if refused.is_some() && next.is_none() {
                Rule::Refusal
            } else {
                Rule::Renegotiation
            },
            replaced_by: next,
            plan: None,
        }
    };
    handshakes.iter().enumerate().map(line).collect()
}

/// The end of a session that was said, or that its gateway tells, and with it of all its keys.
fn goodbye(facts: &[&Fact], began: u64) -> Option<u64> {
    let exit = facts.iter().find(|fact| matches!(fact.kind, Kind::Exit | Kind::SessionEnded))?;
    Some(exit.at.saturating_sub(began))
}

/// The secrets that handshakes rest on which take up an earlier session: of their lives this story has seen nothing.
fn earlier(facts: &[&Fact]) -> Vec<KeyLine> {
    let line = |fact: &&Fact| {
        let ends_by = match fact.kind {
            Kind::ServerHelloResumed => Rule::TicketLifetime,
            Kind::ServerHelloOldResumed => Rule::ServersSetting,
            _ => return None,
        };
        Some(KeyLine {
            id: format!("earlier{}", fact.handshake),
            kind: KeyKind::Resumption,
            cipher: None,
            born: None,
            uses: Vec::new(),
            renewal: Rule::Never,
            replaced_by: None,
            ends: None,
            ends_by,
            plan: None,
        })
    };
    facts.iter().filter_map(line).collect()
}

/// What a ticket stands for lives as long as the server wrote into it.
fn tickets(facts: &[&Fact], began: u64) -> Vec<KeyLine> {
    let tickets = facts.iter().filter_map(|fact| match fact.detail {
        Detail::Ticket(lifetime) => Some((fact, lifetime)),
        _ => None,
    });
    let line = |(index, (fact, lifetime)): (usize, (&&Fact, u32))| {
        let at = fact.at.saturating_sub(began);
        KeyLine {
            id: format!("ticket{index}"),
            kind: KeyKind::Resumption,
            cipher: None,
            born: Some(at),
            uses: Vec::new(),
            renewal: Rule::Never,
            replaced_by: None,
            ends: Some(at + u64::from(lifetime) * 1_000_000),
            ends_by: Rule::TicketLifetime,
            plan: None,
        }
    };
    tickets.enumerate().map(line).collect()
}
