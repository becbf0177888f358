//! Whether a certificate that a peer shows still holds, by what its CA says of it: an OCSP response that is
//! stapled or fetched, or a CRL.
//!
//! Not the fetching: [`Subject::sources`] says where, and whoever went there hands over what came. Everything is
//! checked here before it counts. Invariants: what is known only ever gives way to what is newer, so that a
//! former `good` that somebody sends again changes nothing; and a revocation that is no hold gives way to nothing,
//! since a CA lifts none, so that it counts whatever its age and whatever a clock of the CA's once believed.

mod ca_id;
mod not_taken;
mod subject;
mod verdict;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustls::CertificateError;
use rustls_pki_types::CertificateDer;

pub use ca_id::CaId;
pub use not_taken::NotTaken;
pub use subject::{Sources, Subject};
pub use verdict::{Source, Verdict};

use crate::ocsp::{self, OcspError, OcspExpected, OcspResponse, OcspStatus, OcspVerdict};
use crate::{CLOCK_SKEW, CaCertificate, Crl, Refusal, Revocation, Serial, Timestamp};
use verdict::Opinion;

/// What CAs said of certificates, and which certificates were shown.
///
/// A verifier calls it within handshakes, by [`crate::ServerNameVerifier::with_standings`]. Around it:
///
/// 1. [`Standings::begin`] before a connection;
/// 2. after the handshake, for each of [`Standings::shown`], [`Standings::verdict`];
/// 3. where that is [`Verdict::Open`], ask at the subject's sources, hand over what came by
///    [`Standings::take_ocsp`] and [`Standings::take_crl`], and look again;
/// 4. [`Standings::data_pass`] before data do. A later handshake is refused then where its certificate is not
///    settled beforehand, which [`Standings::poll_refused`] tells: ask about it, so that the next one passes.
#[derive(Debug)]
pub struct Standings {
    cas: Vec<CaCertificate>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: BTreeMap<Numbered, Answer>,
    lists: BTreeMap<CaId, List>,
    /// By lists, for good.
    revoked: BTreeMap<Numbered, Revocation>,
    shown: BTreeMap<Numbered, Shown>,
    data: Data,
    refused: bool,
    waker: Option<Waker>,
}

/// A certificate, by who signed it and its number there.
type Numbered = (CaId, Serial);

/// Whether there is anything to lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Data {
    /// They wait until what was shown is settled.
    #[default]
    Wait,
    Pass {
        /// Whether a certificate has to be known to hold.
        settled_only: bool,
    },
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

/// A certificate that was shown in a handshake, and whose path is good.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which, and where to ask.
    pub subject: Subject,
    /// Whether a handshake of this connection went on with it. One that was refused each time says nothing of the
    /// peer: certificates are public, so that anybody may show another's.
    pub passed: bool,
    /// Why what was stapled to it does not count.
    pub staple: Option<NotTaken>,
}

/// Something that a CA said, to be kept for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An OCSP response about the certificate of this number.
    Ocsp {
        /// Of this CA.
        ca: CaId,
        /// Which certificate of it.
        serial: Serial,
        /// The response.
        der: Vec<u8>,
    },
    /// A CRL of this CA.
    Crl {
        /// Which.
        ca: CaId,
        /// The list.
        der: Vec<u8>,
    },
}

