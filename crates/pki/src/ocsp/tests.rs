use std::collections::BTreeMap;
use std::time::Duration;

use super::response::{Unsigned, signed};
use super::*;
use crate::lint::Rule;
use crate::{
    CA_LIFETIME, CaCertificate, CertificateId, CertificateRequest, KeyType, LocalSigner, NewCa,
    OCSP_SIGNER_LIFETIME, PrivateKey, Profile, Publishing, Revocation, RevocationReason, Serial,
    SignAnswer, SignRequest, Signer, Timestamp, Validity,
};

#[test]
fn every_status_reaches_whoever_asked_with_its_time_and_reason() {
    let responder = Responder::new(KeyType::P256);
    for hash in [CertIdHash::Sha1, CertIdHash::Sha256] {
        for nonce in [None, Some(Nonce::from_random([7; 32]))] {
            for (serial, status) in [
                (GOOD, OcspStatus::Good),
                (REVOKED, OcspStatus::Revoked(revocation())),
                (NEVER_ISSUED, OcspStatus::Unknown),
            ] {
                let id = CertId::new(hash, responder.ca(), number(serial));
                let reply = responder.ask(&OcspRequest::new(id, nonce.clone()));
                let reusable = nonce.is_none() && status != OcspStatus::Unknown;
                assert_eq!(reply.reusable_until.is_some(), reusable);
                let expected = OcspExpected { nonce: nonce.as_ref(), ..responder.expect(serial) };
                let verdict = check(&reply.der, &expected).unwrap();
                assert_eq!(verdict.status, status);
                assert_eq!((verdict.this_update, verdict.next_update), (now(), now().after(HOUR)));
            }
        }
    }
}

#[test]
fn whoever_signed_is_named_by_his_certificate_or_by_the_key_that_he_says() {
    let responder = Responder::new(KeyType::P256);
    let reply = responder.ask(&responder.request(GOOD));
    let mut response = OcspResponse::from_der(&reply.der).unwrap();
    assert_eq!(response.signer(&[]), "CN=OCSP");
    // Of one without certificates the name comes from those that are at hand, and else it is a key.
    let own = std::mem::take(&mut response.certificates);
    assert!(response.signer(&[]).starts_with("whoever has the key "));
    assert_eq!(response.signer(&[&own[0]]), "CN=OCSP");
    assert!(response.signer(&[responder.ca().der()]).starts_with("whoever"), "it is not the CA's");
}

#[test]
fn each_rule_that_an_answer_could_break_is_named_and_what_is_sent_breaks_none() {
    let responder = Responder::new(KeyType::P256);
    let signer = &responder.authority.signer;
    let nonce = Nonce::from_random([7; 32]);
    let id = |serial| CertId::new(CertIdHash::Sha256, responder.ca(), number(serial));
    for ids in [vec![id(GOOD)], vec![id(REVOKED), id(NEVER_ISSUED), id(REVOKED)]] {
        let reply = responder.ask(&OcspRequest::of_many(ids));
        assert_eq!(reply.fault, None);
    }
    let request = OcspRequest::new(id(GOOD), Some(nonce.clone()));
    assert_eq!(responder.ask(&request).fault, None);
    let good = CertAnswer { id: id(GOOD), ..responder.good_answer() };
    let judged = |answers: &[CertAnswer], nonce: Option<&Nonce>| {
        let der = signer.sign_answers(answers, now(), nonce).unwrap();
        rules::keeps(&der, &signer.asked(&request))
    };
    let good_alone = std::slice::from_ref(&good);
    assert_eq!(judged(good_alone, Some(&nonce)), Ok(()));
    assert_eq!(judged(good_alone, None), Err(Rule::OcspNonce));
    assert_eq!(judged(good_alone, Some(&Nonce::from_random([8; 32]))), Err(Rule::OcspNonce));
    let about = |answers: &[CertAnswer]| judged(answers, Some(&nonce));
    assert_eq!(about(&[]), Err(Rule::OcspAnswers));
    assert_eq!(about(&[good.clone(), good.clone()]), Err(Rule::OcspAnswers));
    assert_eq!(about(&[CertAnswer { id: id(REVOKED), ..good.clone() }]), Err(Rule::OcspAnswers));
    let of_another_hash = CertId::new(CertIdHash::Sha1, responder.ca(), number(GOOD));
    assert_eq!(
        about(&[CertAnswer { id: of_another_hash, ..good.clone() }]),
        Err(Rule::OcspAnswers)
    );
    for (this_update, next_update) in
        [(now().after(SECOND), Some(now().after(HOUR))), (now(), Some(now().before(HOUR)))]
    {
        let wrong = CertAnswer { this_update, next_update, ..good.clone() };
        assert_eq!(about(&[wrong]), Err(Rule::OcspTimes));
    }
    assert_eq!(about(&[CertAnswer { next_update: None, ..good.clone() }]), Err(Rule::Readable));
    let other = Responder::new(KeyType::P256);
    let der = other.authority.signer.sign_answers(good_alone, now(), Some(&nonce)).unwrap();
    assert_eq!(rules::keeps(&der, &signer.asked(&request)), Err(Rule::OcspResponder));
}

