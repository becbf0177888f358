use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SanType,
};

use super::*;
use crate::moment::to_date_time;
use crate::{
    CA_LIFETIME, CRL_LIFETIME, CaCertificate, CertificateRequest, CrlRequest, DEVICE_LIFETIME,
    KeyType, LocalSigner, NameConstraints, NewCa, PrivateKey, Profile, Publishing, Revocation,
    RevocationReason, Serial, SignAnswer, SignRequest, Signer, Timestamp, Validity,
};

#[test]
fn what_the_ca_signs_keeps_every_rule() {
    let ca = Ca::new();
    assert_eq!(certificate(ca.own().der(), Role::Ca, ca.own()), Ok(()));
    for profile in profiles() {
        let role = Role::from(&profile);
        assert_eq!(certificate(&ca.issue(profile), role, ca.own()), Ok(()), "{role:?}");
    }
    assert_eq!(crl(&ca.list(list_request()), ca.own()), Ok(()));
}

#[test]
fn each_broken_rule_is_named() {
    let ca = Ca::new();
    for (rule, break_it) in BROKEN {
        let der = ca.altered(server(), break_it);
        assert_eq!(certificate(&der, Role::Server, ca.own()), Err(rule), "{rule}");
    }
}

#[test]
fn a_certificate_for_another_role_is_none_for_this_one() {
    let ca = Ca::new();
    let der = |profile| ca.issue(profile);
    let judged = |profile, role| certificate(&der(profile), role, ca.own());
    assert_eq!(judged(server(), Role::Client), Err(Rule::KeyUsage));
    assert_eq!(judged(device(), Role::Server), Err(Rule::Purpose));
    assert_eq!(judged(device(), Role::OcspSigner), Err(Rule::Purpose));
    assert_eq!(judged(device(), Role::Ca), Err(Rule::BasicConstraints));
    assert_eq!(certificate(ca.own().der(), Role::Client, ca.own()), Err(Rule::BasicConstraints));
}

#[test]
fn nocheck_is_for_who_signs_answers_and_needed_there() {
    let ca = Ca::new();
    let without = |params: &mut CertificateParams| params.custom_extensions.clear();
    let der = ca.altered(ocsp_signer(), without);
    assert_eq!(certificate(&der, Role::OcspSigner, ca.own()), Err(Rule::NoCheck));
    let with = |params: &mut CertificateParams| params.custom_extensions.push(no_check(vec![5, 0]));
    assert_eq!(
        certificate(&ca.altered(device(), with), Role::Client, ca.own()),
        Err(Rule::NoCheck)
    );
}

#[test]
fn anothers_certificate_and_list_are_not_this_cas() {
    let (ca, other) = (Ca::new(), Ca::new());
    assert_eq!(certificate(&ca.issue(device()), Role::Client, other.own()), Err(Rule::IssuerName));
    assert_eq!(crl(&ca.list(list_request()), other.own()), Err(Rule::IssuerName));
}

#[test]
fn a_name_that_the_ca_may_not_certify_breaks_a_rule_though_it_was_signed() {
    let range = ["example".parse().unwrap()];
    let ca = Ca::within(&NameConstraints::new(&range, &[]));
    assert_eq!(certificate(ca.own().der(), Role::Ca, ca.own()), Ok(()));
    let as_it_is = |_: &mut CertificateParams| {};
    assert_eq!(certificate(&ca.altered(server(), as_it_is), Role::Server, ca.own()), Ok(()));
    let elsewhere = |it: &mut CertificateParams| {
        it.subject_alt_names = vec![SanType::DnsName("a.test".try_into().unwrap())];
    };
    let der = ca.altered(server(), elsewhere);
    assert_eq!(certificate(&der, Role::Server, ca.own()), Err(Rule::PermittedNames));
    let by_common_name =
        |it: &mut CertificateParams| it.distinguished_name = common_name("backup.test");
    let der = ca.altered(device(), by_common_name);
    assert_eq!(certificate(&der, Role::Client, ca.own()), Err(Rule::PermittedNames));
}

#[test]
fn what_is_chopped_can_t_be_read() {
    let ca = Ca::new();
    let (leaf, list) = (ca.issue(device()), ca.list(list_request()));
    for at in 0..leaf.len() {
        assert_eq!(certificate(&leaf[..at], Role::Client, ca.own()), Err(Rule::Readable));
    }
    assert_eq!(
        certificate(&[&leaf[..], &[0]].concat(), Role::Client, ca.own()),
        Err(Rule::Readable)
    );
    assert_eq!(crl(&list[..list.len() - 1], ca.own()), Err(Rule::Readable));
}

type Change = fn(&mut CertificateParams);

