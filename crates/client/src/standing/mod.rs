//! Whether the server's certificate still holds: what it stapled, what is kept, and else its CA is asked.
//!
//! TLS has judged the certificate by then, and what is judged here is whether it was revoked since. A question
//! takes seconds, in which the session goes on and data wait. Invariant: data pass only after every certificate
//! that was shown on this connection is settled, or the settings let it pass and a warning says so.

mod kept;
mod past_tunnel;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ask::{Asked, settle};
use clock::{Clock, Timestamp};
use pki::standing::{Shown, Standings, Verdict};
use pki::{CertificateId, Refusal};
use tokio::time::{Instant, timeout};

use crate::events::Warning;
use crate::names::Names;
use crate::settings::{ConnectSettings, Revocation};
use crate::system::System;

use kept::Kept;
use past_tunnel::PastTunnel;

/// Looks at the server's standing, on one connection after the other.
pub(crate) struct ServerCheck {
    policy: Revocation,
    standings: Arc<Standings>,
    kept: Kept,
    names: Names,
    clock: Arc<dyn Clock>,
    /// What is said once of each certificate.
    told: BTreeSet<(CertificateId, Told)>,
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    NobodyToAsk,
    NotKnown,
}

/// Why a connection is not to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsettled {
    /// The certificate was revoked.
    Revoked(Refusal),
    /// It could not be found out; this is why.
    NotKnown(String),
}

impl ServerCheck {
    /// With what is kept in the state folder.
    pub(crate) fn new(settings: &ConnectSettings) -> Self {
        let clock = Arc::clone(&settings.clock);
        let standings = Standings::new(&settings.profile.ca);
        let kept = Kept::in_state(&settings.state);
        if settings.revocation != Revocation::Off {
            kept.recall(&standings, clock.now().into());
        }
        Self {
            policy: settings.revocation,
            standings: Arc::new(standings),
            kept,
            names: Names::default(),
            clock,
            told: BTreeSet::new(),
            due: None,
        }
    }

    /// For the verifier; none where nothing is looked at.
    pub(crate) fn standings(&self) -> Option<Arc<Standings>> {
        (self.policy != Revocation::Off).then(|| Arc::clone(&self.standings))
    }

    /// Whether data have to wait for it.
    pub(crate) fn holds_data(&self) -> bool {
        self.policy != Revocation::Off
    }

    /// A connection begins: nothing has been shown on it.
    pub(crate) fn begin(&mut self) {
        self.standings.begin();
        self.due = None;
    }

    /// When it has to be looked again; never, if nothing is to be asked.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks at every certificate that was shown, and asks about those that nothing fresh is known of.
    ///
    /// # Errors
    /// Where the connection is not to go on.
    pub(crate) async fn look(
        &mut self,
        system: &System,
        limit: Duration,
    ) -> Result<Vec<Warning>, Unsettled> {
        self.due = None;
        let mut warnings = Vec::new();
        for shown in self.standings.shown() {
            let looked = self.look_at(&shown, system, limit).await;
            self.kept.keep(&self.standings.news());
            warnings.extend(looked?);
        }
        Ok(warnings)
    }

    async fn look_at(
        &mut self,
        shown: &Shown,
        system: &System,
        limit: Duration,
    ) -> Result<Option<Warning>, Unsettled> {
        let (subject, now) = (&shown.subject, self.now());
        let mut asked = Vec::new();
        let before = self.standings.verdict(subject, now);
        if is_due(&before, now) && !subject.sources().is_empty() {
            asked = self.ask(shown, system, limit).await;
        }
        match self.standings.verdict(subject, now) {
            Verdict::Revoked(why) => {
                Err(Unsettled::Revoked(Refusal::Revoked { revocation: Some(why) }))
            }
            Verdict::Good { ask_from, .. } => {
                if !subject.sources().is_empty() {
                    self.look_again_in(ask_from.since(now));
                }
                Ok(None)
            }
            Verdict::Open if subject.sources().is_empty() => Ok(self.nobody_to_ask(shown)),
            Verdict::Open => self.not_known(shown, &asked),
        }
    }

    async fn ask(&mut self, shown: &Shown, system: &System, limit: Duration) -> Vec<Asked> {
        let clock = Arc::clone(&self.clock);
        let mut dial = PastTunnel { system, names: &mut self.names };
        let now = move || Timestamp::from(clock.now());
        let asked = settle(&shown.subject, &self.standings, &mut dial, now);
        timeout(limit, asked).await.unwrap_or_default()
    }

    /// What nobody promised to say can't be missed: addresses stand in what the CA signed, so that no impostor
    /// takes them away.
    fn nobody_to_ask(&mut self, shown: &Shown) -> Option<Warning> {
        let staple = shown.staple.map(|why| why.to_string());
        self.told
            .insert((shown.subject.id(), Told::NobodyToAsk))
            .then_some(Warning::NobodyToAsk { staple })
    }

    fn not_known(&mut self, shown: &Shown, asked: &[Asked]) -> Result<Option<Warning>, Unsettled> {
        let why = why(shown, asked);
        if self.policy != Revocation::Prefer {
            return Err(Unsettled::NotKnown(why));
        }
        self.look_again_in(Duration::ZERO);
        let first = self.told.insert((shown.subject.id(), Told::NotKnown));
        Ok(first.then_some(Warning::StandingNotKnown { why }))
    }

    fn look_again_in(&mut self, pause: Duration) {
        let at = Instant::now() + pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

/// Whether something newer is wanted.
fn is_due(verdict: &Verdict, now: Timestamp) -> bool {
    match verdict {
        Verdict::Good { ask_from, .. } => now >= *ask_from,
        Verdict::Open => true,
        Verdict::Revoked(_) => false,
    }
}

fn why(shown: &Shown, asked: &[Asked]) -> String {
    let staple = shown.staple.iter().map(|why| format!("what the server sent along: {why}"));
    let reasons: Vec<String> = staple.chain(asked.iter().map(ToString::to_string)).collect();
    match (reasons.is_empty(), shown.subject.issuer()) {
        (_, None) => pki::standing::NotTaken::NoIssuer.to_string(),
        (true, _) => "nobody answered in time".to_owned(),
        (false, _) => reasons.join("; "),
    }
}

/// While nobody answers, and where answers hold for a moment only.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
/// A wall clock may be set.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