#[test]
fn no_part_of_an_answer_and_nothing_behind_it_keeps_the_rules() {
    let responder = Responder::new(KeyType::Rsa2048);
    let request = responder.request(REVOKED);
    let asked = responder.authority.signer.asked(&request);
    let whole = responder.ask(&request).der;
    assert_eq!(rules::keeps(&whole, &asked), Ok(()));
    for end in 0..whole.len() {
        assert_eq!(rules::keeps(&whole[..end], &asked), Err(Rule::Readable), "{end}");
    }
    assert_eq!(rules::keeps(&[&whole[..], &[5, 0]].concat(), &asked), Err(Rule::Readable));
}

#[test]
fn an_rsa_signer_is_believed_as_well() {
    let responder = Responder::new(KeyType::Rsa2048);
    let reply = responder.ask(&responder.request(GOOD));
    assert!(check(&reply.der, &responder.expect(GOOD)).is_ok());
}

#[test]
fn an_answer_is_not_taken_for_another_certificate_or_another_ca() {
    let (responder, other) = (Responder::new(KeyType::P256), Responder::new(KeyType::P256));
    let reply = responder.ask(&responder.request(GOOD));
    let wrong = check(&reply.der, &responder.expect(REVOKED));
    assert_eq!(wrong, Err(OcspError::OtherCertificate));
    let wrong = check(&reply.der, &OcspExpected { issuer: other.ca(), ..responder.expect(GOOD) });
    assert_eq!(wrong, Err(OcspError::NotAppointed));
}

#[test]
fn a_replayed_answer_is_found_out_by_its_nonce_and_by_its_time() {
    let responder = Responder::new(KeyType::P256);
    let expected = responder.expect(GOOD);
    let (sent, other) = (Nonce::from_random([1; 32]), Nonce::from_random([2; 32]));
    let id = CertId::new(CertIdHash::Sha1, responder.ca(), number(GOOD));
    let replayed = responder.ask(&OcspRequest::new(id, Some(other))).der;
    let with_nonce = OcspExpected { nonce: Some(&sent), ..expected };
    assert_eq!(check(&replayed, &with_nonce), Err(OcspError::OtherNonce));
    let ahead = responder.ask(&responder.request(GOOD)).der;
    assert_eq!(check(&ahead, &with_nonce), Err(OcspError::NonceMissing));

    let late = |by| OcspExpected { now: now().after(HOUR + by), ..expected };
    assert!(check(&ahead, &late(CLOCK_TOLERANCE)).is_ok());
    let stale = check(&ahead, &late(CLOCK_TOLERANCE + SECOND));
    assert_eq!(stale, Err(OcspError::Stale { of: now(), at: now().after(HOUR) }));
    let slow = |by| OcspExpected { now: now().before(by), ..expected };
    assert!(check(&ahead, &slow(CLOCK_TOLERANCE)).is_ok());
    let early = check(&ahead, &slow(CLOCK_TOLERANCE + SECOND));
    assert_eq!(early, Err(OcspError::FromTheFuture { at: now() }));
}

