//! What a gateway tells of a connection: what was kept of it, between gaps, with what the gateway judged and the keys that
//! it has at this moment.
//!
//! Invariant: nothing is told that was neither kept, nor judged by the gateway, nor known by a rule of the protocol.

use std::sync::Arc;

use super::{Kept, Lack, LiveKey};
use crate::arrived;
use crate::openvpn::Session;
use crate::place::Side;
use crate::story::{
    Certificate, Ending, Inquiry, Judgement, KeyKind, KeyLine, Plan, Protocol, Story,
};
use crate::tell::{Conversation, clocks, tell_as};
use crate::verdict::Outcome;

/// A connection as its gateway tells it.
#[derive(Debug)]
pub struct Meeting<'a> {
    /// What is spoken on it.
    pub protocol: Protocol,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// Where it came from.
    pub client: String,
    /// The address of ours that it spoke to, or who that is.
    pub server: String,
    /// When it was first heard of, in microseconds since 1970.
    pub at: u64,
    /// When its keys were renewed last, in the same, where they were.
    pub renewed: Option<u64>,
    /// What was kept of its handshake.
    pub kept: Result<&'a Kept, Lack>,
    /// What the gateway judged, in the words of its log.
    pub judgements: Vec<Judgement>,
    /// What its records say of the client's certificate.
    pub records: Option<Inquiry>,
    /// The tunnel's keys as they are at this moment.
    pub keys: Vec<LiveKey>,
    /// What has become of it.
    pub outcome: Outcome,
}

/// A traffic key of TLS that nothing has taken the place of: in an open session it is in use.
fn is_the_last_of_tls(key: &KeyLine) -> bool {
    let is_over = key.ends.is_some() || key.replaced_by.is_some();
    key.kind == KeyKind::TlsTraffic && key.plan.is_none() && !is_over
}

/// A key that ends with its session, whoever ends that.
fn is_open(key: &KeyLine) -> bool {
    let is_over = key.ends.is_some() || key.replaced_by.is_some();
    key.kind != KeyKind::Resumption && !is_over
}

fn in_use(key: &mut KeyLine) {
    key.plan = Some(Plan { in_use: true, ..Plan::default() });
}

/// Reasons behind which a clock may be.
const ABOUT_TIME: [&str; 6] = [
    "expired",
    "not_yet_valid",
    "ca_expired",
    "silent_after_our_certificate",
    "closed_after_our_certificate",
    "tls_failed",
];

