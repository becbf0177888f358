//! A server's certificate and what its CA says of it: what is stapled, fetched and kept, what is refused, and what
//! of all that somebody in between can say again changes nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use clock::{Now, VirtualClock};
use common::{Authority, HOUR, Issued, block_on, device, gateway, now, tls_time};
use pki::ocsp::{
    CertId, CertIdHash, OcspAuthority, OcspError, OcspRecords, OcspRequest, OcspSigner, OcspStatus,
    respond,
};
use pki::standing::{NotTaken, Said, Shown, Source, Standings, Subject, Verdict};
use pki::{
    CRL_LIFETIME, CertificateId, CertificateRequest, ClockTime, CrlError, CrlRequest, KeyType,
    LocalSigner, NameRule, PrivateKey, Profile, Publishing, Refusal, Revocation, RevocationReason,
    Serial, ServerNameVerifier, Signer, Timestamp, Validity, client_config, dual_resolver,
    refusal_of,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

#[test]
fn a_stapled_good_settles_it_and_a_stapled_revoked_is_refused() {
    let world = World::new();
    assert_eq!(world.handshake(&world.answer(now())), Ok(()));
    let Verdict::Good { until, ask_from, by } = world.verdict(now()) else { panic!("it is good") };
    assert_eq!((until, by), (now().after(HOUR + TOLERANCE), Source::Staple));
    assert_eq!(ask_from, now().after((HOUR + TOLERANCE) / 2));

    world.revoke(RevocationReason::KeyCompromise);
    let refused = world.handshake(&world.answer(now().after(HOUR / 2)));
    assert_eq!(refused, Err(Refusal::Revoked { revocation: None }));
}

#[test]
fn a_stapled_revoked_ends_the_handshake_over_both_versions_of_tls() {
    let world = World::new();
    world.revoke(RevocationReason::KeyCompromise);
    let own = pki::identity(vec![world.leaf.cert.clone()], &world.leaf.key).unwrap();
    let resolver = dual_resolver(Arc::clone(&own), own);
    let ended = |version| {
        world.standings.begin();
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        let clock = VirtualClock::new(Now { boot: HOUR, wall: Duration::from_secs(common::NOW) });
        let time = Arc::new(ClockTime(Arc::new(clock)));
        let client = client_config(world.verifier.clone(), None, time).unwrap();
        let name = ServerName::try_from("unused.invalid").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        client.write_tls(&mut asked).unwrap();
        server.read_tls(&mut &asked[..]).unwrap();
        server.process_new_packets().unwrap();
        while server.wants_write() {
            server.write_tls(&mut answered).unwrap();
        }
        client.read_tls(&mut &answered[..]).unwrap();
        client.process_new_packets().map(drop).map_err(|error| refusal_of(&error).unwrap())
    };
    assert_eq!([&TLS12, &TLS13].map(ended), [Ok(()), Ok(())]);
    resolver.staple(&world.leaf.cert, Some(&world.answer(now())));
    let revoked = Err(Refusal::Revoked { revocation: None });
    assert_eq!([&TLS12, &TLS13].map(ended), [revoked.clone(), revoked]);
}

#[test]
fn without_a_staple_the_handshake_passes_and_the_question_stays_open_with_where_to_ask() {
    let world = World::new();
    assert_eq!(world.handshake(&[]), Ok(()));
    assert_eq!(world.verdict(now()), Verdict::Open);
    let shown = world.standings.shown();
    assert_eq!(shown.len(), 1);
    let (sources, tag) = (shown[0].subject.sources(), world.authority.signer.ca().tag());
    assert_eq!(sources.ocsp, [format!("http://vpn.example.com:8080/ca/{tag}/ocsp")]);
    assert_eq!(sources.crl, [format!("http://vpn.example.com:8080/ca/{tag}.crl")]);
    assert_eq!(shown[0].subject.issuer(), Some(world.authority.signer.ca()));
    world.standings.begin();
    assert!(world.standings.shown().is_empty());
}

#[test]
fn what_was_fetched_refuses_the_next_handshake_whatever_is_stapled() {
    let world = World::new();
    let former = world.answer(now());
    world.revoke(RevocationReason::KeyCompromise);
    let later = now().after(HOUR / 4);
    assert_eq!(world.standings.take_ocsp(&world.subject(), &world.answer(later), later), Ok(()));
    assert!(matches!(world.verdict(later), Verdict::Revoked(_)));
    // The former answer is not stale, and it says that all is well.
    assert_eq!(world.handshake_at(&former, later), Err(Refusal::Revoked { revocation: None }));
    let again = world.standings.take_ocsp(&world.subject(), &former, later);
    assert_eq!(again, Err(NotTaken::Older { than: later }));
}

#[test]
fn a_revocation_outlives_its_answer_and_a_hold_does_not() {
    for (reason, is_open) in
        [(RevocationReason::KeyCompromise, false), (RevocationReason::CertificateHold, true)]
    {
        let world = World::new();
        world.revoke(reason);
        assert_eq!(
            world.standings.take_ocsp(&world.subject(), &world.answer(now()), now()),
            Ok(())
        );
        assert!(matches!(world.verdict(now().after(HOUR)), Verdict::Revoked(_)));
        assert_eq!(world.verdict(now().after(2 * HOUR)) == Verdict::Open, is_open);
        // What was held may be let go, by a newer answer; what was revoked is not, whoever says so.
        world.restore();
        let restored = world.answer(now().after(SECOND));
        let passes = world.handshake_at(&restored, now().after(SECOND)).is_ok();
        assert_eq!(passes, is_open);
    }
}

#[test]
fn a_revocation_counts_whatever_a_clock_of_the_cas_once_believed() {
    for reason in [RevocationReason::KeyCompromise, RevocationReason::Superseded] {
        let world = World::new();
        let ahead = now().after(24 * HOUR);
        assert_eq!(
            world.standings.take_ocsp(&world.subject(), &world.answer(ahead), now()),
            Ok(())
        );
        let list = world.crl(1, ahead, &[]);
        assert_eq!(world.standings.take_crl(&world.subject(), &list, now()), Ok(()));
        assert!(matches!(world.verdict(now()), Verdict::Good { .. }));
        world.revoke(reason);
        let revoked = world.answer(now().after(HOUR));
        assert_eq!(
            world.handshake_at(&revoked, now().after(HOUR)),
            Err(Refusal::Revoked { revocation: None })
        );
        // Nor does the `good` that the CA's clock dated ahead lift it again.
        let again = world.standings.take_ocsp(&world.subject(), &world.answer_good(ahead), now());
        assert_eq!(again, Err(NotTaken::RevokedForGood));
        assert!(matches!(world.verdict(ahead), Verdict::Revoked(_)));
    }
}

#[test]
fn a_revocation_that_is_replayed_late_is_still_true_and_a_hold_is_not() {
    for (reason, counts) in
        [(RevocationReason::KeyCompromise, true), (RevocationReason::CertificateHold, false)]
    {
        let world = World::new();
        world.revoke(reason);
        let (answer, late) = (world.answer(now()), now().after(5 * HOUR));
        assert_eq!(world.standings.take_ocsp(&world.subject(), &answer, late).is_ok(), counts);
        assert_eq!(matches!(world.verdict(late), Verdict::Revoked(_)), counts);
    }
    let world = World::new();
    let (list, late) = (world.crl(2, now(), &[world.leaf.serial]), now().after(2 * CRL_LIFETIME));
    assert_eq!(world.standings.take_crl(&world.subject(), &world.crl(3, late, &[]), late), Ok(()));
    assert!(matches!(world.verdict(late), Verdict::Good { .. }));
    assert_eq!(world.standings.take_crl(&world.subject(), &list, late), Ok(()));
    assert!(matches!(world.verdict(late), Verdict::Revoked(_)));
}

#[test]
fn a_list_from_the_future_is_not_taken_and_numbers_tell_which_one_came_later() {
    let world = World::new();
    let take = |number, at, now| {
        world.standings.take_crl(&world.subject(), &world.crl(number, at, &[]), now)
    };
    let far = now().after(365 * 24 * HOUR);
    assert_eq!(take(1, far, now()), Err(NotTaken::CrlFromTheFuture { at: far }));
    assert_eq!(world.verdict(now()), Verdict::Open);
    let near = now().after(20 * HOUR);
    assert_eq!(take(2, near, now()), Ok(()));
    assert_eq!(take(3, now(), now()), Ok(()));
    assert_eq!(take(2, near, now()), Err(NotTaken::Older { than: now() }));
}

#[test]
fn while_data_pass_a_certificate_is_settled_beforehand_or_refused_and_told_of() {
    let world = World::new();
    let refused = || {
        let mut context = Context::from_waker(Waker::noop());
        world.standings.poll_refused(&mut context).is_ready()
    };
    world.standings.begin();
    assert_eq!(world.raw_handshake(&world.leaf, &[]), Ok(()));
    world.standings.data_pass(true);
    let unsettled = rustls::Error::from(CertificateError::UnknownRevocationStatus);
    let other = world.authority.issue(gateway(), KeyType::P256);
    assert!(!refused());
    assert_eq!(world.raw_handshake(&other, &[]), Err(unsettled.clone()));
    assert!(refused() && !refused());
    let passed = |shown: &Shown| (shown.subject.id().serial, shown.passed);
    let shown: BTreeMap<_, _> = world.standings.shown().iter().map(passed).collect();
    assert_eq!(shown, BTreeMap::from([(world.leaf.serial, true), (other.serial, false)]));
    // What is stapled settles it, and so does an answer that came meanwhile.
    assert_eq!(world.raw_handshake(&world.leaf, &world.answer(now())), Ok(()));
    assert_eq!(world.raw_handshake(&world.leaf, &[]), Ok(()));
    assert!(!refused());
    // Strangers' certificates leave room for the peer's.
    for _ in 0..20 {
        let stranger = world.authority.issue(gateway(), KeyType::P256);
        assert_eq!(world.raw_handshake(&stranger, &[]), Err(unsettled.clone()));
    }
    world.records.0.lock().unwrap().insert(other.serial, OcspStatus::Good);
    let about = world.answer_by(world.ocsp_signer(), &other, now());
    assert_eq!(world.raw_handshake(&other, &about), Ok(()));
    assert!(refused());
    world.revoke(RevocationReason::KeyCompromise);
    assert!(world.raw_handshake(&world.leaf, &world.answer(now())).is_err());
    assert!(refused());
    // Where the settings let an open question pass, a revoked one is refused and told of all the same.
    world.standings.begin();
    assert!(!refused());
    world.standings.data_pass(false);
    assert_eq!(world.raw_handshake(&world.authority.issue(gateway(), KeyType::P256), &[]), Ok(()));
    assert!(!refused());
    assert!(world.raw_handshake(&world.leaf, &[]).is_err());
    assert!(refused());
}

#[test]
fn a_hold_is_asked_about_again_before_data_pass_and_refuses_once_they_do() {
    let world = World::new();
    world.revoke(RevocationReason::CertificateHold);
    assert_eq!(world.standings.take_ocsp(&world.subject(), &world.answer(now()), now()), Ok(()));
    assert_eq!(world.handshake(&[]), Ok(()));
    assert!(matches!(world.verdict(now()), Verdict::Revoked(_)));
    // The CA has just said so: there is nothing to ask.
    let later = now().after(SECOND);
    assert!(world.handshake_at(&world.answer(later), later).is_err());
    for settled_only in [true, false] {
        world.standings.data_pass(settled_only);
        assert!(world.handshake_at(&[], later).is_err());
    }
}

#[test]
fn an_address_that_nobody_can_ask_at_is_a_promise_all_the_same() {
    let world = World::new();
    let plain: Vec<u8> = world.leaf.cert.to_vec();
    let mut elsewhere = plain.clone();
    for at in 0..plain.len() - 7 {
        if &plain[at..at + 7] == b"http://" {
            elsewhere[at..at + 7].copy_from_slice(b"ldap://");
        }
    }
    let sources = |der: Vec<u8>| Subject::of(&der.into(), []).unwrap().sources().clone();
    let (http, ldap) = (sources(plain), sources(elsewhere));
    assert_eq!((http.is_empty(), http.names_some()), (false, true));
    assert_eq!((ldap.is_empty(), ldap.names_some()), (true, true));
    let unnamed = Authority::new(KeyType::P256).issue(gateway(), KeyType::P256);
    let none = sources(unnamed.cert.to_vec());
    assert_eq!((none.is_empty(), none.names_some()), (true, false));
}

#[test]
fn of_two_answers_of_one_second_the_one_that_says_revoked_counts() {
    let world = World::new();
    let good = world.answer(now());
    world.revoke(RevocationReason::Unspecified);
    let revoked = world.answer(now());
    for order in [[&good, &revoked], [&revoked, &good]] {
        let standings = world.fresh();
        for answer in order {
            // The second one of the second order is not taken.
            let _ = standings.take_ocsp(&world.subject(), answer, now());
        }
        assert!(matches!(standings.verdict(&world.subject(), now()), Verdict::Revoked(_)));
    }
}

#[test]
fn a_stale_answer_settles_nothing() {
    let world = World::new();
    let answer = world.answer(now());
    let (last, late) = (now().after(HOUR + TOLERANCE), now().after(HOUR + TOLERANCE + SECOND));
    assert_eq!(world.standings.take_ocsp(&world.subject(), &answer, last), Ok(()));
    assert!(matches!(world.verdict(last), Verdict::Good { .. }));
    assert_eq!(world.verdict(late), Verdict::Open);
    let stale = NotTaken::Ocsp(OcspError::Stale { of: now(), at: now().after(HOUR) });
    assert_eq!(world.fresh().take_ocsp(&world.subject(), &answer, late), Err(stale));
    assert_eq!(world.handshake_at(&answer, late), Ok(()));
    assert_eq!(world.verdict(late), Verdict::Open);
    assert_eq!(world.standings.shown()[0].staple, Some(stale));
}

#[test]
fn a_wrong_delegate_and_an_answer_for_another_certificate_settle_nothing() {
    let world = World::new();
    let take = |der: &[u8]| world.standings.take_ocsp(&world.subject(), der, now());
    let device = world.authority.issue(device("phone"), KeyType::P256);
    let by_device = OcspSigner::new(device.cert.clone(), device.key).unwrap();
    let forged = world.answer_by(by_device, &world.leaf, now());
    assert_eq!(take(&forged), Err(NotTaken::Ocsp(OcspError::NotAppointed)));
    let stranger = World::new();
    let forged = world.answer_by(stranger.ocsp_signer(), &world.leaf, now());
    assert_eq!(take(&forged), Err(NotTaken::Ocsp(OcspError::NotAppointed)));
    let other = world.authority.issue(gateway(), KeyType::P256);
    world.records.0.lock().unwrap().insert(other.serial, OcspStatus::Good);
    let other = world.answer_by(world.ocsp_signer(), &other, now());
    assert_eq!(take(&other), Err(NotTaken::Ocsp(OcspError::OtherCertificate)));
    assert_eq!(world.handshake(&other), Ok(()));
    assert_eq!(world.verdict(now()), Verdict::Open);
    world.records.0.lock().unwrap().clear();
    assert_eq!(take(&world.answer(now())), Err(NotTaken::Unknown));
}

#[test]
fn a_crl_settles_it_too_and_a_stale_or_former_or_foreign_one_does_not() {
    let world = World::new();
    let take = |der: &[u8], at| world.standings.take_crl(&world.subject(), der, at);
    let none = world.crl(1, now(), &[]);
    assert_eq!(take(&none, now()), Ok(()));
    let Verdict::Good { until, by, .. } = world.verdict(now()) else { panic!("it is good") };
    assert_eq!((until, by), (now().after(CRL_LIFETIME), Source::Crl));
    let (late, second) = (now().after(CRL_LIFETIME + SECOND), now().after(SECOND));
    assert_eq!(world.verdict(late), Verdict::Open);
    let stale = NotTaken::CrlStale { at: now().after(CRL_LIFETIME) };
    assert_eq!(take(&none, late), Err(stale));

    let listed = world.crl(2, second, &[world.leaf.serial]);
    assert_eq!(take(&listed, second), Ok(()));
    assert!(matches!(world.verdict(second), Verdict::Revoked(_)));
    assert_eq!(world.handshake_at(&[], second), Err(Refusal::Revoked { revocation: None }));
    assert_eq!(take(&none, second), Err(NotTaken::Older { than: second }));
    let lowered = world.crl(1, now().after(2 * SECOND), &[]);
    assert_eq!(take(&lowered, now().after(2 * SECOND)), Err(NotTaken::Older { than: second }));
    let foreign = World::new().crl(9, second, &[]);
    assert_eq!(take(&foreign, second), Err(NotTaken::Crl(CrlError::OtherIssuer)));
    // A former good answer by OCSP does not outweigh the newer list.
    assert_eq!(
        world.handshake_at(&world.answer(now()), second),
        Err(Refusal::Revoked { revocation: None })
    );
}

#[test]
fn what_was_said_is_recalled_after_a_restart_and_checked_anew() {
    let world = World::new();
    world.revoke(RevocationReason::Superseded);
    assert_eq!(world.standings.take_ocsp(&world.subject(), &world.answer(now()), now()), Ok(()));
    let crl = world.crl(3, now(), &[]);
    assert_eq!(world.standings.take_crl(&world.subject(), &crl, now()), Ok(()));
    let news = world.standings.news();
    assert_eq!(news.len(), 2);
    assert!(world.standings.news().is_empty());
    let again = world.fresh();
    for said in &news {
        assert_eq!(again.recall(said, now()), Ok(()));
        assert_eq!(World::new().fresh().recall(said, now()), Err(NotTaken::NoIssuer));
    }
    assert!(matches!(again.verdict(&world.subject(), now()), Verdict::Revoked(_)));
    // What vouches for somebody runs out. What was revoked stays so, a hold excepted.
    let late = now().after(CRL_LIFETIME * 2);
    let [revoked, list] = &news[..] else { panic!("two of them") };
    let again = world.fresh();
    assert_eq!(again.recall(revoked, late), Ok(()));
    assert!(matches!(again.verdict(&world.subject(), late), Verdict::Revoked(_)));
    let stale = NotTaken::CrlStale { at: now().after(CRL_LIFETIME) };
    assert_eq!(again.recall(list, late), Err(stale));
    let Said::Crl { ca, .. } = list else { panic!("a list") };
    let der = world.crl(4, now(), &[world.leaf.serial]);
    let again = world.fresh();
    assert_eq!(again.recall(&Said::Crl { ca: *ca, der }, late), Ok(()));
    assert!(matches!(again.verdict(&world.subject(), late), Verdict::Revoked(_)));
    // A clock that was set back makes nothing of it worthless.
    let early = now().before(26 * HOUR);
    for said in &news[1..] {
        assert!(world.fresh().recall(said, early).is_err_and(|why| why.is_too_early()));
    }
}

#[test]
fn what_a_ca_says_of_a_number_says_nothing_of_that_number_of_a_ca_of_the_same_name() {
    let [one, other] = [namesake(), namesake()];
    let serial = Serial::from_random([5; 16]);
    let subjects = [&one, &other].map(|ca| {
        let key = PrivateKey::generate(KeyType::P256).unwrap();
        let request = CertificateRequest {
            serial,
            profile: gateway(),
            public_key: key.public_key().clone(),
            validity: Validity::starting(now(), pki::SERVER_LIFETIME),
            publishing: Publishing::default(),
        };
        let leaf = block_on(pki::issue(ca, request)).unwrap();
        Subject::of(&leaf, [one.ca(), other.ca()]).unwrap()
    });
    assert_eq!(subjects[0].id(), subjects[1].id());
    let list = |ca: &LocalSigner, revoked: &[Serial]| {
        let revocation = Revocation { at: now(), reason: RevocationReason::KeyCompromise };
        let request = CrlRequest {
            number: 1,
            this_update: now(),
            next_update: now().after(CRL_LIFETIME),
            revoked: revoked.iter().map(|serial| (*serial, revocation)).collect(),
        };
        block_on(pki::sign_crl(ca, request)).unwrap().der().to_vec()
    };
    let cas = [one.ca().der().clone(), other.ca().der().clone()];
    let standings = Standings::new(&cas);
    assert_eq!(standings.take_crl(&subjects[0], &list(&one, &[serial]), now()), Ok(()));
    assert_eq!(standings.take_crl(&subjects[1], &list(&other, &[]), now()), Ok(()));
    let again = Standings::new(&cas);
    for said in standings.news() {
        assert_eq!(again.recall(&said, now()), Ok(()));
    }
    for standings in [standings, again] {
        assert!(matches!(standings.verdict(&subjects[0], now()), Verdict::Revoked(_)));
        assert!(matches!(standings.verdict(&subjects[1], now()), Verdict::Good { .. }));
    }
}

/// A CA whose name tells nothing of its key.
fn namesake() -> LocalSigner {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).unwrap();
    LocalSigner::new(certificate.der(), PrivateKey::from_pkcs8(&key.serialize_der()).unwrap())
        .unwrap()
}

