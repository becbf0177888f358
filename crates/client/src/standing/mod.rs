//! Whether the server's certificate still holds: what it stapled, what is kept, and else its CA is asked.
//!
//! TLS has judged the certificate by then, and what is judged here is whether it was revoked since. A question
//! takes seconds, in which the session goes on and data wait. Invariant: data pass only after every certificate
//! that was shown on this connection is settled, or the settings let it pass and a warning says so. Once they pass, a
//! renewal of keys whose certificate is not settled is refused, and asked about for the next try.

mod kept;
mod past_tunnel;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use ask::{Asked, settle};
use clock::{Clock, Timestamp};
use pki::standing::{NotTaken, Shown, Source, Standings, Verdict};
use pki::{CertificateId, Refusal};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

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
    /// However often somebody has himself refused, the CA is asked no more often than this allows.
    hears_refusals_from: Instant,
    /// A newer staple is wanted, since nobody else answers.
    wants_staple: bool,
    asks_for_staple_from: Instant,
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
            hears_refusals_from: Instant::now(),
            wants_staple: false,
            asks_for_staple_from: Instant::now(),
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
        (self.due, self.wants_staple) = (None, false);
    }

    /// Data pass from here on, and what is shown later has to be settled beforehand where the settings ask for it.
    pub(crate) fn data_pass(&self) {
        self.standings.data_pass(self.policy == Revocation::Require);
    }

    /// Completes when a renewal of keys was refused, since its certificate is not settled or was revoked.
    pub(crate) async fn refused(&self) {
        sleep_until(self.hears_refusals_from).await;
        poll_fn(|context| self.standings.poll_refused(context)).await;
    }

    /// Whether nothing is known by now of a certificate that this connection went on with.
    pub(crate) fn is_open(&self) -> bool {
        let now = self.now();
        let open = |shown: &Shown| self.standings.verdict(&shown.subject, now) == Verdict::Open;
        self.standings.shown().iter().any(|shown| shown.passed && open(shown))
    }

    /// Whether the keys should be renewed for what the server sends along then: it is the only one who answers.
    pub(crate) fn takes_wish_for_staple(&mut self) -> bool {
        let now = Instant::now();
        let wants = std::mem::take(&mut self.wants_staple) && now >= self.asks_for_staple_from;
        if wants {
            self.asks_for_staple_from = now + BETWEEN_STAPLES;
        }
        wants
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
        let (passed, refused): (Vec<_>, Vec<_>) =
            self.standings.shown().into_iter().partition(|shown| shown.passed);
        for shown in passed {
            let looked = self.look_at(&shown, system, limit).await;
            self.kept.keep(&self.standings.news());
            warnings.extend(looked?);
        }
        let asked = self.ask_about_refused(&refused, system, limit);
        // What was not asked in time is asked about when it is shown again.
        let _ = timeout_at(Instant::now() + limit, asked).await;
        self.kept.keep(&self.standings.news());
        self.hears_refusals_from = Instant::now() + BETWEEN_REFUSALS;
        Ok(warnings)
    }

    /// What comes of it decides about the next handshake with them, and not about this connection: whoever showed
    /// them did not prove to be its server.
    async fn ask_about_refused(&mut self, refused: &[Shown], system: &System, limit: Duration) {
        for shown in refused {
            let verdict = self.standings.verdict(&shown.subject, self.now());
            if is_due(&verdict, self.now()) && !shown.subject.sources().is_empty() {
                self.ask(shown, system, limit).await;
            }
        }
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
            verdict @ Verdict::Good { ask_from, .. } => {
                if !subject.sources().is_empty() {
                    self.look_again_in(ask_from.since(now));
                    self.wants_staple |= wants_staple(&verdict, now);
                }
                Ok(None)
            }
            Verdict::Open if !subject.sources().names_some() => Ok(self.nobody_to_ask(shown)),
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
        // A hold may have been lifted.
        Verdict::Revoked(why) => !why.is_for_good(),
    }
}

/// Whether only the server can say something newer, since nobody has who was asked.
fn wants_staple(after: &Verdict, now: Timestamp) -> bool {
    matches!(after, Verdict::Good { by: Source::Staple, .. }) && is_due(after, now)
}

fn why(shown: &Shown, asked: &[Asked]) -> String {
    let staple = shown.staple.iter().map(|why| format!("what the server sent along: {why}"));
    let reasons: Vec<String> = staple.chain(asked.iter().map(ToString::to_string)).collect();
    match (reasons.is_empty(), shown.subject.issuer()) {
        (_, None) => NotTaken::NoIssuer.to_string(),
        (true, _) if shown.subject.sources().is_empty() => NO_PLAIN_HTTP.to_owned(),
        (true, _) => "nobody answered in time".to_owned(),
        (false, _) => reasons.join("; "),
    }
}

const NO_PLAIN_HTTP: &str = "the certificate names no address of plain HTTP to ask at";
/// A renewal that was refused is begun again after two seconds, longer each time.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(10);
/// Gateways have a newer staple after half an hour; a renewal of keys for the same one helps nobody.
const BETWEEN_STAPLES: Duration = Duration::from_secs(300);
/// While nobody answers, and where answers hold for a moment only.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
/// A wall clock may be set.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_staple_is_wanted_where_the_server_alone_has_said_something_that_ages() {
        let at = Timestamp::from_unix_secs;
        let good = |by| Verdict::Good { until: at(3_900), ask_from: at(1_950), by };
        assert!(!wants_staple(&good(Source::Staple), at(1_949)));
        assert!(wants_staple(&good(Source::Staple), at(1_950)));
        assert!(!wants_staple(&good(Source::Ocsp), at(1_950)));
        assert!(!wants_staple(&Verdict::Open, at(1_950)));
    }

    #[test]
    fn a_hold_is_asked_about_again_and_what_was_revoked_for_good_is_not() {
        let at = Timestamp::from_unix_secs(1);
        let asked = |reason| is_due(&Verdict::Revoked(pki::Revocation { at, reason }), at);
        assert!(asked(pki::RevocationReason::CertificateHold));
        assert!(!asked(pki::RevocationReason::KeyCompromise));
    }
}
