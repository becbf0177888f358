//! The one door to the CA's key.
//!
//! A request says what to issue, not which octets to sign, so that whoever holds the key decides
//! for itself what it puts its name to. Requests and answers are plain values that can cross a
//! process border, and the call is asynchronous, so that the key may live in another process or a
//! hardware module.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::cross::CrossRequest;
use crate::{CaCertificate, CertificateRequest, Crl, CrlRequest, SignError};

/// Holds a CA's key, or knows who does.
pub trait Signer: Send + Sync + Debug {
    /// The CA that it signs for.
    fn ca(&self) -> &CaCertificate;

    /// Signs what was asked for, or says why not.
    fn sign(&self, request: SignRequest) -> Signing<'_>;
}

/// An answer on its way.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<SignAnswer, SignError>> + Send + 'a>>;

/// What a signer can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignRequest {
    /// Issue this certificate.
    Certificate(Box<CertificateRequest>),
    /// Sign this revocation list.
    Crl(CrlRequest),
    /// Vouch for another CA of ours.
    Cross(Box<CrossRequest>),
}

/// What a signer answers, in DER.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignAnswer {
    /// The certificate.
    Certificate(Vec<u8>),
    /// The revocation list.
    Crl(Vec<u8>),
}

/// Has a certificate issued.
pub async fn issue(
    signer: &dyn Signer,
    request: CertificateRequest,
) -> Result<CertificateDer<'static>, SignError> {
    match signer.sign(SignRequest::Certificate(Box::new(request))).await? {
        SignAnswer::Certificate(der) => Ok(der.into()),
        SignAnswer::Crl(_) => Err(SignError::WrongAnswer),
    }
}

/// Has a CA vouch for another.
pub async fn cross_sign(
    signer: &dyn Signer,
    request: CrossRequest,
) -> Result<CertificateDer<'static>, SignError> {
    match signer.sign(SignRequest::Cross(Box::new(request))).await? {
        SignAnswer::Certificate(der) => Ok(der.into()),
        SignAnswer::Crl(_) => Err(SignError::WrongAnswer),
    }
}