#[test]
fn whoever_has_a_slow_clock_takes_the_cas_word_for_the_time() {
    let world = World::new();
    let slow = now().before(20 * HOUR);
    assert_eq!(world.standings.take_ocsp(&world.subject(), &world.answer(now()), slow), Ok(()));
    assert!(matches!(world.verdict(slow), Verdict::Good { .. }));
    let wrong = now().before(26 * HOUR);
    let refused = world.fresh().take_ocsp(&world.subject(), &world.answer(now()), wrong);
    // Nor does its signer's certificate reach back that far.
    assert!(matches!(refused, Err(NotTaken::Ocsp(OcspError::DelegateNotYetValid { .. }))));
}

#[test]
fn a_ca_that_may_not_be_asked_settles_nothing() {
    let world = World::new();
    let none = Standings::new(&[]);
    let subject = Subject::of(&world.leaf.cert, []).unwrap();
    assert_eq!(none.take_ocsp(&subject, &world.answer(now()), now()), Err(NotTaken::NoIssuer));
    assert_eq!(none.take_crl(&subject, &world.crl(1, now(), &[]), now()), Err(NotTaken::NoIssuer));
    assert!(!subject.sources().is_empty());
}

#[test]
fn many_answers_and_many_certificates_on_one_connection_fill_no_memory() {
    let world = World::new();
    for _ in 0..8 {
        let other = world.authority.issue(gateway(), KeyType::P256);
        assert_eq!(world.verify(&other, &[], now()), Ok(()));
    }
    assert_eq!(world.handshake(&[]), Err(Refusal::Malformed));
    world.standings.begin();
    assert_eq!(world.handshake(&[]), Ok(()));
}

