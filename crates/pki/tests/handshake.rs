//! Handshakes in memory: each refusal as the gateway and the client meet it, over both versions of
//! TLS, and which certificate the gateway answers with.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{Now, VirtualClock};
use common::{Authority, DAY, HOUR, Issued, NOW, device, gateway, now, server, tls_time};
use pki::ocsp::{OcspError, ResponseError};
use pki::standing::{NotTaken, Standings};
use pki::{
    CLOCK_SKEW, CertificateId, CertificateStatus, ClockTime, Fingerprint, GatewayVerifier,
    KeyFamily, KeyType, NameRule, PrivateKey, PublicKey, Purpose, RESERVED_GATEWAY_NAME, Refusal,
    Revocation, RevocationReason, Serial, ServerNameVerifier, Signer, StatusSource, Timestamp,
    Validity, client_config, dual_resolver, identity, refusal_of, resolver_of_one, server_config,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct,
    Error, HandshakeKind, ServerConfig, ServerConnection, SideData, SignatureScheme,
    SupportedCipherSuite,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use x509_parser::prelude::FromDer;

#[test]
fn a_device_in_good_standing_gets_in() {
    let world = World::new();
    let phone = world.device("phone");
    for version in VERSIONS {
        let (client, server) = world.handshake(Some(own(&phone)), version);
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(server.peer_certificates().unwrap()[0], phone.cert);
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn nothing_is_resumed_and_no_server_name_is_sent() {
    let world = World::new();
    let client_config = Arc::new(world.client(Some(own(&world.device("phone")))));
    let server_config = Arc::new(world.server());
    for _ in 0..3 {
        let (client, server) = connect(&client_config, &server_config);
        assert_eq!(client.unwrap().handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(server.unwrap().server_name(), None);
    }
}

#[test]
fn chacha20_is_taken_from_whoever_offers_it_and_aes_from_others() {
    let world = World::new();
    let phone = world.device("phone");
    let suite = |offered: &[SupportedCipherSuite]| {
        let client = world.client_that_offers(offered, own(&phone));
        let (_, server) = connect(&Arc::new(client), &Arc::new(world.server()));
        server.unwrap().negotiated_cipher_suite().unwrap().suite()
    };
    let [chacha20, aes256, aes128] =
        [TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256];
    assert_eq!(suite(&[aes256, aes128, chacha20]), chacha20.suite());
    assert_eq!(suite(&[aes128, aes256]), aes256.suite());
    let ours = world.client(Some(own(&phone)));
    assert_eq!(ours.crypto_provider().cipher_suites[0], chacha20);
}

#[test]
fn the_gateway_names_the_ca_it_wants() {
    let world = World::new();
    let verifier = world.verifier();
    let hints: Vec<&[u8]> = verifier.root_hint_subjects().iter().map(AsRef::as_ref).collect();
    assert_eq!(hints, [world.authority.signer.ca().subject()]);
    assert!(verifier.client_auth_mandatory());
}

#[test]
fn a_peer_without_a_certificate_is_refused() {
    let world = World::new();
    assert_eq!(world.refusal(None), Refusal::NoCertificate);
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let world = World::new();
    let stranger = Authority::new(KeyType::P256).issue(device("phone"), KeyType::P256);
    assert_eq!(world.refusal(Some(own(&stranger))), Refusal::UnknownCa);
}

#[test]
fn a_strangers_expired_certificate_is_a_strangers_before_it_is_expired() {
    let world = World::new();
    let old = Validity { not_before: now().before(30 * DAY), not_after: now().before(DAY) };
    let other = Authority::at(now().before(60 * DAY));
    let stranger = other.issue_at(device("phone"), KeyType::P256, old);
    assert_eq!(world.refusal(Some(own(&stranger))), Refusal::UnknownCa);
    let stranger = other.issue_at(server("www.example.com"), KeyType::P256, old);
    assert_eq!(world.refusal(Some(own(&stranger))), Refusal::UnknownCa);
}

#[test]
fn a_strangers_self_signed_ca_certificate_is_a_strangers() {
    let world = World::new();
    let other = Authority::new(KeyType::P256);
    let key = PrivateKey::from_pkcs8(other.signer.key().pkcs8()).unwrap();
    assert_eq!(world.refusal(Some(certified(&other.ca(), &key))), Refusal::UnknownCa);
}

#[test]
fn our_own_ca_certificate_does_not_let_its_holder_in() {
    let world = World::new();
    let key = PrivateKey::from_pkcs8(world.authority.signer.key().pkcs8()).unwrap();
    let refusal = world.refusal(Some(certified(&world.authority.ca(), &key)));
    assert_eq!(refusal, Refusal::WrongUsage { needed: Purpose::Client });
}

#[test]
fn a_ca_that_only_borrows_our_name_is_told_by_its_signature() {
    let world = World::new();
    let impostor = world.authority.twin(KeyType::P256, now().after(100 * DAY));
    let forged = impostor.issue(device("phone"), KeyType::P256);
    world.records.set(forged.serial, CertificateStatus::Good);
    assert_eq!(world.refusal(Some(own(&forged))), Refusal::BadSignature);
}

#[test]
fn a_peer_that_lacks_the_certificates_key_is_refused() {
    let world = World::new();
    let phone = world.device("phone");
    let other = PrivateKey::generate(KeyType::P256).unwrap();
    assert_eq!(world.refusal(Some(certified(&phone.cert, &other))), Refusal::BadSignature);
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let world = World::new();
    let phone = world.device("phone");
    world.clock.set_wall(Duration::from_secs(NOW) + 366 * DAY);
    let at = now().after(365 * DAY);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::Expired { at });
}

#[test]
fn a_certificate_from_the_future_is_refused_with_its_date() {
    let world = World::new();
    let phone = world.device("phone");
    world.clock.set_wall(Duration::from_secs(NOW) - CLOCK_SKEW - HOUR);
    let at = now().before(CLOCK_SKEW);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::NotYetValid { at });
}

#[test]
fn a_certificate_that_outlives_its_ca_is_refused_for_the_ca() {
    let world = World::new();
    // The same CA, name and key, but certified for longer, issues what outlives the one we trust.
    let at = world.authority.signer.ca().validity().not_after;
    let longer = world.authority.renewed(at.after(100 * DAY));
    let validity = Validity { not_before: now(), not_after: at.after(50 * DAY) };
    let phone = longer.issue_at(device("phone"), KeyType::P256, validity);
    world.records.set(phone.serial, CertificateStatus::Good);
    world.clock.set_wall(Duration::from_secs(at.unix_secs()) + DAY);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::CaExpired { at });
}

#[test]
fn a_revoked_certificate_is_refused_with_date_and_reason_even_when_it_is_expired_too() {
    let world = World::new();
    let phone = world.device("phone");
    let (at, reason) = (now().before(HOUR), RevocationReason::KeyCompromise);
    world.records.set(phone.serial, CertificateStatus::Revoked { at, reason });
    let revoked = Refusal::Revoked { revocation: Some(Revocation { at, reason }) };
    for at in [now(), now().after(400 * DAY)] {
        assert_eq!(world.verifier().check(&phone.cert, tls_time(at)), Err(revoked.clone()));
        world.clock.set_wall(Duration::from_secs(at.unix_secs()));
        // The alert has no room for date and reason.
        let told = Refusal::Revoked { revocation: None };
        assert_eq!(world.refusal(Some(own(&phone))), told);
    }
}

#[test]
fn who_is_refused_hears_the_alert_that_fits() {
    let world = World::new();
    let (at, phone) = (now().before(HOUR), world.device("phone"));
    let heard = |issued: &Issued| {
        let [one, two] = VERSIONS.map(|version| {
            let (client, _) = world.handshake(Some(own(issued)), version);
            match client.expect_err("refused") {
                Error::AlertReceived(alert) => alert,
                other => panic!("no alert: {other}"),
            }
        });
        assert_eq!(one, two);
        one
    };
    let stranger = Authority::new(KeyType::P256).issue(device("phone"), KeyType::P256);
    assert_eq!(heard(&stranger), AlertDescription::UnknownCA);
    let revoked = |reason| CertificateStatus::Revoked { at, reason };
    for (status, alert) in [
        (revoked(RevocationReason::KeyCompromise), AlertDescription::CertificateRevoked),
        (revoked(RevocationReason::CertificateHold), AlertDescription::CertificateUnknown),
        (CertificateStatus::DeviceDisabled, AlertDescription::CertificateUnknown),
        (CertificateStatus::UserDisabled, AlertDescription::CertificateUnknown),
    ] {
        world.records.set(phone.serial, status);
        assert_eq!(heard(&phone), alert, "{status:?}");
    }
    world.records.set(phone.serial, CertificateStatus::Good);
    world.clock.set_wall(Duration::from_secs(NOW) + 400 * DAY);
    assert_eq!(heard(&phone), AlertDescription::CertificateExpired);
}

#[test]
fn who_passed_before_is_judged_anew_by_time_and_status() {
    let world = World::new();
    let phone = world.device("phone");
    let verifier = world.verifier();
    let at = |time: Timestamp| verifier.check(&phone.cert, tls_time(time));
    assert_eq!(at(now()), Ok(()));
    assert_eq!(at(now()), Ok(()));
    let begin = now().before(CLOCK_SKEW);
    assert_eq!(at(begin.before(HOUR)), Err(Refusal::NotYetValid { at: begin }));
    let end = now().after(365 * DAY);
    assert_eq!(at(end.after(DAY)), Err(Refusal::Expired { at: end }));
    let (revoked, reason) = (now(), RevocationReason::KeyCompromise);
    world.records.set(phone.serial, CertificateStatus::Revoked { at: revoked, reason });
    let revocation = Some(Revocation { at: revoked, reason });
    assert_eq!(at(now()), Err(Refusal::Revoked { revocation }));
    world.records.set(phone.serial, CertificateStatus::UserDisabled);
    assert_eq!(at(now()), Err(Refusal::UserDisabled));
    let stranger = world.authority.twin(KeyType::P256, end).issue(device("phone"), KeyType::P256);
    assert_eq!(verifier.check(&stranger.cert, tls_time(now())), Err(Refusal::BadSignature));
}

#[test]
fn a_certificate_that_the_store_does_not_know_is_refused() {
    let world = World::new();
    let unknown = world.authority.issue(device("phone"), KeyType::P256);
    assert_eq!(world.refusal(Some(own(&unknown))), Refusal::NotInStore);
}

#[test]
fn a_certificate_with_the_number_of_another_is_refused_as_forged_even_when_it_is_expired_too() {
    let world = World::new();
    let phone = world.device("phone");
    world.records.set(phone.serial, CertificateStatus::Forged);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::Forged);
    world.clock.set_wall(Duration::from_secs(NOW) + 400 * DAY);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::Forged);
}

