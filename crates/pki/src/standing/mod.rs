//! Whether a certificate that a peer shows still holds, by what its CA says of it: an OCSP response that is
//! stapled or fetched, or a CRL.
//!
//! Not the fetching: [`Subject::sources`] says where, and whoever went there hands over what came. Everything is
//! checked here before it counts. Invariant: what is known only ever gives way to what is newer, so that a
//! former `good` that somebody sends again changes nothing.

mod not_taken;
mod subject;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls_pki_types::CertificateDer;

pub use not_taken::NotTaken;
pub use subject::{Sources, Subject};

use crate::ocsp::{self, CLOCK_TOLERANCE, OcspError, OcspExpected, OcspStatus, OcspVerdict};
use crate::{
    CLOCK_SKEW, CaCertificate, CertificateId, Crl, IssuerId, Refusal, Revocation, RevocationReason,
    Serial, Timestamp,
};

/// What CAs said of certificates, and which certificates were shown.
///
/// A verifier calls it within handshakes, by [`crate::ServerNameVerifier::with_standings`]. Around it:
///
/// 1. [`Standings::begin`] before a connection;
/// 2. after the handshake, for each of [`Standings::shown`], [`Standings::verdict`];
/// 3. where that is [`Verdict::Open`], ask at the subject's sources, hand over what came by
///    [`Standings::take_ocsp`] and [`Standings::take_crl`], and look again.
#[derive(Debug)]
pub struct Standings {
    cas: Vec<CaCertificate>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: BTreeMap<CertificateId, Answer>,
    lists: BTreeMap<IssuerId, List>,
    shown: BTreeMap<CertificateId, Shown>,
}

#[derive(Debug)]
struct Answer {
    verdict: OcspVerdict,
    by: Source,
    der: Vec<u8>,
    noted: bool,
}

#[derive(Debug)]
struct List {
    crl: Crl,
    noted: bool,
}

/// A certificate that was shown in a handshake, and passed it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which, and where to ask.
    pub subject: Subject,
    /// Why what was stapled to it does not count.
    pub staple: Option<NotTaken>,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The CA's OCSP responder; the peer sent it along.
    Staple,
    /// The CA's OCSP responder.
    Ocsp,
    /// The CA's list.
    Crl,
}

/// What is known of a certificate at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Good {
        /// Until when that may be gone by.
        until: Timestamp,
        /// From when on it should be asked again.
        ask_from: Timestamp,
        /// Who said it last.
        by: Source,
    },
    /// It was revoked.
    Revoked(Revocation),
    /// Nobody said anything, or what was said is stale.
    Open,
}

/// Something that a CA said, to be kept for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An OCSP response about the certificate of this number.
    Ocsp {
        /// Of which CA, and which.
        id: CertificateId,
        /// The response.
        der: Vec<u8>,
    },
    /// A CRL of this CA.
    Crl {
        /// Which.
        issuer: IssuerId,
        /// The list.
        der: Vec<u8>,
    },
}

impl Standings {
    /// For peers whose certificates come from these CAs, directly or through others that they send along.
    /// A CA that may not sign CRLs, or can't be read, can't be asked.
    pub fn new(cas: &[CertificateDer<'_>]) -> Self {
        let cas = cas.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect();
        Self { cas, known: Mutex::default() }
    }

    /// A new connection: nothing has been shown on it.
    pub fn begin(&self) {
        self.known().shown.clear();
    }

    /// What was shown since.
    pub fn shown(&self) -> Vec<Shown> {
        self.known().shown.values().cloned().collect()
    }

    /// Called by the verifier for a certificate whose path is good.
    ///
    /// # Errors
    /// Where it is known to be revoked.
    pub(crate) fn show(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        staple: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let sent: Vec<_> =
            intermediates.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect();
        let subject = Subject::of(end_entity, self.cas.iter().chain(&sent))?;
        let stapled = (!staple.is_empty()).then(|| self.take_staple(&subject, staple, now));
        let verdict = self.verdict(&subject, now);
        let mut known = self.known();
        if known.shown.len() >= MOST_SHOWN && !known.shown.contains_key(&subject.id()) {
            return Err(Refusal::Malformed);
        }
        let staple = stapled.and_then(Result::err);
        known.shown.insert(subject.id(), Shown { subject, staple });
        match verdict {
            Verdict::Revoked(why) => Err(Refusal::Revoked { revocation: Some(why) }),
            Verdict::Good { .. } | Verdict::Open => Ok(()),
        }
    }

    /// What is known of a certificate.
    pub fn verdict(&self, subject: &Subject, now: Timestamp) -> Verdict {
        let known = self.known();
        let answer = known.answers.get(&subject.id()).map(Opinion::of_answer);
        let list = known.lists.get(&subject.id().issuer);
        let list = list.map(|list| Opinion::of_list(&list.crl, subject.id().serial));
        Opinion::together(answer, list, now)
    }

    /// Takes an OCSP response that was fetched.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn take_ocsp(&self, subject: &Subject, der: &[u8], now: Timestamp) -> Result<(), NotTaken> {
        self.take_answer(subject, der, Source::Ocsp, now)
    }

    fn take_staple(&self, subject: &Subject, der: &[u8], now: Timestamp) -> Result<(), NotTaken> {
        self.take_answer(subject, der, Source::Staple, now)
    }

    fn take_answer(
        &self,
        subject: &Subject,
        der: &[u8],
        by: Source,
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let issuer = subject.issuer().ok_or(NotTaken::NoIssuer)?;
        self.insert_answer(subject.id(), issuer, der, by, now)
    }

