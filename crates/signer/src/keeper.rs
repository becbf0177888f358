//! The keys at work: what is asked for is judged, then signed.
//!
//! No I/O and no clock; keys and signatures draw on the randomness of the library that makes them. Whoever
//! owns a keeper writes down what it made. Invariant: a CA certificate is made for a key that was made here,
//! never for one that was handed in; and a CA vouches for such others alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::Now;
use pki::{
    CLOCK_SKEW, CaCertificate, CrossRequest, KeyId, LocalSigner, NewCa, SignAnswer, SignError,
    SignRequest, Signer as _, Timestamp,
};

use crate::given::{Cross, Given};
use crate::listed::{Last, Listed};
use crate::protocol::CaWish;
use crate::rate::Rate;
use crate::rules;
use crate::spent::{Ahead, Left, Noted};

/// All CAs whose keys are here.
#[derive(Debug)]
pub struct Keeper {
    cas: BTreeMap<KeyId, Ca>,
    locked: BTreeSet<KeyId>,
    certificates: Rate,
    lists: Rate,
    crosses: Rate,
    given: Given,
}

#[derive(Debug)]
struct Ca {
    signer: LocalSigner,
    /// Nothing where it is not known what was listed before.
    listed: Option<Listed>,
}

impl Keeper {
    /// One without any.
    pub fn new(now: Now) -> Self {
        let rate = |most, each| Rate::new(most, each, now.boot);
        Self {
            cas: BTreeMap::new(),
            locked: BTreeSet::new(),
            certificates: rate(CERTIFICATES_AT_ONCE, CERTIFICATE_EACH),
            lists: rate(LISTS_AT_ONCE, LIST_EACH),
            crosses: rate(CROSSES_AT_ONCE, CROSS_EACH),
            given: Given::default(),
        }
    }

    /// Goes on with what a signer before this one had left, and had given.
    pub(crate) fn go_on(&mut self, noted: &Noted, given: Given, now: Now) {
        self.given = given;
        noted.certificates.hand_on(&mut self.certificates, now);
        noted.lists.hand_on(&mut self.lists, now);
        noted.crosses.hand_on(&mut self.crosses, now);
    }

    /// What may be signed still, as it is to be written down where that is there.
    pub(crate) fn still_left(&mut self, there: Option<&Noted>, ahead: Ahead, now: Now) -> Noted {
        let next = |rate: &mut Rate, there, ahead| {
            rate.count(now.boot);
            Left::next(rate, there, ahead, now.into())
        };
        let ahead = ahead.get();
        Noted {
            certificates: next(&mut self.certificates, there.map(|n| n.certificates), ahead),
            lists: next(&mut self.lists, there.map(|n| n.lists), ahead),
            // So few that each is written down.
            crosses: next(&mut self.crosses, there.map(|n| n.crosses), 0),
        }
    }

    /// In which certificates CAs vouched for others, as it is to be written down.
    pub(crate) fn given(&self) -> &Given {
        &self.given
    }

    /// Takes a CA with its key, and the last list that it signed. One whose last list can't be read signs no other,
    /// as that could lack what was revoked.
    pub fn add(&mut self, signer: LocalSigner, last: &Last) {
        let id = KeyId::of_spki(signer.ca().spki());
        let listed = match last {
            Last::None => Some(Listed::default()),
            Last::List(crl) if crl.verify(signer.ca()).is_ok() => Some(Listed::of(crl)),
            Last::List(_) | Last::Unreadable => None,
        };
        self.locked.remove(&id);
        self.cas.insert(id, Ca { signer, listed });
    }

    /// Knows of a CA whose key is sealed.
    pub fn lock(&mut self, certificate: &[u8]) {
        if let Ok(ca) = CaCertificate::from_der(certificate) {
            self.locked.insert(KeyId::of_spki(ca.spki()));
        }
    }

    /// The certificates of the CAs.
    pub fn certificates(&self) -> impl Iterator<Item = &CaCertificate> {
        self.cas.values().map(|ca| ca.signer.ca())
    }