#[test]
fn a_disabled_device_and_a_disabled_user_are_refused() {
    let world = World::new();
    let phone = world.device("phone");
    world.records.set(phone.serial, CertificateStatus::DeviceDisabled);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::DeviceDisabled);
    world.records.set(phone.serial, CertificateStatus::UserDisabled);
    assert_eq!(world.refusal(Some(own(&phone))), Refusal::UserDisabled);
}

#[test]
fn a_servers_certificate_does_not_let_its_holder_in_as_a_client() {
    let world = World::new();
    let www = world.authority.issue(server("www.example.com"), KeyType::P256);
    world.records.set(www.serial, CertificateStatus::Good);
    let refusal = world.refusal(Some(own(&www)));
    assert_eq!(refusal, Refusal::WrongUsage { needed: Purpose::Client });
}

#[test]
fn a_certificate_without_any_purpose_is_refused() {
    let world = World::new();
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    let signer = world.authority.signer.key();
    let issuer = rcgen::Issuer::from_ca_cert_der(&world.authority.ca(), signer).unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    let refusal = world.refusal(Some(certified(cert.der(), &key)));
    assert_eq!(refusal, Refusal::WrongUsage { needed: Purpose::Client });
}

#[test]
fn octets_that_are_no_certificate_are_refused() {
    let world = World::new();
    let key = PrivateKey::generate(KeyType::P256).unwrap();
    let nonsense = CertificateDer::from(vec![0x30, 3, 2, 1, 5]);
    assert_eq!(world.refusal(Some(certified(&nonsense, &key))), Refusal::Malformed);
    let mut trailing = world.device("phone").cert.to_vec();
    trailing.push(0);
    let trailing = CertificateDer::from(trailing);
    assert_eq!(world.refusal(Some(certified(&trailing, &key))), Refusal::Malformed);
}