/// Each by a change to a good server certificate that breaks this rule first.
const BROKEN: [(Rule, Change); 16] = [
    (Rule::SerialNumber, |it| it.serial_number = Some(vec![0x7f; 21].into())),
    (Rule::Order, |it| it.not_after = it.not_before),
    (Rule::WithinIssuer, |it| it.not_after = to_date_time(now().after(CA_LIFETIME * 2))),
    (Rule::ExtensionsOnce, |it| it.custom_extensions.push(access_at("http://a.example"))),
    (Rule::ExtensionsKnown, |it| it.custom_extensions.push(critical())),
    (Rule::SubjectName, |it| it.distinguished_name = common_name(&"a".repeat(65))),
    (Rule::AuthorityKeyId, |it| it.use_authority_key_identifier_extension = false),
    (Rule::SubjectKeyId, |it| it.is_ca = IsCa::NoCa),
    (Rule::BasicConstraints, |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    (Rule::KeyUsage, |it| it.key_usages.push(KeyUsagePurpose::KeyCertSign)),
    (Rule::KeyUsage, |it| it.key_usages.clear()),
    (Rule::Purpose, |it| it.extended_key_usages.push(ExtendedKeyUsagePurpose::Any)),
    (Rule::AlternativeNames, |it| {
        it.subject_alt_names.push(SanType::URI("http://a.example".try_into().unwrap()));
    }),
    (Rule::NameConstraints, |it| it.custom_extensions.push(constraints_to("example.org"))),
    (Rule::DistributionPoint, |it| {
        let uris = vec!["https://a.example/ca.crl".to_owned()];
        it.crl_distribution_points = vec![CrlDistributionPoint { uris }];
    }),
    (Rule::AuthorityAccess, |it| it.custom_extensions = vec![access_at("ldap://a.example")]),
];

fn common_name(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

/// An authorityInfoAccess with one responder.
fn access_at(url: &str) -> CustomExtension {
    let uri = [&[0x86, url.len() as u8], url.as_bytes()].concat();
    let one = [&[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1][..], &uri].concat();
    let one = [&[0x30, one.len() as u8][..], &one].concat();
    let all = [&[0x30, one.len() as u8][..], &one].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

/// A critical nameConstraints with one permitted domain, which rcgen writes for CAs alone.
fn constraints_to(domain: &str) -> CustomExtension {
    let name = [&[0x82, domain.len() as u8], domain.as_bytes()].concat();
    let subtree = [&[0x30, name.len() as u8][..], &name].concat();
    let permitted = [&[0xa0, subtree.len() as u8][..], &subtree].concat();
    let all = [&[0x30, permitted.len() as u8][..], &permitted].concat();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], all);
    extension.set_criticality(true);
    extension
}

fn no_check(content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], content)
}

fn critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

struct Ca(LocalSigner);

impl Ca {
    fn new() -> Self {
        Self::within(&NameConstraints::default())
    }

    fn within(names: &NameConstraints) -> Self {
        let serial = Serial::from_random([3; 16]);
        let new = NewCa { key_type: KeyType::P256, serial, now: now(), lifetime: CA_LIFETIME };
        Self(LocalSigner::create_within(&new, names).unwrap())
    }

    fn own(&self) -> &CaCertificate {
        self.0.ca()
    }

    fn issue(&self, profile: Profile) -> Vec<u8> {
        match self.0.sign_now(SignRequest::Certificate(Box::new(request(profile)))) {
            Ok(SignAnswer::Certificate(der)) => der,
            other => panic!("{other:?}"),
        }
    }

    fn list(&self, request: CrlRequest) -> Vec<u8> {
        match self.0.sign_now(SignRequest::Crl(request)) {
            Ok(SignAnswer::Crl(der)) => der,
            other => panic!("{other:?}"),
        }
    }

    /// What would have been issued, but for `change`.
    fn altered(&self, profile: Profile, change: impl Fn(&mut CertificateParams)) -> Vec<u8> {
        let request = request(profile);
        let mut params = request.to_params(self.own().validity()).unwrap();
        change(&mut params);
        let key = PrivateKey::from_pkcs8(self.0.key().pkcs8()).unwrap();
        let issuer = Issuer::from_ca_cert_der(self.own().der(), key).unwrap();
        let public = rcgen::SubjectPublicKeyInfo::from_der(request.public_key.spki()).unwrap();
        params.signed_by(&public, &issuer).unwrap().der().to_vec()
    }
}

fn request(profile: Profile) -> CertificateRequest {
    thread_local! {
        static KEY: PrivateKey = PrivateKey::generate(KeyType::Rsa3072).unwrap();
    }
    CertificateRequest {
        serial: Serial::from_random([2; 16]),
        profile,
        public_key: KEY.with(|key| key.public_key().clone()),
        validity: Validity::starting(now(), DEVICE_LIFETIME),
        publishing: Publishing::at("http://vpn.example", "00112233").unwrap(),
    }
}

fn list_request() -> CrlRequest {
    let revoked = RevocationReason::ALL
        .into_iter()
        .map(|reason| (Serial::from_random([reason.code(); 16]), Revocation { at: now(), reason }));
    CrlRequest {
        number: 7,
        this_update: now(),
        next_update: now().after(CRL_LIFETIME),
        revoked: revoked.collect::<BTreeMap<_, _>>(),
    }
}

fn profiles() -> [Profile; 5] {
    let gateway = Profile::Gateway { names: vec!["192.0.2.1".into()] };
    let peer = Profile::Peer { names: vec!["mx.example".into()] };
    [gateway, server(), peer, device(), ocsp_signer()]
}

fn server() -> Profile {
    Profile::Server { names: vec!["a.example".into(), "2001:db8::1".into()] }
}

fn device() -> Profile {
    Profile::Device { user: "alice".into(), device: "phone".into() }
}

fn ocsp_signer() -> Profile {
    Profile::OcspSigner { name: "Handfast OCSP 00112233".into() }
}

fn now() -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000)
}