    /// Signs, or says why not.
    ///
    /// # Errors
    /// When it is nothing that may be signed; nothing has changed then.
    pub fn sign(
        &mut self,
        ca: &KeyId,
        request: SignRequest,
        now: Now,
    ) -> Result<SignAnswer, SignError> {
        self.judge(ca, &request, now)?;
        if let SignRequest::Cross(cross) = request {
            return self.vouch(ca, *cross);
        }
        let ca = self.cas.get_mut(ca).ok_or(SignError::NoSuchCa)?;
        let SignRequest::Crl(list) = request else { return ca.signer.sign_now(request) };
        let listed = ca.listed.as_mut().ok_or(SignError::LastListUnreadable)?;
        listed.allows(&list)?;
        let answer = ca.signer.sign_now(SignRequest::Crl(list.clone()))?;
        listed.becomes(&list);
        Ok(answer)
    }

    /// What was signed before, where a CA is asked once more for its word for another: whoever was killed before that
    /// was on record gets it again, and it is not counted again. Nothing of what was revoked since.
    pub(crate) fn signed_before(
        &self,
        ca: &KeyId,
        request: &SignRequest,
        now: Now,
    ) -> Option<SignAnswer> {
        let SignRequest::Cross(request) = request else { return None };
        rules::cross(request, now.into()).ok()?;
        let Ca { signer, listed } = self.cas.get(ca)?;
        let asked = cut(request, signer.ca(), self.here(&request.other).ok()?);
        let cross = self.given.same(ca, &asked)?;
        let is_revoked = listed.as_ref()?.has(&cross.serial());
        (!is_revoked).then(|| SignAnswer::Certificate(cross.der.clone()))
    }

    fn vouch(&mut self, ca: &KeyId, request: CrossRequest) -> Result<SignAnswer, SignError> {
        let signer = &self.cas.get(ca).ok_or(SignError::NoSuchCa)?.signer;
        let cut = cut(&request, signer.ca(), self.here(&request.other)?);
        let answer = signer.sign_now(SignRequest::Cross(Box::new(request)))?;
        if let SignAnswer::Certificate(der) = &answer {
            self.given.keep(Cross { by: *ca, request: cut, der: der.clone() });
        }
        Ok(answer)
    }

    fn judge(&mut self, ca: &KeyId, request: &SignRequest, now: Now) -> Result<(), SignError> {
        let at = Timestamp::from(now);
        let (allowed, needed) = match request {
            SignRequest::Certificate(request) => {
                rules::certificate(request, at)?;
                if self.cas.contains_key(&request.public_key.id()) {
                    return Err(SignError::KeyOfACa);
                }
                (&mut self.certificates, 1)
            }
            SignRequest::Crl(request) => {
                rules::crl(request, at)?;
                (&mut self.lists, 1)
            }
            SignRequest::Cross(request) => {
                rules::cross(request, at)?;
                let needed = self.needed_with(ca, self.here(&request.other)?);
                (&mut self.crosses, needed)
            }
        };
        if !self.cas.contains_key(ca) {
            let is_locked = self.locked.contains(ca);
            return Err(if is_locked { SignError::Locked } else { SignError::NoSuchCa });
        }
        match allowed.allows(now.boot) {
            true => Ok(()),
            false => Err(SignError::TooOften { again_in: allowed.until(needed) }),
        }
    }

    /// The CA whose certificate this is, where its key is here: no other is vouched for.
    fn here(&self, certificate: &[u8]) -> Result<&CaCertificate, SignError> {
        let other = CaCertificate::from_der(certificate).map_err(|_| SignError::NotACa)?;
        let known = self.cas.get(&KeyId::of_spki(other.spki())).map(|known| known.signer.ca());
        known.filter(|known| **known == other).ok_or(SignError::NoSuchCa)
    }