#[test]
fn a_chopped_or_flipped_certificate_never_panics_and_never_passes() {
    let world = World::new();
    let phone = world.device("phone");
    let verifier = world.verifier();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    for at in 0..phone.cert.len() {
        let chopped = CertificateDer::from(phone.cert[..at].to_vec());
        assert!(verifier.check(&chopped, now).is_err(), "chopped at {at}");
        let mut flipped = phone.cert.to_vec();
        flipped[at] ^= 1 << (at % 8);
        let flipped = CertificateDer::from(flipped);
        assert!(verifier.check(&flipped, now).is_err(), "flipped at {at}");
    }
}

#[test]
fn the_device_is_told_by_an_alert_that_fits() {
    let world = World::new();
    let phone = world.device("phone");
    world.clock.set_wall(Duration::from_secs(NOW) + 366 * DAY);
    let mut client = world.client(Some(own(&phone)));
    // The device's own clock is wrong in this story, so its look at the gateway passes.
    client.time_provider = Arc::new(ClockTime(Arc::new(VirtualClock::new(boot(NOW)))));
    let (client, _) = connect(&Arc::new(client), &Arc::new(world.server()));
    assert_eq!(client.err(), Some(Error::AlertReceived(AlertDescription::CertificateExpired)));
}

#[test]
fn a_client_wants_its_gateway_and_no_other_server_of_the_ca() {
    let world = World::new();
    let www = world.authority.issue(server("www.example.com"), KeyType::P256);
    let rule = NameRule::Name(RESERVED_GATEWAY_NAME.into());
    let expected = RESERVED_GATEWAY_NAME.to_owned();
    let found = "www.example.com".to_owned();
    assert_eq!(world.server_refusal(&www, rule), Some(Refusal::NameMismatch { expected, found }));
}