impl Meeting<'_> {
    /// Its story.
    pub fn story(&self) -> Story {
        let session = self.session();
        let mut uses = self.kept.map(|kept| kept.uses.clone()).unwrap_or_default();
        if let Ok(Kept { renewal: Some(renewal), .. }) = self.kept {
            uses.extend(renewal.uses.iter().copied());
        }
        let told = tell_as(
            &Conversation {
                transport: self.transport,
                client: self.client.clone(),
                server: self.server.clone(),
                facts: &session.facts,
                session: (self.protocol == Protocol::OpenVpn).then_some(&session),
                closed: None,
                own: None,
                uses,
            },
            Some(&self.outcome),
        );
        // There is a gap at least.
        let mut story = told.unwrap_or_else(|| self.nothing());
        story.judgements.clone_from(&self.judgements);
        story.judgements.extend(self.arrived(&session));
        story.judgements.extend(self.clocks(&session));
        self.say_of_records(&mut story);
        story.client_was_judged();
        // Each is followed by one of its own kind alone.
        let next = self.keys.iter().skip(1).map(Some).chain([None]);
        let next =
            next.zip(&self.keys).map(|(next, key)| next.filter(|next| next.kind == key.kind));
        for (key, next) in self.keys.iter().zip(next) {
            key.join(&mut story.keys, key.line(story.began, next));
        }
        if let Outcome::Ended { .. } = self.outcome {
            let end = story.steps.last().map(|step| step.at);
            story.keys.iter_mut().filter(|key| is_open(key)).for_each(|key| key.ends = end);
        }
        if matches!(self.outcome, Outcome::Open) {
            story.keys.iter_mut().filter(|key| is_the_last_of_tls(key)).for_each(in_use);
        }
        story
    }

    /// Of a handshake that failed, what is known of both clocks: where they are apart, or a certificate's time may be why.
    fn clocks(&self, session: &Session) -> Option<Judgement> {
        let Outcome::Over(verdict) = &self.outcome else { return None };
        let by = &self.judgements.first()?.by;
        let (agree, sentence) = clocks::at_the_gateway(session.facts.all())?;
        let is_told = !agree || ABOUT_TIME.contains(&verdict.code.as_str());
        is_told.then(|| Judgement { by: by.clone(), sentence })
    }

    /// Of a client that fell silent: whether what was said to it has come.
    fn arrived(&self, session: &Session) -> Option<Judgement> {
        let is_silent = matches!(&self.outcome, Outcome::Over(verdict) if verdict.by.is_none());
        let by = &self.judgements.first().filter(|_| is_silent)?.by;
        let sentence = arrived::at_the_client(&session.packets)?;
        Some(Judgement { by: by.clone(), sentence })
    }

    /// What was kept, between gaps that say what was not.
    fn session(&self) -> Session {
        let mut session = Session::new(Arc::default(), crate::capture::Keys::default());
        if let Outcome::Dropped { what, why } = &self.outcome {
            // It is of no handshake of which something may be kept.
            session.facts.push(what.fact(self.at, why));
            return session;
        }
        match self.kept {
            Err(Lack::Stateless) => {
                // Whoever knocked was answered.
                for side in [Side::Client, Side::Server] {
                    session.facts.push(Lack::Stateless.of(side, self.at));
                }
            }
            Err(lack) => {
                session.facts.push(lack.fact(self.at));
                if let Some(at) = self.renewed {
                    session.facts.push(lack.of_its_renewals(at));
                }
            }
            Ok(kept) => {
                let began = kept.facts.first().map_or(self.at, |fact| fact.at);
                if self.protocol == Protocol::OpenVpn {
                    session.facts.push(Lack::Stateless.fact(began));
                }
                kept.facts.iter().for_each(|fact| session.facts.push(fact.clone()));
                session.packets.clone_from(&kept.packets);
                if kept.lacks {
                    let last = kept.facts.last().map_or(self.at, |fact| fact.at);
                    session.facts.push(Lack::TooLong.fact(last));
                }
                if let Some(renewal) = &kept.renewal {
                    let began = renewal.facts.first().map_or(self.at, |fact| fact.at);
                    if renewal.newest() > 1 {
                        session.facts.push(Lack::Renewals.fact(began));
                    }
                    renewal.facts.iter().for_each(|fact| session.facts.push(fact.clone()));
                    session.packets.extend(&renewal.packets);
                }
                session.data.clone_from(&kept.data);
                if let Some(rest) = kept.rest {
                    let last = kept.facts.last().map_or(self.at, |fact| fact.at);
                    session.facts.push(rest.fact(last));
                }
            }
        }
        if let Outcome::Ended { at, why } = &self.outcome {
            // Nothing that was kept of it can come later.
            let all = session.facts.all().iter();
            let (last, newest) = all.fold((*at, 0), |(last, newest), fact| {
                (fact.at.max(last), fact.handshake.max(newest))
            });
            session.facts.push(why.end(last, newest));
        }
        session
    }

    fn say_of_records(&self, story: &mut Story) {
        let Some(records) = &self.records else { return };
        let own = |have: &&Certificate| have.shown_by == Side::Client && have.depth == 0;
        let Some(last) = story.certificates.iter().rev().find(own).cloned() else { return };
        // A renewal shows the same one again.
        let same = |have: &&mut Certificate| have.is_the_same_as(&last);
        for certificate in story.certificates.iter_mut().filter(same) {
            certificate.inquiries.insert(0, records.clone());
        }
    }

    fn nothing(&self) -> Story {
        Story {
            title: "A connection".to_owned(),
            protocol: self.protocol,
            transport: self.transport.to_owned(),
            client: self.client.clone(),
            server: self.server.clone(),
            began: self.at,
            steps: Vec::new(),
            missing: Vec::new(),
            keys: Vec::new(),
            certificates: Vec::new(),
            packets: Vec::new(),
            judgements: Vec::new(),
            ending: Ending::Cut,
        }
    }
}