impl Standings {
    /// For peers whose certificates come from these CAs, directly or through others that they send along.
    /// A CA that can't be read can't be asked, and one that may not sign CRLs answers by OCSP alone.
    pub fn new(cas: &[CertificateDer<'_>]) -> Self {
        let cas = cas.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect();
        Self { cas, known: Mutex::default() }
    }

    /// A new connection: nothing has been shown on it.
    pub fn begin(&self) {
        let mut known = self.known();
        known.shown.clear();
        (known.data, known.refused) = (Data::Wait, false);
    }

    /// Data pass from here on, until the next connection begins. With `settled_only`, a certificate that nothing
    /// is known of is refused though it names where to ask: whoever shows it could read and write meanwhile.
    pub fn data_pass(&self, settled_only: bool) {
        self.known().data = Data::Pass { settled_only };
    }

    /// Whether a handshake was refused since data pass, because its certificate is not settled or was revoked.
    /// Told once.
    pub fn poll_refused(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut known = self.known();
        if std::mem::take(&mut known.refused) {
            return Poll::Ready(());
        }
        known.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// What was shown since.
    pub fn shown(&self) -> Vec<Shown> {
        self.known().shown.values().cloned().collect()
    }

    /// Called by the verifier for a certificate whose path is good.
    ///
    /// # Errors
    /// Where it is known to be revoked, or data would pass before it is known not to be.
    pub(crate) fn show(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        staple: &[u8],
        now: Timestamp,
    ) -> Result<(), rustls::Error> {
        let sent: Vec<_> =
            intermediates.iter().filter_map(|der| CaCertificate::from_der(der).ok()).collect();
        let subject = Subject::of(end_entity, self.cas.iter().chain(&sent))?;
        let stapled = (!staple.is_empty()).then(|| self.take_staple(&subject, staple, now));
        let verdict = self.verdict(&subject, now);
        let mut known = self.known();
        let judged = known.judge(&subject, &verdict, stapled == Some(Ok(())));
        let staple = stapled.and_then(Result::err);
        known.note_shown(Shown { subject, staple, passed: judged.is_ok() })?;
        if judged.is_err() && known.data != Data::Wait {
            known.refused = true;
            known.waker.take().into_iter().for_each(Waker::wake);
        }
        judged
    }

    /// What is known of a certificate.
    pub fn verdict(&self, subject: &Subject, now: Timestamp) -> Verdict {
        let mut known = self.known();
        let id = numbered(subject);
        if let Some(why) = known.revoked.get(&id) {
            return Verdict::Revoked(*why);
        }
        let answer =
            known.answers.get(&id).map(|answer| Opinion::of_answer(&answer.verdict, answer.by));
        let list = subject.issuer().and_then(|ca| known.lists.get(&CaId::of(ca)));
        let list = list.map(|list| Opinion::of_list(&list.crl, subject.id().serial));
        let verdict = Opinion::together(answer, list, now);
        if let Verdict::Revoked(why) = verdict {
            known.note_revoked(id, why);
        }
        verdict
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
        self.insert_answer(issuer, subject.id().serial, der, by, now)
    }

    fn insert_answer(
        &self,
        issuer: &CaCertificate,
        serial: Serial,
        der: &[u8],
        by: Source,
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let verdict = check(issuer, serial, der, now).map_err(NotTaken::Ocsp)?;
        if verdict.status == OcspStatus::Unknown {
            return Err(NotTaken::Unknown);
        }
        let id = (CaId::of(issuer), serial);
        let mut known = self.known();
        if let Some(former) = known.answers.get(&id) {
            check_takes_the_place(&former.verdict, &verdict)?;
            if former.der == der {
                return Ok(());
            }
        }
        known.insert(id, Answer { verdict, by, der: der.to_vec(), noted: false });
        Ok(())
    }

    /// Takes a CRL that was fetched.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn take_crl(&self, subject: &Subject, der: &[u8], now: Timestamp) -> Result<(), NotTaken> {
        let issuer = subject.issuer().ok_or(NotTaken::NoIssuer)?;
        let crl = read_list(issuer, der)?;
        match crl.revoked().get(&subject.id().serial).copied() {
            // Whatever else may be said of the list.
            Some(why) if why.is_for_good() => {
                self.known().note_revoked(numbered(subject), why);
                let _ = self.insert_list(issuer, crl, now);
                Ok(())
            }
            _ => self.insert_list(issuer, crl, now),
        }
    }

    fn insert_list(
        &self,
        issuer: &CaCertificate,
        crl: Crl,
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        if crl.is_from_the_future(now) {
            return Err(NotTaken::CrlFromTheFuture { at: crl.this_update() });
        }
        if crl.is_expired(now) {
            return Err(NotTaken::CrlStale { at: crl.next_update() });
        }
        self.known().insert_list(CaId::of(issuer), crl)
    }

    /// What was taken since this was called last, to be kept.
    pub fn news(&self) -> Vec<Said> {
        let mut known = self.known();
        let mut news = Vec::new();
        let answers = known.answers.iter_mut().filter(|(_, answer)| !answer.noted);
        for (&(ca, serial), answer) in answers {
            answer.noted = true;
            news.push(Said::Ocsp { ca, serial, der: answer.der.clone() });
        }
        for (&ca, list) in known.lists.iter_mut().filter(|(_, list)| !list.noted) {
            list.noted = true;
            news.push(Said::Crl { ca, der: list.crl.der().to_vec() });
        }
        news
    }

    /// Takes what was kept, checked like everything else.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn recall(&self, said: &Said, now: Timestamp) -> Result<(), NotTaken> {
        match said {
            Said::Ocsp { ca, serial, der } => {
                self.insert_answer(self.ca(ca)?, *serial, der, Source::Ocsp, now)
            }
            Said::Crl { ca, der } => {
                let issuer = self.ca(ca)?;
                let crl = read_list(issuer, der)?;
                let revokes = crl.revoked().values().any(Revocation::is_for_good);
                if crl.is_expired(now) && revokes {
                    // It vouches for nobody any more, but what it revokes stays so.
                    return self.known().insert_list(*ca, crl);
                }
                self.insert_list(issuer, crl, now)
            }
        }
    }