    /// How many have to be left for a rollover that lacks this one's word for the other: the other's word for it, too,
    /// unless that was given.
    fn needed_with(&self, ca: &KeyId, other: &CaCertificate) -> u32 {
        let Some(Ca { signer, .. }) = self.cas.get(ca) else { return 1 };
        let answered = self.given.has(&KeyId::of_spki(other.spki()), signer.ca().der());
        if answered { 1 } else { 2 }
    }

    /// Until when no CA is made, as so many were in the last days. Their certificates tell it also after the signer was
    /// started anew.
    fn makes_none_until(&self, now: Timestamp) -> Option<Timestamp> {
        let counts_until = |ca: &CaCertificate| ca.validity().not_before.after(CLOCK_SKEW + LATELY);
        let mut counted: Vec<_> =
            self.certificates().map(counts_until).filter(|at| *at > now).collect();
        counted.sort_unstable();
        counted.iter().rev().nth(CAS_LATELY - 1).copied()
    }

    /// What a CA is made of that may be made. It is kept once [`Keeper::add`] has it, which is for after it was written
    /// down.
    ///
    /// # Errors
    /// When there are many.
    pub fn new_ca(&self, wish: &CaWish, now: Now) -> Result<NewCa, SignError> {
        if !self.locked.is_empty() {
            // Its key would lie open beside them.
            return Err(SignError::Locked);
        }
        if self.cas.len() >= MOST_CAS {
            return Err(SignError::TooManyCas);
        }
        if let Some(until) = self.makes_none_until(now.into()) {
            return Err(SignError::TooOften { again_in: until.since(now.into()) });
        }
        let CaWish { key_type, serial, lifetime, .. } = *wish;
        let lifetime = lifetime.min(LONGEST_CA);
        Ok(NewCa { key_type, serial, now: now.into(), lifetime })
    }

    /// Whether this CA has nothing to say any more, as far as it can be told here: another one was made after it, and
    /// the last list that it signed has run out.
    ///
    /// # Errors
    /// Why it has.
    pub fn may_forget(&self, ca: &KeyId, now: Now) -> Result<(), SignError> {
        let Some(Ca { signer, listed }) = self.cas.get(ca) else { return Err(SignError::NoSuchCa) };
        let begins = |ca: &CaCertificate| ca.validity().not_before;
        let later = |other: &CaCertificate| begins(other) > begins(signer.ca());
        let speaks = match listed {
            Some(listed) => listed.holds_until().is_some_and(|until| until >= Timestamp::from(now)),
            None => true,
        };
        if speaks || !self.certificates().any(later) {
            return Err(SignError::NeededStill);
        }
        Ok(())
    }

    /// Lets go of a CA and of its key.
    pub fn forget(&mut self, ca: &KeyId) {
        if let Some(gone) = self.cas.remove(ca) {
            self.given.forget(ca, gone.signer.ca().der());
        }
    }
}

/// As it is signed: until which of both CAs ends first.
fn cut(request: &CrossRequest, by: &CaCertificate, other: &CaCertificate) -> CrossRequest {
    let validity = request.validity.within(by.validity()).within(other.validity());
    CrossRequest { validity, ..request.clone() }
}

const DAY: Duration = Duration::from_secs(86_400);
/// A large house that enrols everybody on one day.
const CERTIFICATES_AT_ONCE: u32 = 10_000;
const CERTIFICATE_EACH: Duration = Duration::from_secs(1);
/// Each revocation makes a list; ten a second for a while are a bad day.
const LISTS_AT_ONCE: u32 = 10_000;
const LIST_EACH: Duration = Duration::from_millis(50);
const CAS_LATELY: usize = 4;
const LATELY: Duration = Duration::from_secs(4 * DAY.as_secs());
/// Two for each rollover.
const CROSSES_AT_ONCE: u32 = 8;
const CROSS_EACH: Duration = DAY;
const MOST_CAS: usize = 64;
/// As much as the settings allow.
const LONGEST_CA: Duration = Duration::from_secs(36_500 * DAY.as_secs());