#[test]
fn no_octet_of_an_answer_can_be_changed_without_being_found_out() {
    let responder = Responder::new(KeyType::P256);
    let reply = responder.ask(&responder.request(REVOKED)).der;
    let truth = check(&reply, &responder.expect(REVOKED)).unwrap();
    for place in 0..reply.len() {
        let mut changed = reply.clone();
        changed[place] ^= 1;
        // An ECDSA signature may be written in two ways, and the answer stays what it was.
        if let Ok(verdict) = check(&changed, &responder.expect(REVOKED)) {
            assert_eq!(verdict, truth, "octet {place}");
        }
        assert!(check(&reply[..place], &responder.expect(REVOKED)).is_err());
    }
}

#[test]
fn a_device_cannot_speak_for_its_ca() {
    let responder = Responder::new(KeyType::P256);
    let device = Profile::Device { user: "mallory".into(), device: "phone".into() };
    let forged = responder.signed_by_one_of(device, responder.validity());
    assert_eq!(check(&forged, &responder.expect(GOOD)), Err(OcspError::NotAppointed));
}

#[test]
fn a_signer_whose_certificate_has_ended_is_not_believed() {
    let responder = Responder::new(KeyType::P256);
    let ended = Validity { not_before: now().before(2 * HOUR), not_after: now().before(HOUR) };
    let signer = Profile::OcspSigner { name: "OCSP".into() };
    let old = responder.signed_by_one_of(signer.clone(), ended);
    let error = check(&old, &responder.expect(GOOD));
    assert_eq!(error, Err(OcspError::DelegateExpired { at: ended.not_after }));
    let coming = Validity { not_before: now().after(HOUR), not_after: now().after(2 * HOUR) };
    let early = responder.signed_by_one_of(signer, coming);
    let error = check(&early, &responder.expect(GOOD));
    assert_eq!(error, Err(OcspError::DelegateNotYetValid { at: coming.not_before }));
}

#[test]
fn a_signer_that_another_ca_appointed_is_not_believed() {
    let (one, other) = (Responder::new(KeyType::P256), Responder::new(KeyType::P256));
    let answers = [one.good_answer()];
    let forged = other.authority.signer_of(&answers);
    assert_eq!(check(&forged, &one.expect(GOOD)), Err(OcspError::NotAppointed));
}

#[test]
fn the_ca_itself_may_sign() {
    let responder = Responder::new(KeyType::P256);
    let unsigned_by_ca = Unsigned {
        responder_key_hash: &cert_id::responder_key_hash(responder.ca().spki()),
        produced_at: now(),
        answers: &[responder.good_answer()],
        nonce: None,
    };
    let octets = unsigned_by_ca.to_be_signed();
    let key = responder.signer.key();
    let signature = key.sign(&octets).unwrap();
    let family = key.public_key().family();
    let der = signed(&octets, family, &signature, responder.ca().der()).unwrap();
    assert!(check(&der, &responder.expect(GOOD)).is_ok());
}

#[test]
fn two_answers_for_one_certificate_are_none() {
    let responder = Responder::new(KeyType::P256);
    let good = responder.good_answer();
    let bad = CertAnswer { status: OcspStatus::Revoked(revocation()), ..good.clone() };
    let der = responder.authority.signer_of(&[good, bad]);
    assert_eq!(check(&der, &responder.expect(GOOD)), Err(OcspError::TwoAnswers));
}