/// A CA, a gateway of it, and whoever wants to know.
struct World {
    authority: Authority,
    leaf: Issued,
    records: Records,
    standings: Arc<Standings>,
    verifier: Arc<ServerNameVerifier>,
}

impl World {
    fn new() -> Self {
        let authority = Authority::published(KeyType::P256);
        let leaf = authority.issue(gateway(), KeyType::P256);
        let records = Records::default();
        records.0.lock().unwrap().insert(leaf.serial, OcspStatus::Good);
        let standings = Arc::new(Standings::new(&[authority.ca()]));
        let verifier = ServerNameVerifier::with_standings(
            &[authority.ca()],
            NameRule::Any,
            Arc::clone(&standings),
        );
        Self { leaf, records, standings, verifier: verifier.unwrap(), authority }
    }

    fn fresh(&self) -> Standings {
        Standings::new(&[self.authority.ca()])
    }

    fn subject(&self) -> Subject {
        Subject::of(&self.leaf.cert, [self.authority.signer.ca()]).unwrap()
    }

    fn verdict(&self, at: Timestamp) -> Verdict {
        self.standings.verdict(&self.subject(), at)
    }

    fn revoke(&self, reason: RevocationReason) {
        let revoked = OcspStatus::Revoked(Revocation { at: now(), reason });
        self.records.0.lock().unwrap().insert(self.leaf.serial, revoked);
    }

