//! Whether a service's certificate still holds: what it stapled, what was said before, and else its CA is asked.
//! Nothing of ours is sent before.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ask::{Asked, SystemDial, settle};
use clock::{Clock, Timestamp};
use pki::CertificateId;
use pki::standing::{Said, Shown, Standings, Subject, Verdict};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// What is done about a certificate that may have been revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Revocation {
    /// Where it can't be found out, nothing is sent.
    #[default]
    Require,
    /// Where it can't be found out, it is said and passed over.
    Prefer,
    /// It is not looked at.
    Off,
}

/// Why a certificate does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// It was revoked.
    Revoked(pki::Revocation),
    /// It could not be found out; this is why.
    NotKnown(String),
}

/// What CAs said, from one connection to the next.
#[derive(Debug)]
pub(crate) struct Memory {
    cas: Vec<CertificateDer<'static>>,
    said: Mutex<Vec<Said>>,
    /// Of which certificates nobody said anything.
    unsaid: Mutex<Vec<Unsaid>>,
    clock: Arc<dyn Clock>,
    /// How long CAs have to say something.
    limit: Duration,
}

/// A certificate of which nobody said whether it was revoked.
#[derive(Clone, Debug)]
struct Unsaid {
    id: CertificateId,
    at: Timestamp,
    why: String,
}

impl Memory {
    pub(crate) fn new(cas: Vec<CertificateDer<'static>>, clock: Arc<dyn Clock>) -> Self {
        Self { cas, said: Mutex::default(), unsaid: Mutex::default(), clock, limit: LIMIT }
    }

    pub(crate) fn asking_for(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// For one connection, with what is known.
    pub(crate) fn standings(&self) -> Arc<Standings> {
        let standings = Standings::new(&self.cas);
        let now = self.now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|said| standings.recall(said, now).is_ok());
        // They are known here, and no news.
        standings.news();
        Arc::new(standings)
    }

    /// Settles all that was shown, and says what was passed over.
    ///
    /// # Errors
    /// Where the connection is not to go on.
    pub(crate) async fn settle(
        &self,
        standings: &Standings,
        policy: Revocation,
    ) -> Result<Option<String>, Unsettled> {
        let mut passed_over = None;
        for shown in standings.shown() {
            let judged = match policy {
                Revocation::Off => Ok(None),
                _ => self.settle_one(standings, &shown, policy).await,
            };
            self.keep(standings.news());
            passed_over = passed_over.or(judged?);
        }
        Ok(passed_over)
    }

    async fn settle_one(
        &self,
        standings: &Standings,
        shown: &Shown,
        policy: Revocation,
    ) -> Result<Option<String>, Unsettled> {
        let subject = &shown.subject;
        let asked = match standings.verdict(subject, self.now()) {
            Verdict::Good { .. } => Vec::new(),
            Verdict::Open if policy == Revocation::Prefer => match self.unsaid(subject.id()) {
                Some(why) => return Ok(Some(why)),
                None => self.ask(standings, subject).await,
            },
            Verdict::Open => self.ask(standings, subject).await,
            // A hold may have been lifted.
            Verdict::Revoked(why) if why.is_for_good() => Vec::new(),
            Verdict::Revoked(_) => self.ask(standings, subject).await,
        };
        match standings.verdict(subject, self.now()) {
            Verdict::Good { .. } => Ok(None),
            Verdict::Revoked(why) => Err(Unsettled::Revoked(why)),
            // Addresses stand in what the CA signed, so that no impostor takes them away.
            Verdict::Open if !subject.sources().names_some() => Ok(Some(NOBODY.to_owned())),
            Verdict::Open if policy == Revocation::Prefer => {
                let why = why(shown, &asked);
                self.note_unsaid(Unsaid { id: subject.id(), at: self.now(), why: why.clone() });
                Ok(Some(why))
            }
            Verdict::Open => Err(Unsettled::NotKnown(why(shown, &asked))),
        }
    }

    async fn ask(&self, standings: &Standings, subject: &Subject) -> Vec<Asked> {
        if subject.sources().is_empty() {
            return Vec::new();
        }
        let clock = Arc::clone(&self.clock);
        let now = move || Timestamp::from(clock.now());
        let mut dial = SystemDial;
        let asking = settle(subject, standings, &mut dial, now);
        timeout(self.limit, asking).await.unwrap_or_default()
    }

    /// Why nobody said anything of it a moment ago: whoever passes that over need not wait for it each time.
    fn unsaid(&self, id: CertificateId) -> Option<String> {
        let now = self.now();
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.retain(|one| one.at <= now && now.since(one.at) < UNSAID_FOR);
        unsaid.iter().find(|one| one.id == id).map(|one| one.why.clone())
    }

    fn note_unsaid(&self, one: Unsaid) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.retain(|other| other.id != one.id);
        let over = (unsaid.len() + 1).saturating_sub(MOST_SAID);
        unsaid.drain(..over);
        unsaid.push(one);
    }

    fn keep(&self, news: Vec<Said>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(news);
        let over = said.len().saturating_sub(MOST_SAID);
        said.drain(..over);
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

fn why(shown: &Shown, asked: &[Asked]) -> String {
    let staple = shown.staple.iter().map(|why| format!("what the server sent along: {why}"));
    let reasons: Vec<String> = staple.chain(asked.iter().map(ToString::to_string)).collect();
    if reasons.is_empty() { "nobody answered in time".to_owned() } else { reasons.join("; ") }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked(why) => write!(f, "its certificate was revoked {why}"),
            Self::NotKnown(why) => {
                write!(f, "whether its certificate was revoked is not known: {why}")
            }
        }
    }
}

impl Error for Unsettled {}

const NOBODY: &str = "its certificate names nobody who could be asked whether it was revoked";
const LIMIT: Duration = Duration::from_secs(10);
/// Answers of some kilobytes, lists of some more.
const MOST_SAID: usize = 16;
/// Longer than an order of a certificate takes, with all its questions to a CA.
const UNSAID_FOR: Duration = Duration::from_secs(600);