#[test]
fn the_three_kinds_of_name_rule_compare_what_they_say() {
    let world = World::new();
    let www = world.authority.issue(server("www.example.com"), KeyType::P256);
    let fits = |rule| world.server_refusal(&www, rule).is_none();
    assert!(fits(NameRule::Any));
    assert!(fits(NameRule::Subject("CN=www.example.com".into())));
    assert!(!fits(NameRule::Subject("www.example.com".into())));
    assert!(fits(NameRule::Name("www.example.com".into())));
    assert!(!fits(NameRule::Name("WWW.example.com".into())));
    assert!(fits(NameRule::NamePrefix("www.".into())));
    assert!(!fits(NameRule::NamePrefix("ww.".into())));
}

#[test]
fn a_client_refuses_a_device_that_poses_as_its_gateway() {
    let world = World::new();
    let phone = world.device("phone");
    let refusal = world.server_refusal(&phone, NameRule::Any);
    assert_eq!(refusal, Some(Refusal::WrongUsage { needed: Purpose::Server }));
}

#[test]
fn a_client_refuses_a_gateway_of_another_ca() {
    let world = World::new();
    let stranger = Authority::new(KeyType::P256).issue(gateway(), KeyType::P256);
    assert_eq!(world.server_refusal(&stranger, NameRule::Any), Some(Refusal::UnknownCa));
}

#[test]
fn a_client_with_a_list_refuses_what_is_on_it_and_a_list_past_its_time() {
    let world = World::new();
    let bad = world.authority.issue(gateway(), KeyType::P256);
    let good = world.authority.issue(gateway(), KeyType::P256);
    let crl = world.authority.crl(&[(bad.serial, RevocationReason::Superseded)]);
    let next_update = crl.next_update();
    let cas = [world.authority.ca()];
    let verifier = ServerNameVerifier::with_crl(&cas, NameRule::Any, crl).unwrap();
    let at = |time: Timestamp, cert: &CertificateDer<'_>| verifier.check(cert, &[], tls_time(time));
    assert_eq!(at(now(), &good.cert), Ok(()));
    let entry = Revocation { at: now().before(HOUR), reason: RevocationReason::Superseded };
    let revoked = Refusal::Revoked { revocation: Some(entry) };
    assert_eq!(at(now(), &bad.cert), Err(revoked));
    let late = next_update.after(HOUR);
    assert_eq!(at(late, &good.cert), Err(Refusal::CrlExpired { at: next_update }));
}