    fn insert_answer(
        &self,
        id: CertificateId,
        issuer: &CaCertificate,
        der: &[u8],
        by: Source,
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let verdict = check(issuer, id.serial, der, now).map_err(NotTaken::Ocsp)?;
        if verdict.status == OcspStatus::Unknown {
            return Err(NotTaken::Unknown);
        }
        let mut known = self.known();
        if let Some(former) = known.answers.get(&id) {
            let than = former.verdict.this_update;
            // Of two answers of one second, one came before the revocation.
            let back =
                former.verdict.status != OcspStatus::Good && verdict.status == OcspStatus::Good;
            if verdict.this_update < than || (verdict.this_update == than && back) {
                return Err(NotTaken::Older { than });
            }
            if former.der == der {
                return Ok(());
            }
        } else if known.answers.len() >= MOST_ANSWERS {
            known.answers.clear();
        }
        known.answers.insert(id, Answer { verdict, by, der: der.to_vec(), noted: false });
        Ok(())
    }

    /// Takes a CRL that was fetched.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn take_crl(&self, subject: &Subject, der: &[u8], now: Timestamp) -> Result<(), NotTaken> {
        let issuer = subject.issuer().ok_or(NotTaken::NoIssuer)?;
        self.insert_list(issuer, der, now)
    }

    fn insert_list(
        &self,
        issuer: &CaCertificate,
        der: &[u8],
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let crl = Crl::from_der(der).map_err(NotTaken::Crl)?;
        crl.verify(issuer).map_err(NotTaken::Crl)?;
        if crl.is_expired(now) {
            return Err(NotTaken::CrlStale { at: crl.next_update() });
        }
        let mut known = self.known();
        let id = issuer.issuer_id();
        if let Some(former) = known.lists.get(&id) {
            if crl.is_older_than(&former.crl) {
                return Err(NotTaken::Older { than: former.crl.this_update() });
            }
            if former.crl == crl {
                return Ok(());
            }
        } else if known.lists.len() >= MOST_LISTS {
            known.lists.clear();
        }
        known.lists.insert(id, List { crl, noted: false });
        Ok(())
    }

    /// What was taken since this was called last, to be kept.
    pub fn news(&self) -> Vec<Said> {
        let mut known = self.known();
        let mut news = Vec::new();
        for (id, answer) in known.answers.iter_mut().filter(|(_, answer)| !answer.noted) {
            answer.noted = true;
            news.push(Said::Ocsp { id: *id, der: answer.der.clone() });
        }
        for (issuer, list) in known.lists.iter_mut().filter(|(_, list)| !list.noted) {
            list.noted = true;
            news.push(Said::Crl { issuer: *issuer, der: list.crl.der().to_vec() });
        }
        news
    }

    /// Takes what was kept, checked like everything else.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn recall(&self, said: &Said, now: Timestamp) -> Result<(), NotTaken> {
        let of = |issuer: &IssuerId| {
            self.cas.iter().find(|ca| ca.issuer_id() == *issuer).ok_or(NotTaken::NoIssuer)
        };
        match said {
            Said::Ocsp { id, der } => {
                self.insert_answer(*id, of(&id.issuer)?, der, Source::Ocsp, now)
            }
            Said::Crl { issuer, der } => self.insert_list(of(issuer)?, der, now),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is ever half put in.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges a response. Whoever's clock is behind takes the CA's word for the time, as far as certificates reach
/// back for such clocks: an answer from the near future is no former one.
fn check(
    issuer: &CaCertificate,
    serial: Serial,
    der: &[u8],
    now: Timestamp,
) -> Result<OcspVerdict, OcspError> {
    let expected = OcspExpected { issuer, serial, nonce: None, now };
    match ocsp::check(der, &expected) {
        Err(OcspError::FromTheFuture { at }) if at <= now.after(CLOCK_SKEW) => {
            ocsp::check(der, &OcspExpected { now: at, ..expected })
        }
        judged => judged,
    }
}

/// What one of them says.
#[derive(Clone, Copy, Debug)]
struct Opinion {
    revoked: Option<Revocation>,
    of: Timestamp,
    until: Timestamp,
    by: Source,
}

impl Opinion {
    fn of_answer(answer: &Answer) -> Self {
        let OcspVerdict { status, this_update, next_update } = answer.verdict;
        let revoked = match status {
            OcspStatus::Revoked(why) => Some(why),
            OcspStatus::Good | OcspStatus::Unknown => None,
        };
        let until = next_update.after(CLOCK_TOLERANCE);
        Self { revoked, of: this_update, until, by: answer.by }
    }

    fn of_list(crl: &Crl, serial: Serial) -> Self {
        let revoked = crl.revoked().get(&serial).copied();
        Self { revoked, of: crl.this_update(), until: crl.next_update(), by: Source::Crl }
    }

    /// The newer one counts; of two of one moment, the one that says that it was revoked. A revocation does not
    /// become stale, but one that may have been lifted does.
    fn together(one: Option<Self>, other: Option<Self>, now: Timestamp) -> Verdict {
        let both = [one, other].into_iter().flatten();
        let Some(newest) = both.clone().max_by_key(|said| (said.of, said.revoked.is_some())) else {
            return Verdict::Open;
        };
        match newest.revoked {
            Some(why) if why.reason == RevocationReason::CertificateHold && now > newest.until => {
                return Verdict::Open;
            }
            Some(why) => return Verdict::Revoked(why),
            None => {}
        }
        let fresh = both.filter(|said| said.revoked.is_none() && now <= said.until);
        match fresh.max_by_key(|said| said.until) {
            None => Verdict::Open,
            Some(Self { of, until, by, .. }) => {
                Verdict::Good { until, ask_from: of.after(until.since(of) / 2), by }
            }
        }
    }
}

/// Certificates of one peer's connection: its own, and the one that takes its place.
const MOST_SHOWN: usize = 8;
const MOST_ANSWERS: usize = 64;
const MOST_LISTS: usize = 8;