#[test]
fn an_answer_without_an_end_is_not_kept_for_ever() {
    let responder = Responder::new(KeyType::P256);
    let endless = CertAnswer { next_update: None, ..responder.good_answer() };
    let der = responder.authority.signer_of(&[endless]);
    assert_eq!(check(&der, &responder.expect(GOOD)), Err(OcspError::NoNextUpdate));
}

#[test]
fn an_answer_ends_with_its_signers_certificate() {
    let responder = Responder::new(KeyType::P256);
    let soon = responder.authority.signer.not_after().before(SECOND);
    let reply = responder.ask_at(&responder.request(GOOD), soon);
    assert_eq!(reply.reusable_until, Some(responder.authority.signer.not_after()));
    let then = responder.ask_at(&responder.request(GOOD), responder.authority.signer.not_after());
    let error = OcspResponse::from_der(&then.der).unwrap_err();
    assert_eq!(error, ResponseError::Unsuccessful(Unsuccessful::TryLater));
}

#[test]
fn several_certificates_of_one_ca_are_answered_together_and_of_two_cas_not_at_all() {
    let (responder, other) = (Responder::new(KeyType::P256), Responder::new(KeyType::P256));
    let ids = |second: &CaCertificate| {
        [(responder.ca(), GOOD), (second, REVOKED)]
            .map(|(ca, serial)| CertId::new(CertIdHash::Sha256, ca, number(serial)))
    };
    let reply = responder.ask(&OcspRequest::of_many(ids(responder.ca()).to_vec()));
    assert_eq!(OcspResponse::from_der(&reply.der).unwrap().answers().len(), 2);
    assert_eq!(check(&reply.der, &responder.expect(GOOD)).unwrap().status, OcspStatus::Good);
    let reply = responder.ask(&OcspRequest::of_many(ids(other.ca()).to_vec()));
    let error = OcspResponse::from_der(&reply.der).unwrap_err();
    assert_eq!(error, ResponseError::Unsuccessful(Unsuccessful::Unauthorized));
}

#[test]
fn what_is_no_request_is_answered_as_malformed() {
    let responder = Responder::new(KeyType::P256);
    let malformed = ResponseError::Unsuccessful(Unsuccessful::MalformedRequest);
    let good = responder.request(GOOD).to_der();
    for octets in [&b""[..], b"hello", &good[1..], &vec![0x30; LONGEST_REQUEST + 1]] {
        let reply = respond(
            std::slice::from_ref(&responder.authority),
            &responder.records,
            octets,
            now(),
            HOUR,
        );
        assert_eq!(OcspResponse::from_der(&reply.der).unwrap_err(), malformed);
        assert_eq!(reply.reusable_until, None);
    }
}

#[test]
fn a_nonce_has_at_most_128_octets() {
    let nonce = |octets: usize| {
        let content = [&[0x04, 0x81, u8::try_from(octets).unwrap()][..], &vec![1; octets]].concat();
        Nonce::read(&content)
    };
    assert!(nonce(128).is_some());
    assert!(nonce(129).is_none());
    assert!(Nonce::read(&[4, 0]).is_none());
}

#[test]
fn requests_with_no_certificate_or_too_many_are_refused() {
    let responder = Responder::new(KeyType::P256);
    let id = CertId::new(CertIdHash::Sha1, responder.ca(), number(GOOD));
    let of = |count| OcspRequest::of_many(vec![id.clone(); count]).to_der();
    assert!(OcspRequest::from_der(&of(MOST_CERTIFICATES)).is_ok());
    assert_eq!(OcspRequest::from_der(&of(0)), Err(RequestError::BadCount));
    assert_eq!(OcspRequest::from_der(&of(MOST_CERTIFICATES + 1)), Err(RequestError::BadCount));
}

/// A CA, who answers for it, and what the records say.
struct Responder {
    signer: LocalSigner,
    authority: OcspAuthority,
    records: Records,
}

