//! From a leaf to a trust anchor by webpki, and the most truthful reason where that fails.
//!
//! One call of webpki decides. webpki looks at time and usage before it looks for the issuer, so a
//! failure there may hide that the certificate is a stranger's; a second call, lenient in time and
//! usage, then only picks the reason and never turns a refusal into an acceptance.

use std::error::Error;
use std::fmt;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::leaf::Leaf;
use crate::{Purpose, Refusal, Timestamp, moment};

/// The CAs that a door trusts.
#[derive(Debug)]
pub(super) struct Anchors {
    webpki: Vec<TrustAnchor<'static>>,
    known: Vec<KnownCa>,
}

#[derive(Debug)]
struct KnownCa {
    subject: Vec<u8>,
    not_after: Timestamp,
}

impl Anchors {
    pub(super) fn new(cas: &[CertificateDer<'_>]) -> Result<Self, AnchorError> {
        if cas.is_empty() {
            return Err(AnchorError::Missing);
        }
        Ok(Self {
            webpki: cas.iter().map(webpki_anchor).collect::<Result<_, _>>()?,
            known: cas.iter().map(known_ca).collect::<Result<_, _>>()?,
        })
    }

    /// The subjects, in DER.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.known.iter().map(|ca| ca.subject.as_slice())
    }

    /// Signatures up to an anchor, time and purpose of every certificate on the way.
    pub(super) fn check(
        &self,
        algorithms: &WebPkiSupportedAlgorithms,
        presented: Presented<'_>,
        leaf: &Leaf,
        needed: Purpose,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let usage = match needed {
            Purpose::Client => KeyUsage::client_auth(),
            Purpose::Server => KeyUsage::server_auth(),
        };
        let refusal = match self.build(algorithms, presented, now, usage) {
            Ok(()) => return leaf.require(needed).and_then(|()| self.check_ca_time(leaf, now)),
            Err(error) => self.refusal(error, leaf, needed),
        };
        if !may_hide_a_stranger(&refusal) {
            return Err(refusal);
        }
        let then = now_within(leaf, now);
        match self.build(algorithms, presented, then, AnyPurpose) {
            Ok(()) => Err(refusal),
            Err(error) => match self.refusal(error, leaf, needed) {
                stranger @ (Refusal::UnknownCa | Refusal::BadSignature) => Err(stranger),
                _ => Err(refusal),
            },
        }
    }

    fn build(
        &self,
        algorithms: &WebPkiSupportedAlgorithms,
        presented: Presented<'_>,
        now: UnixTime,
        usage: impl ExtendedKeyUsageValidator,
    ) -> Result<(), webpki::Error> {
        EndEntityCert::try_from(presented.end_entity)?
            .verify_for_usage(
                algorithms.all,
                &self.webpki,
                presented.intermediates,
                now,
                usage,
                None,
                None,
            )
            .map(drop)
    }

    /// webpki does not look at an anchor's own validity.
    fn check_ca_time(&self, leaf: &Leaf, now: UnixTime) -> Result<(), Refusal> {
        match self.ca_not_after(leaf) {
            Some(at) if moment::from_unix_time(now) > at => Err(Refusal::CaExpired { at }),
            _ => Ok(()),
        }
    }

    /// How long the CA that the leaf names is valid.
    pub(super) fn ca_not_after(&self, leaf: &Leaf) -> Option<Timestamp> {
        self.known.iter().find(|ca| ca.subject == leaf.issuer).map(|ca| ca.not_after)
    }

    fn refusal(&self, error: webpki::Error, leaf: &Leaf, needed: Purpose) -> Refusal {
        use webpki::Error as E;
        match error {
            E::CertExpired { not_after, .. } => {
                Refusal::Expired { at: moment::from_unix_time(not_after) }
            }
            E::CertNotValidYet { not_before, .. } => {
                Refusal::NotYetValid { at: moment::from_unix_time(not_before) }
            }
            E::UnknownIssuer => Refusal::UnknownCa,
            E::NameConstraintViolation => Refusal::NameNotPermitted,
            E::InvalidSignatureForPublicKey => Refusal::BadSignature,
            E::RequiredEkuNotFoundContext(_) => Refusal::WrongUsage { needed },
            // A stranger's self-signed certificate is a stranger's first.
            E::CaUsedAsEndEntity if self.subjects().all(|ca| ca != leaf.issuer) => {
                Refusal::UnknownCa
            }
            E::CaUsedAsEndEntity => Refusal::WrongUsage { needed },
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Refusal::UnsupportedKey,
            _ => Refusal::Malformed,
        }
    }
}

/// What the peer sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presented<'a> {
    pub(super) end_entity: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
}

/// Why a certificate does not serve as a trust anchor; always our own configuration's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorError {
    /// There is none.
    Missing,
    /// It cannot be read.
    Malformed,
    /// It is not a CA's certificate.
    NotACa,
    /// The revocation list beside it is not signed by it.
    CrlNotOurs,
}

impl fmt::Display for AnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no CA certificate was given; name one with `ca`",
            Self::Malformed => "the CA certificate cannot be read; export it again",
            Self::NotACa => {
                "the certificate given as CA is not a CA's; give the CA's own certificate"
            }
            Self::CrlNotOurs => {
                "the revocation list is not signed by the CA given; fetch that CA's list"
            }
        })
    }
}

impl Error for AnchorError {}

fn webpki_anchor(ca: &CertificateDer<'_>) -> Result<TrustAnchor<'static>, AnchorError> {
    webpki::anchor_from_trusted_cert(ca)
        .map(|anchor| anchor.to_owned())
        .map_err(|_| AnchorError::Malformed)
}

fn known_ca(ca: &CertificateDer<'_>) -> Result<KnownCa, AnchorError> {
    let (_, cert) = X509Certificate::from_der(ca).map_err(|_| AnchorError::Malformed)?;
    // Version 1 certificates have no extensions; easy-rsa's ancestors made such roots.
    if cert.version() == x509_parser::x509::X509Version::V3 && !cert.is_ca() {
        return Err(AnchorError::NotACa);
    }
    Ok(KnownCa {
        subject: cert.subject().as_raw().to_vec(),
        not_after: moment::from_asn1(cert.validity().not_after),
    })
}

fn may_hide_a_stranger(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Expired { .. } | Refusal::NotYetValid { .. } | Refusal::WrongUsage { .. }
    )
}

fn now_within(leaf: &Leaf, now: UnixTime) -> UnixTime {
    moment::to_unix_time(moment::from_unix_time(now).max(leaf.not_before).min(leaf.not_after))
}

/// For the second call alone.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