#[test]
fn a_list_that_another_ca_signed_is_not_taken() {
    let world = World::new();
    let foreign = Authority::new(KeyType::P256).crl(&[]);
    let twin = world.authority.twin(KeyType::P256, now().after(DAY)).crl(&[]);
    let cas = [world.authority.ca()];
    for crl in [foreign, twin] {
        let refused = ServerNameVerifier::with_crl(&cas, NameRule::Any, crl).err();
        assert_eq!(refused, Some(pki::AnchorError::CrlNotOurs));
    }
}

#[test]
fn the_gateway_signs_with_p256_where_the_client_reads_it_and_else_with_rsa() {
    let world = World::new();
    let phone = world.device("phone");
    for version in VERSIONS {
        let (client, _) = world.handshake(Some(own(&phone)), version);
        assert_eq!(family_of(&client.unwrap()), KeyFamily::P256);

        let mut config = world.client(Some(own(&phone)));
        config.dangerous().set_certificate_verifier(Arc::new(RsaReader(world.server_rule())));
        let (client, _) = connect(&Arc::new(config), &Arc::new(world.server_with(version)));
        assert_eq!(family_of(&client.unwrap()), KeyFamily::Rsa(2048));
    }
}

#[test]
fn renewed_certificates_are_served_without_a_restart() {
    let world = World::new();
    let one = world.authority.issue(gateway(), KeyType::P256);
    let two = world.authority.issue(gateway(), KeyType::P256);
    let resolver = dual_resolver(own(&one), own(&one));
    let server = server_config(resolver.clone(), world.verifier(), world.time()).unwrap();
    let (client, server) =
        (Arc::new(world.client(Some(own(&world.device("pc"))))), Arc::new(server));
    let served = || connect(&client, &server).0.unwrap().peer_certificates().unwrap()[0].to_vec();
    assert_eq!(served(), one.cert.to_vec());
    resolver.replace(own(&two), own(&two));
    assert_eq!(served(), two.cert.to_vec());
}

#[test]
fn a_key_that_is_not_the_certificates_makes_no_identity() {
    let authority = Authority::new(KeyType::P256);
    let one = authority.issue(device("one"), KeyType::Rsa2048);
    let two = authority.issue(device("two"), KeyType::Rsa2048);
    let chain = pki::certificate_to_pem(&one.cert);
    assert!(pki::identity_from_pem(&chain, &one.key.to_pem()).is_ok());
    let mixed = pki::identity_from_pem(&chain, &two.key.to_pem());
    assert_eq!(mixed.err(), Some(pki::IdentityError::KeyMismatch));
}

#[test]
fn what_is_stapled_reaches_a_client_that_asks_over_both_versions_of_tls_and_stays_at_a_renewal() {
    let world = World::new();
    let resolver = dual_resolver(own(&world.rsa), own(&world.p256));
    resolver.staple(&world.p256.cert, Some(b"an answer"));
    resolver.replace(own(&world.rsa), own(&world.p256));
    assert_eq!(resolver.certificates(), [world.rsa.cert.clone(), world.p256.cert.clone()]);
    let stapled = |version| {
        let mut server = world.server_with(version);
        server.cert_resolver = resolver.clone();
        let standings = Arc::new(Standings::new(&[world.authority.ca()]));
        let verifier = ServerNameVerifier::with_standings(
            &[world.authority.ca()],
            NameRule::Any,
            Arc::clone(&standings),
        );
        let identity = Some(own(&world.device("phone")));
        let client = client_config(verifier.unwrap(), identity, world.time()).unwrap();
        let (client, _) = connect(&Arc::new(client), &Arc::new(server));
        assert!(client.is_ok());
        standings.shown().pop().expect("it was shown").staple
    };
    let no_answer = NotTaken::Ocsp(OcspError::Response(ResponseError::Malformed));
    assert_eq!(VERSIONS.map(stapled), [Some(no_answer), Some(no_answer)]);
    resolver.staple(&world.p256.cert, None);
    assert_eq!(VERSIONS.map(stapled), [None, None]);
}