    fn restore(&self) {
        self.records.0.lock().unwrap().insert(self.leaf.serial, OcspStatus::Good);
    }

    /// As rustls is told.
    fn raw_handshake(&self, leaf: &Issued, staple: &[u8]) -> Result<(), rustls::Error> {
        let name = ServerName::try_from("unused.invalid").unwrap();
        self.verifier.verify_server_cert(&leaf.cert, &[], &name, staple, tls_time(now())).map(drop)
    }

    fn handshake(&self, staple: &[u8]) -> Result<(), Refusal> {
        self.handshake_at(staple, now())
    }

    fn handshake_at(&self, staple: &[u8], at: Timestamp) -> Result<(), Refusal> {
        self.verify(&self.leaf, staple, at)
    }

    fn verify(&self, leaf: &Issued, staple: &[u8], at: Timestamp) -> Result<(), Refusal> {
        let name = ServerName::try_from("unused.invalid").unwrap();
        let verified =
            self.verifier.verify_server_cert(&leaf.cert, &[], &name, staple, tls_time(at));
        verified.map(drop).map_err(|error| refusal_of(&error).expect("a refusal"))
    }

    fn answer(&self, at: Timestamp) -> Vec<u8> {
        self.answer_by(self.ocsp_signer(), &self.leaf, at)
    }