/// Has a revocation list signed.
pub async fn sign_crl(signer: &dyn Signer, request: CrlRequest) -> Result<Crl, SignError> {
    match signer.sign(SignRequest::Crl(request)).await? {
        SignAnswer::Crl(der) => Crl::from_der(&der).map_err(|_| SignError::WrongAnswer),
        SignAnswer::Certificate(_) => Err(SignError::WrongAnswer),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use rustls::server::danger::ClientCertVerifier;

    use super::*;
    use crate::{
        CA_LIFETIME, CertificateId, CertificateStatus, DEVICE_LIFETIME, Fingerprint,
        GatewayVerifier, KeyType, LocalSigner, NameRule, NewCa, PrivateKey, Profile, Publishing,
        Revocation, RevocationReason, Serial, ServerNameVerifier, StatusSource, Timestamp,
        Validity,
    };

    #[test]
    fn requests_and_answers_survive_a_process_border() {
        let crl = CrlRequest {
            number: 1,
            this_update: now(),
            next_update: now().after(DEVICE_LIFETIME),
            revoked: BTreeMap::from([(
                Serial::from_random([1; 16]),
                Revocation { at: now(), reason: RevocationReason::Superseded },
            )]),
        };
        for request in [SignRequest::Certificate(Box::new(request())), SignRequest::Crl(crl)] {
            let carried = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<SignRequest>(&carried).unwrap(), request);
            let answer = signer().sign_now(request);
            let carried = serde_json::to_string(&answer).unwrap();
            assert_eq!(
                serde_json::from_str::<Result<SignAnswer, SignError>>(&carried).unwrap(),
                answer
            );
        }
    }

    #[test]
    fn a_key_too_weak_does_not_come_in_over_the_border() {
        let carried = serde_json::to_string(&request()).unwrap();
        let spki = serde_json::to_string(request().public_key.spki()).unwrap();
        let forged = carried.replace(&spki, "[48,3,2,1,5]");
        assert_ne!(forged, carried);
        assert!(serde_json::from_str::<CertificateRequest>(&forged).is_err());
    }

    #[test]
    fn what_begins_after_the_ca_ends_is_not_signed() {
        let late = now().after(CA_LIFETIME);
        let validity = Validity { not_before: late, not_after: late.after(DEVICE_LIFETIME) };
        let request = CertificateRequest { validity, ..request() };
        let answer = signer().sign_now(SignRequest::Certificate(Box::new(request)));
        assert_eq!(answer, Err(SignError::EmptyValidity));
    }

    #[test]
    fn two_generations_differ_in_name_and_key_id() {
        let (one, two) = (signer(), signer());
        assert_ne!(one.ca().subject(), two.ca().subject());
        assert_ne!(one.ca().key_id(), two.ca().key_id());
        assert_ne!(one.ca().tag(), two.ca().tag());
    }

    #[test]
    fn who_trusts_one_generation_trusts_a_leaf_of_the_next_by_its_cross_certificate() {
        let (former, next) = (signer(), signer());
        let request = CrossRequest {
            serial: Serial::from_random([4; 16]),
            other: next.ca().der().to_vec(),
            validity: Validity::starting(now(), CA_LIFETIME + CA_LIFETIME),
            publishing: Publishing::at("http://vpn.example", &former.ca().tag()).unwrap(),
        };
        let answer = former.sign_now(SignRequest::Cross(Box::new(request)));
        let Ok(SignAnswer::Certificate(cross)) = answer else { panic!("{answer:?}") };
        let read = CaCertificate::from_der(&cross).unwrap();
        assert_eq!((read.subject(), read.key_id()), (next.ca().subject(), next.ca().key_id()));
        assert_eq!(read.validity().not_after, former.ca().validity().not_after);
        let answer = next.sign_now(SignRequest::Certificate(Box::new(request_for_a_server())));
        let Ok(SignAnswer::Certificate(leaf)) = answer else { panic!("{answer:?}") };
        let verifier = |ca: &LocalSigner| {
            ServerNameVerifier::new(std::slice::from_ref(ca.ca().der()), NameRule::Any).unwrap()
        };
        let (leaf, cross) = (leaf.into(), [cross.into()]);
        let at = crate::moment::to_unix_time(now());
        assert_eq!(verifier(&former).check(&leaf, &cross, at), Ok(()));
        assert_eq!(verifier(&next).check(&leaf, &cross, at), Ok(()));
        assert_eq!(verifier(&next).check(&leaf, &[], at), Ok(()));
        assert_eq!(verifier(&former).check(&leaf, &[], at), Err(crate::Refusal::UnknownCa));
    }

    #[test]
    fn no_device_comes_in_by_a_cross_certificate() {
        let (former, next) = (signer(), signer());
        let answer = former.sign_now(SignRequest::Certificate(Box::new(request())));
        let Ok(SignAnswer::Certificate(leaf)) = answer else { panic!("{answer:?}") };
        let cross = CrossRequest {
            serial: Serial::from_random([4; 16]),
            other: former.ca().der().to_vec(),
            validity: Validity::starting(now(), CA_LIFETIME),
            publishing: Publishing::at("http://vpn.example", &next.ca().tag()).unwrap(),
        };
        let answer = next.sign_now(SignRequest::Cross(Box::new(cross)));
        let Ok(SignAnswer::Certificate(cross)) = answer else { panic!("{answer:?}") };
        let (leaf, cross) = (leaf.into(), [cross.into()]);
        let at = crate::moment::to_unix_time(now());
        let comes_in = |trusted: &[&LocalSigner]| {
            let cas: Vec<_> = trusted.iter().map(|ca| ca.ca().der().clone()).collect();
            let verifier = GatewayVerifier::new(&cas, Arc::new(AllGood)).unwrap();
            verifier.verify_client_cert(&leaf, &cross, at).is_ok()
        };
        assert!(comes_in(&[&former, &next]), "while both are trusted");
        assert!(!comes_in(&[&next]), "when the former one is trusted no longer");
    }

    #[derive(Debug)]
    struct AllGood;

    impl StatusSource for AllGood {
        fn certificate_status(&self, _: &CertificateId, _: &Fingerprint) -> CertificateStatus {
            CertificateStatus::Good
        }
    }

    #[test]
    fn what_is_no_ca_is_not_vouched_for() {
        let signer = signer();
        let answer = signer.sign_now(SignRequest::Certificate(Box::new(request())));
        let Ok(SignAnswer::Certificate(leaf)) = answer else { panic!("{answer:?}") };
        let request = CrossRequest {
            serial: Serial::from_random([5; 16]),
            other: leaf,
            validity: Validity::starting(now(), CA_LIFETIME),
            publishing: Publishing::default(),
        };
        let answer = signer.sign_now(SignRequest::Cross(Box::new(request)));
        assert_eq!(answer, Err(SignError::NotACa));
    }

    #[test]
    fn a_ca_is_taken_up_again_with_its_own_key_alone() {
        let (one, two) = (signer(), signer());
        let key = |signer: &LocalSigner| PrivateKey::from_pkcs8(signer.key().pkcs8()).unwrap();
        let again = LocalSigner::new(one.ca().der(), key(&one)).unwrap();
        assert_eq!(again.ca(), one.ca());
        let mixed = LocalSigner::new(one.ca().der(), key(&two));
        assert_eq!(mixed.err(), Some(crate::CaError::KeyMismatch));
    }

    fn request() -> CertificateRequest {
        thread_local! {
            static KEY: PrivateKey = PrivateKey::generate(KeyType::P256).unwrap();
        }
        CertificateRequest {
            serial: Serial::from_random([2; 16]),
            profile: Profile::Device { user: "alice".into(), device: "phone".into() },
            public_key: KEY.with(|key| key.public_key().clone()),
            validity: Validity::starting(now(), DEVICE_LIFETIME),
            publishing: Publishing::default(),
        }
    }

    fn request_for_a_server() -> CertificateRequest {
        CertificateRequest {
            profile: Profile::Server { names: vec!["vpn.example".into()] },
            ..request()
        }
    }

    fn signer() -> LocalSigner {
        let serial = Serial::from_random([3; 16]);
        let new = NewCa { key_type: KeyType::P256, serial, now: now(), lifetime: CA_LIFETIME };
        LocalSigner::create(&new).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_secs(1_800_000_000)
    }
}