/// A gateway with its CA, its records and its clock.
struct World {
    authority: Authority,
    records: Arc<Book>,
    clock: VirtualClock,
    rsa: Issued,
    p256: Issued,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new(KeyType::P256);
        // The CA outlives the tests that turn the clock on, and the gateway with it.
        let validity =
            Validity { not_before: now().before(HOUR), not_after: now().after(5000 * DAY) };
        let rsa = authority.issue_at(gateway(), KeyType::Rsa2048, validity);
        let p256 = authority.issue_at(gateway(), KeyType::P256, validity);
        let clock = VirtualClock::new(boot(NOW));
        Self { authority, records: Arc::default(), clock, rsa, p256 }
    }

    fn device(&self, name: &str) -> Issued {
        let issued = self.authority.issue(device(name), KeyType::P256);
        self.records.set(issued.serial, CertificateStatus::Good);
        issued
    }

    fn time(&self) -> Arc<ClockTime> {
        Arc::new(ClockTime(Arc::new(self.clock.clone())))
    }

    fn verifier(&self) -> Arc<GatewayVerifier> {
        GatewayVerifier::new(&[self.authority.ca()], self.records.clone()).unwrap()
    }

    fn server_rule(&self) -> Arc<ServerNameVerifier> {
        let rule = NameRule::Name(RESERVED_GATEWAY_NAME.into());
        ServerNameVerifier::new(&[self.authority.ca()], rule).unwrap()
    }

    fn server(&self) -> ServerConfig {
        let resolver = dual_resolver(own(&self.rsa), own(&self.p256));
        server_config(resolver, self.verifier(), self.time()).unwrap()
    }

    fn server_with(&self, version: Version) -> ServerConfig {
        let mut config = self.server();
        if version == Version::Tls12 {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            config = ServerConfig::builder_with_details(provider, self.time())
                .with_protocol_versions(&[&rustls::version::TLS12])
                .unwrap()
                .with_client_cert_verifier(self.verifier())
                .with_cert_resolver(config.cert_resolver);
        }
        config
    }

    fn client(&self, identity: Option<Arc<CertifiedKey>>) -> ClientConfig {
        // A clock that stands still: what is looked at here is the gateway's judgement.
        let time = Arc::new(ClockTime(Arc::new(VirtualClock::new(boot(NOW)))));
        client_config(self.server_rule(), identity, time).unwrap()
    }

    fn client_that_offers(
        &self,
        suites: &[SupportedCipherSuite],
        identity: Arc<CertifiedKey>,
    ) -> ClientConfig {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites = suites.to_vec();
        ClientConfig::builder_with_details(Arc::new(provider), self.time())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(self.server_rule())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
    }

    fn handshake(&self, identity: Option<Arc<CertifiedKey>>, version: Version) -> Ended {
        connect(&Arc::new(self.client(identity)), &Arc::new(self.server_with(version)))
    }

    /// The gateway's reason, which has to be the same over both versions of TLS.
    #[track_caller]
    fn refusal(&self, identity: Option<Arc<CertifiedKey>>) -> Refusal {
        let [one, two] = VERSIONS.map(|version| {
            let (_, server) = self.handshake(identity.clone(), version);
            let error = server.expect_err("the gateway refuses");
            refusal_of(&error).unwrap_or_else(|| panic!("no refusal: {error}"))
        });
        assert_eq!(one, two);
        one
    }

    /// The client's reason to refuse a server that holds this certificate.
    fn server_refusal(&self, certificate: &Issued, rule: NameRule) -> Option<Refusal> {
        let resolver = resolver_of_one(own(certificate));
        let server = server_config(resolver, self.verifier(), self.time()).unwrap();
        let verifier = ServerNameVerifier::new(&[self.authority.ca()], rule).unwrap();
        let identity = Some(own(&self.device("phone")));
        let client = client_config(verifier, identity, self.time()).unwrap();
        let (client, _) = connect(&Arc::new(client), &Arc::new(server));
        client.err().map(|error| refusal_of(&error).expect("a refusal"))
    }
}