    fn ca(&self, id: &CaId) -> Result<&CaCertificate, NotTaken> {
        self.cas.iter().find(|ca| CaId::of(ca) == *id).ok_or(NotTaken::NoIssuer)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is ever half put in.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a handshake goes on with this certificate.
    fn judge(
        &self,
        subject: &Subject,
        verdict: &Verdict,
        stapled: bool,
    ) -> Result<(), rustls::Error> {
        let can_be_asked = self.data == Data::Wait && !stapled && !subject.sources().is_empty();
        let has_to_hold = self.data == Data::Pass { settled_only: true };
        match verdict {
            // A hold may have been lifted: whoever looks asks again, while data wait.
            Verdict::Revoked(why) if !why.is_for_good() && can_be_asked => Ok(()),
            Verdict::Revoked(why) => Err(Refusal::Revoked { revocation: Some(*why) }.into()),
            Verdict::Open if has_to_hold && subject.sources().names_some() => {
                Err(CertificateError::UnknownRevocationStatus.into())
            }
            Verdict::Good { .. } | Verdict::Open => Ok(()),
        }
    }

    /// Strangers' certificates take nobody's place.
    fn note_shown(&mut self, mut shown: Shown) -> Result<(), Refusal> {
        let id = numbered(&shown.subject);
        shown.passed |= self.shown.get(&id).is_some_and(|former| former.passed);
        if self.shown.len() >= MOST_SHOWN && !self.shown.contains_key(&id) {
            let refused = self.shown.iter().find(|(_, former)| !former.passed);
            let refused = refused.map(|(id, _)| *id).ok_or(Refusal::Malformed)?;
            self.shown.remove(&refused);
        }
        self.shown.insert(id, shown);
        Ok(())
    }

    fn note_revoked(&mut self, id: Numbered, why: Revocation) {
        if why.is_for_good() {
            make_room(&mut self.revoked, &id, MOST_ANSWERS, |_| true);
            self.revoked.insert(id, why);
        }
    }

    fn insert(&mut self, id: Numbered, answer: Answer) {
        let good = |answer: &Answer| answer.verdict.status == OcspStatus::Good;
        make_room(&mut self.answers, &id, MOST_ANSWERS, good);
        self.answers.insert(id, answer);
    }

    fn insert_list(&mut self, id: CaId, crl: Crl) -> Result<(), NotTaken> {
        if let Some(former) = self.lists.get(&id) {
            if crl.is_older_than(&former.crl) {
                return Err(NotTaken::Older { than: former.crl.this_update() });
            }
            if former.crl == crl {
                return Ok(());
            }
        }
        make_room(&mut self.lists, &id, MOST_LISTS, |_| true);
        self.lists.insert(id, List { crl, noted: false });
        Ok(())
    }
}

/// Where no CA is at hand nothing is taken, so that its name does.
fn numbered(subject: &Subject) -> Numbered {
    let id = subject.id();
    (subject.issuer().map_or_else(|| CaId::unknown(id.issuer), CaId::of), id.serial)
}

/// For one more, where there is none: of those that are sooner missed the first goes, else any.
fn make_room<K: Copy + Ord, V>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    most: usize,
    first: impl Fn(&V) -> bool,
) {
    if map.len() < most || map.contains_key(key) {
        return;
    }
    let goes = map.iter().find(|(_, value)| first(value)).or_else(|| map.iter().next());
    if let Some(goes) = goes.map(|(key, _)| *key) {
        map.remove(&goes);
    }
}

fn check_takes_the_place(former: &OcspVerdict, new: &OcspVerdict) -> Result<(), NotTaken> {
    let than = former.this_update;
    // Of two answers of one second, one came before the revocation.
    let back = former.status != OcspStatus::Good && new.status == OcspStatus::Good;
    let is_older = new.this_update < than || (new.this_update == than && back);
    match (is_for_good(&former.status), is_for_good(&new.status)) {
        (false, true) => Ok(()),
        _ if is_older => Err(NotTaken::Older { than }),
        (true, false) => Err(NotTaken::RevokedForGood),
        _ => Ok(()),
    }
}

fn is_for_good(status: &OcspStatus) -> bool {
    matches!(status, OcspStatus::Revoked(why) if why.is_for_good())
}

fn read_list(issuer: &CaCertificate, der: &[u8]) -> Result<Crl, NotTaken> {
    let crl = Crl::from_der(der).map_err(NotTaken::Crl)?;
    crl.verify(issuer).map_err(NotTaken::Crl)?;
    Ok(crl)
}

/// Judges a response. Whoever's clock is behind takes the CA's word for the time, as far as certificates reach
/// back for such clocks: an answer from the near future is no former one. What is revoked for good is so at any
/// time, and that is judged by the time of the response itself.
fn check(
    issuer: &CaCertificate,
    serial: Serial,
    der: &[u8],
    now: Timestamp,
) -> Result<OcspVerdict, OcspError> {
    let expected = OcspExpected { issuer, serial, nonce: None, now };
    let at = |now| ocsp::check(der, &OcspExpected { now, ..expected });
    let judged = match at(now) {
        Err(OcspError::FromTheFuture { at: then }) if then <= now.after(CLOCK_SKEW) => at(then),
        judged => judged,
    };
    judged.or_else(|why| {
        let response = OcspResponse::from_der(der).map_err(OcspError::Response)?;
        let then = at(response.produced_at());
        then.ok().filter(|verdict| is_for_good(&verdict.status)).ok_or(why)
    })
}

/// Certificates of one peer's connection: its own, and the one that takes its place.
const MOST_SHOWN: usize = 8;
const MOST_ANSWERS: usize = 64;
const MOST_LISTS: usize = 8;