impl Responder {
    fn new(key_type: KeyType) -> Self {
        let serial = Serial::from_random([3; 16]);
        let new = NewCa { key_type, serial, now: now(), lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new).unwrap();
        let ca = signer.ca().clone();
        let profile = Profile::OcspSigner { name: "OCSP".into() };
        let validity = Validity::starting(now(), OCSP_SIGNER_LIFETIME);
        let authority =
            OcspAuthority { signer: ocsp_signer(&signer, key_type, profile, validity).into(), ca };
        let status = [(GOOD, OcspStatus::Good), (REVOKED, OcspStatus::Revoked(revocation()))];
        let id =
            |serial| CertificateId { issuer: authority.ca.issuer_id(), serial: number(serial) };
        let records = Records(status.map(|(serial, status)| (id(serial), status)).into());
        Self { signer, authority, records }
    }

    fn ca(&self) -> &CaCertificate {
        &self.authority.ca
    }

    fn validity(&self) -> Validity {
        Validity::starting(now(), OCSP_SIGNER_LIFETIME)
    }

    fn request(&self, serial: u8) -> OcspRequest {
        OcspRequest::new(CertId::new(CertIdHash::Sha1, self.ca(), number(serial)), None)
    }

    fn ask(&self, request: &OcspRequest) -> OcspReply {
        self.ask_at(request, now())
    }

    fn ask_at(&self, request: &OcspRequest, now: Timestamp) -> OcspReply {
        let authorities = std::slice::from_ref(&self.authority);
        let der = request.to_der();
        assert_eq!(OcspRequest::from_der(&der).as_ref(), Ok(request));
        respond(authorities, &self.records, &der, now, HOUR)
    }

    fn expect(&self, serial: u8) -> OcspExpected<'_> {
        OcspExpected { issuer: self.ca(), serial: number(serial), nonce: None, now: now() }
    }

    fn good_answer(&self) -> CertAnswer {
        CertAnswer {
            id: CertId::new(CertIdHash::Sha1, self.ca(), number(GOOD)),
            status: OcspStatus::Good,
            this_update: now(),
            next_update: Some(now().after(HOUR)),
        }
    }

    /// An answer signed with the key of a certificate of this profile.
    fn signed_by_one_of(&self, profile: Profile, validity: Validity) -> Vec<u8> {
        let signer = ocsp_signer(&self.signer, KeyType::P256, profile, validity);
        OcspAuthority { ca: self.ca().clone(), signer: signer.into() }
            .signer_of(&[self.good_answer()])
    }
}

impl OcspAuthority {
    fn signer_of(&self, answers: &[CertAnswer]) -> Vec<u8> {
        self.signer.sign_answers(answers, now(), None).unwrap()
    }
}

fn ocsp_signer(
    ca: &LocalSigner,
    key_type: KeyType,
    profile: Profile,
    validity: Validity,
) -> OcspSigner {
    let key = PrivateKey::generate(key_type).unwrap();
    let request = CertificateRequest {
        serial: Serial::from_random([9; 16]),
        profile,
        public_key: key.public_key().clone(),
        validity,
        publishing: Publishing::default(),
    };
    let SignAnswer::Certificate(der) =
        ca.sign_now(SignRequest::Certificate(Box::new(request))).unwrap()
    else {
        panic!("a certificate was asked for")
    };
    OcspSigner::new(der.into(), key).unwrap()
}

struct Records(BTreeMap<CertificateId, OcspStatus>);

impl OcspRecords for Records {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        self.0.get(id).copied().unwrap_or(OcspStatus::Unknown)
    }
}

fn revocation() -> Revocation {
    Revocation { at: now().before(HOUR), reason: RevocationReason::KeyCompromise }
}

fn number(serial: u8) -> Serial {
    Serial::from_random([serial; 16])
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000)
}

const GOOD: u8 = 0x11;
/// Its first bit is set, so that it is written with a zero before it.
const REVOKED: u8 = 0x81;
const NEVER_ISSUED: u8 = 0x33;
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