impl Authority {
    fn at(moment: Timestamp) -> Self {
        let new = pki::NewCa {
            key_type: KeyType::P256,
            serial: common::next_serial(),
            now: moment,
            lifetime: pki::CA_LIFETIME,
        };
        let signer = pki::LocalSigner::create(&new).unwrap();
        Self { signer, publishing: pki::Publishing::default() }
    }

    /// Another CA of the same name.
    fn twin(&self, key_type: KeyType, not_after: Timestamp) -> Self {
        self.certified(PrivateKey::generate(key_type).unwrap(), not_after)
    }

    /// The same CA, name and key, with another end.
    fn renewed(&self, not_after: Timestamp) -> Self {
        self.certified(PrivateKey::from_pkcs8(self.signer.key().pkcs8()).unwrap(), not_after)
    }

    fn certified(&self, key: PrivateKey, not_after: Timestamp) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, self.signer.ca().name());
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let secs = not_after.unix_secs() - NOW;
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 15) + Duration::from_secs(secs);
        let cert = params.self_signed(&key).unwrap();
        let signer = pki::LocalSigner::new(cert.der(), key).unwrap();
        Self { signer, publishing: pki::Publishing::default() }
    }
}

#[derive(Debug, Default)]
struct Book(Mutex<BTreeMap<Serial, CertificateStatus>>);

impl Book {
    fn set(&self, serial: Serial, status: CertificateStatus) {
        self.0.lock().unwrap().insert(serial, status);
    }
}

impl StatusSource for Book {
    fn certificate_status(&self, id: &CertificateId, _: &Fingerprint) -> CertificateStatus {
        let known = self.0.lock().unwrap();
        known.get(&id.serial).copied().unwrap_or(CertificateStatus::Unknown)
    }
}

/// A client that reads RSA signatures alone.
#[derive(Debug)]
struct RsaReader(Arc<ServerNameVerifier>);

impl ServerCertVerifier for RsaReader {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Tls12,
    Tls13,
}

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

type Ended = (Result<ClientConnection, Error>, Result<ServerConnection, Error>);

/// Carries octets to and fro until neither side has anything to say.
fn connect(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Ended {
    let name = ServerName::try_from("unused.invalid").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let (mut client_end, mut server_end) = (Ok(()), Ok(()));
    for _ in 0..10 {
        let said = take(&mut client);
        server_end = server_end.and_then(|()| give(&mut server, &said));
        let said = take(&mut server);
        client_end = client_end.and_then(|()| give(&mut client, &said));
    }
    assert!(client_end.is_err() || server_end.is_err() || !server.is_handshaking());
    (client_end.map(|()| client), server_end.map(|()| server))
}

fn take<S: SideData>(connection: &mut ConnectionCommon<S>) -> Vec<u8> {
    let mut octets = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut octets).unwrap();
    }
    octets
}

fn give<S: SideData>(connection: &mut ConnectionCommon<S>, mut octets: &[u8]) -> Result<(), Error> {
    while !octets.is_empty() {
        connection.read_tls(&mut octets).unwrap();
        connection.process_new_packets()?;
    }
    Ok(())
}

fn own(issued: &Issued) -> Arc<CertifiedKey> {
    identity(vec![issued.cert.clone()], &issued.key).unwrap()
}

/// A pair that nobody checked.
fn certified(cert: &CertificateDer<'_>, key: &PrivateKey) -> Arc<CertifiedKey> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
    Arc::new(CertifiedKey::new(vec![cert.clone().into_owned()], key))
}

fn family_of(client: &ClientConnection) -> KeyFamily {
    let der = &client.peer_certificates().unwrap()[0];
    let (_, cert) = x509_parser::certificate::X509Certificate::from_der(der).unwrap();
    PublicKey::from_spki(cert.public_key().raw).unwrap().family()
}

fn boot(wall: u64) -> Now {
    Now { boot: Duration::ZERO, wall: Duration::from_secs(wall) }
}