    fn answer_good(&self, at: Timestamp) -> Vec<u8> {
        self.restore();
        self.answer(at)
    }

    fn answer_by(&self, signer: OcspSigner, leaf: &Issued, at: Timestamp) -> Vec<u8> {
        let ca = self.authority.signer.ca();
        let request = OcspRequest::new(CertId::new(CertIdHash::Sha1, ca, leaf.serial), None);
        let authority = OcspAuthority { ca: ca.clone(), signer: signer.into() };
        respond(&[authority], &self.records, &request.to_der(), at, HOUR).der
    }

    fn ocsp_signer(&self) -> OcspSigner {
        let profile = Profile::OcspSigner { name: "OCSP".into() };
        let validity = Validity::starting(now(), pki::OCSP_SIGNER_LIFETIME);
        let signer = self.authority.issue_at(profile, KeyType::P256, validity);
        OcspSigner::new(signer.cert, signer.key).unwrap()
    }

    fn crl(&self, number: u64, this_update: Timestamp, revoked: &[Serial]) -> Vec<u8> {
        let revocation = Revocation { at: now(), reason: RevocationReason::KeyCompromise };
        let request = CrlRequest {
            number,
            this_update,
            next_update: this_update.after(CRL_LIFETIME),
            revoked: revoked.iter().map(|serial| (*serial, revocation)).collect(),
        };
        block_on(pki::sign_crl(&self.authority.signer, request)).unwrap().der().to_vec()
    }
}

#[derive(Debug, Default)]
struct Records(Mutex<BTreeMap<Serial, OcspStatus>>);

impl OcspRecords for Records {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        self.0.lock().unwrap().get(&id.serial).copied().unwrap_or(OcspStatus::Unknown)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

const SECOND: Duration = Duration::from_secs(1);
const TOLERANCE: Duration = pki::ocsp::CLOCK_TOLERANCE;
