//! Certificate revocation lists: what goes in, what is read back, and when the next one is due.
//!
//! Every list is version 2 with a number, an authority key id and a next update, and covers every
//! certificate of its CA: the form that all readers understand.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::X509Version;

use crate::moment::{from_asn1, to_date_time};
use crate::pem::{self, PemError};
use crate::sign_error::SignError;
use crate::signature::{self, SignatureFault};
use crate::{CLOCK_SKEW, CaCertificate, Revocation, RevocationReason, Serial, Timestamp};

/// How long a list is valid by default. It is signed again at half of that.
pub const CRL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A list to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlRequest {
    /// Higher than that of every list before.
    pub number: u64,
    /// The moment it speaks of.
    pub this_update: Timestamp,
    /// When the next one comes at the latest.
    pub next_update: Timestamp,
    /// What was revoked, by serial number.
    pub revoked: BTreeMap<Serial, Revocation>,
}

impl CrlRequest {
    pub(crate) fn to_params(
        &self,
        ca_key_id: &[u8],
    ) -> Result<CertificateRevocationListParams, SignError> {
        if self.next_update <= self.this_update {
            return Err(SignError::EmptyCrlValidity);
        }
        Ok(CertificateRevocationListParams {
            this_update: to_date_time(self.this_update),
            next_update: to_date_time(self.next_update),
            crl_number: self.number.into(),
            issuing_distribution_point: None,
            revoked_certs: self.revoked.iter().map(entry_params).collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(ca_key_id.to_vec()),
        })
    }
}

fn entry_params((serial, revocation): (&Serial, &Revocation)) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: serial.as_bytes().to_vec().into(),
        revocation_time: to_date_time(revocation.at),
        reason_code: reason_code(revocation.reason),
        invalidity_date: None,
    }
}

/// `unspecified` is said by saying nothing; RFC 5280 section 5.3.1.
fn reason_code(reason: RevocationReason) -> Option<rcgen::RevocationReason> {
    Some(match reason {
        RevocationReason::Unspecified => return None,
        RevocationReason::KeyCompromise => rcgen::RevocationReason::KeyCompromise,
        RevocationReason::CaCompromise => rcgen::RevocationReason::CaCompromise,
        RevocationReason::AffiliationChanged => rcgen::RevocationReason::AffiliationChanged,
        RevocationReason::Superseded => rcgen::RevocationReason::Superseded,
        RevocationReason::CessationOfOperation => rcgen::RevocationReason::CessationOfOperation,
        RevocationReason::CertificateHold => rcgen::RevocationReason::CertificateHold,
        RevocationReason::PrivilegeWithdrawn => rcgen::RevocationReason::PrivilegeWithdrawn,
        RevocationReason::AaCompromise => rcgen::RevocationReason::AaCompromise,
    })
}

/// A signed list, read. Whose signature it is, [`Crl::verify`] tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    issuer: Vec<u8>,
    number: Option<u64>,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: BTreeMap<Serial, Revocation>,
}

impl Crl {
    /// Reads a list in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        let crl = parse(der)?;
        if crl.version() != Some(X509Version::V2) {
            return Err(CrlError::UnsupportedVersion);
        }
        if crl.extensions().iter().any(|extension| extension.critical) {
            return Err(CrlError::UnsupportedExtension);
        }
        let number = crl.crl_number().map(|number| u64::try_from(number.clone()));
        Ok(Self {
            der: der.to_vec(),
            issuer: crl.issuer().as_raw().to_vec(),
            number: number.transpose().map_err(|_| CrlError::Malformed)?,
            this_update: from_asn1(crl.last_update()),
            next_update: from_asn1(crl.next_update().ok_or(CrlError::NoNextUpdate)?),
            revoked: read_entries(&crl)?,
        })
    }

    /// Reads a list in PEM text.
    pub fn from_pem(text: &str) -> Result<Self, CrlError> {
        let der = CertificateRevocationListDer::from_pem_slice(text.as_bytes())
            .map_err(|error| CrlError::Pem(error.into()))?;
        Self::from_der(&der)
    }

    /// Whether this CA signed it.
    pub fn verify(&self, ca: &CaCertificate) -> Result<(), CrlError> {
        if self.issuer != ca.subject() {
            return Err(CrlError::OtherIssuer);
        }
        if !ca.signs_lists() {
            return Err(CrlError::NotAListSigner);
        }
        let crl = parse(&self.der)?;
        if crl.tbs_cert_list.signature != crl.signature_algorithm {
            return Err(CrlError::BadSignature);
        }
        signature::verify(
            &crl.signature_algorithm,
            ca.spki(),
            crl.tbs_cert_list.as_ref(),
            &crl.signature_value,
        )
        .map_err(|fault| match fault {
            SignatureFault::Unsupported => CrlError::UnsupportedSignature,
            SignatureFault::Wrong => CrlError::BadSignature,
        })
    }

    /// The list in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The list as PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode("X509 CRL", &self.der).to_string()
    }

    /// The issuer's name, in DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Its number, if it has one.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// The moment it speaks of.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// Everything it revokes.
    pub fn revoked(&self) -> &BTreeMap<Serial, Revocation> {
        &self.revoked
    }

    /// How old it is.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.this_update)
    }

    /// When to sign the next one: at half its life.
    pub fn renew_at(&self) -> Timestamp {
        self.this_update.after(self.next_update.since(self.this_update) / 2)
    }

    /// Whether the next one should be signed: half its life is over, or it was made in a future
    /// that a wrong clock believed in.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.renew_at() || now < self.this_update
    }

    /// Whether the other one was signed after it: numbers rise (RFC 5280 section 5.2.3), and where they don't
    /// tell, time does. A clock of the CA's that was ahead makes no list newer than the ones that follow it.
    pub fn is_older_than(&self, other: &Self) -> bool {
        match self.number.zip(other.number) {
            Some((own, other)) if own != other => own < other,
            _ => self.this_update < other.this_update,
        }
    }

    /// Whether it was signed in a time to come, by more than certificates reach back for clocks that are behind:
    /// the CA's clock was ahead, and by that list it might be believed for as long as it was.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.this_update > now.after(CLOCK_SKEW)
    }

    /// Whether readers refuse it for its age.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now > self.next_update
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("number", &self.number)
            .field("this_update", &self.this_update)
            .field("next_update", &self.next_update)
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

/// Why a list is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlError {
    /// It cannot be read.
    Malformed,
    /// The text around it cannot be read.
    Pem(PemError),
    /// It is not of version 2.
    UnsupportedVersion,
    /// It has a critical extension, as delta and partitioned lists do.
    UnsupportedExtension,
    /// It does not say when the next one comes.
    NoNextUpdate,
    /// Another CA issued it.
    OtherIssuer,
    /// The CA's certificate does not let it sign lists.
    NotAListSigner,
    /// The CA it names did not sign it.
    BadSignature,
    /// It is signed in a way that cannot be checked.
    UnsupportedSignature,
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the revocation list cannot be read; fetch it again",
            Self::Pem(error) => return write!(f, "the revocation list: {error}"),
            Self::UnsupportedVersion => "the revocation list is not of version 2",
            Self::UnsupportedExtension => {
                "the revocation list covers only a part; fetch the CA's full list"
            }
            Self::NoNextUpdate => "the revocation list does not say when the next one comes",
            Self::OtherIssuer => "the revocation list is another CA's; fetch this CA's",
            Self::NotAListSigner => "the CA may not sign revocation lists; ask it by OCSP",
            Self::BadSignature => "the revocation list is not signed by its CA; do not trust it",
            Self::UnsupportedSignature => "the revocation list's signature cannot be checked",
        })
    }
}

impl Error for CrlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pem(error) => Some(error),
            _ => None,
        }
    }
}

fn parse(der: &[u8]) -> Result<CertificateRevocationList<'_>, CrlError> {
    match CertificateRevocationList::from_der(der) {
        Ok(([], crl)) => Ok(crl),
        _ => Err(CrlError::Malformed),
    }
}

fn read_entries(
    crl: &CertificateRevocationList<'_>,
) -> Result<BTreeMap<Serial, Revocation>, CrlError> {
    crl.iter_revoked_certificates()
        .map(|entry| {
            if entry.extensions().iter().any(|extension| extension.critical) {
                return Err(CrlError::UnsupportedExtension);
            }
            let serial = Serial::from_bytes(entry.raw_serial()).map_err(|_| CrlError::Malformed)?;
            let code = entry.reason_code().map(|(_, reason)| reason.0);
            let reason = code.and_then(RevocationReason::from_code).unwrap_or_default();
            let at = from_asn1(entry.revocation_date);
            Ok((serial, Revocation { at, reason }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CA_LIFETIME, KeyType, LocalSigner, NewCa, SignAnswer, SignRequest, Signer};

    #[test]
    fn a_list_reads_back_as_it_was_asked_for() {
        let signer = signer();
        for revoked in [BTreeMap::new(), every_reason()] {
            let crl = list(&signer, revoked.clone());
            assert_eq!(crl.number(), Some(41));
            assert_eq!(crl.this_update(), now());
            assert_eq!(crl.next_update(), now().after(CRL_LIFETIME));
            assert_eq!(crl.revoked(), &revoked);
            assert_eq!(crl.verify(signer.ca()), Ok(()));
            assert_eq!(Crl::from_pem(&crl.to_pem()), Ok(crl));
        }
    }

    #[test]
    fn a_list_is_due_at_half_its_life_and_expired_at_its_end() {
        let crl = list(&signer(), BTreeMap::new());
        let at = |days: u32| now().after(CRL_LIFETIME / 14 * days);
        assert_eq!(crl.renew_at(), at(7));
        assert!(!crl.is_due(at(6)) && crl.is_due(at(7)));
        assert!(!crl.is_expired(at(14)) && crl.is_expired(at(15)));
        assert_eq!(crl.age(at(2)), CRL_LIFETIME / 7);
    }

    #[test]
    fn a_list_from_the_future_is_due_at_once() {
        let crl = list(&signer(), BTreeMap::new());
        assert!(crl.is_due(now().before(Duration::from_secs(1))));
        assert_eq!(crl.age(now().before(Duration::from_secs(1))), Duration::ZERO);
    }

    #[test]
    fn a_list_verifies_with_its_own_ca_alone() {
        let crl = list(&signer(), BTreeMap::new());
        assert_eq!(crl.verify(signer().ca()), Err(CrlError::OtherIssuer));
    }

    #[test]
    fn a_chopped_or_flipped_list_is_refused_or_says_the_same() {
        let signer = signer();
        let crl = list(&signer, every_reason());
        for at in 0..crl.der().len() {
            assert!(Crl::from_der(&crl.der()[..at]).is_err(), "chopped at {at}");
            let mut flipped = crl.der().to_vec();
            flipped[at] ^= 1 << (at % 8);
            // Outside what is signed the parser lets a tag pass that makes no difference.
            let Ok(read) = Crl::from_der(&flipped) else { continue };
            if read.verify(signer.ca()).is_ok() {
                assert_eq!(Crl { der: crl.der.clone(), ..read }, crl, "flipped at {at}");
            }
        }
    }

    #[test]
    fn a_list_that_ends_before_it_begins_is_not_signed() {
        let request = CrlRequest { next_update: now(), ..request(BTreeMap::new()) };
        let answer = signer().sign_now(SignRequest::Crl(request));
        assert_eq!(answer, Err(SignError::EmptyCrlValidity));
    }

    fn every_reason() -> BTreeMap<Serial, Revocation> {
        RevocationReason::ALL
            .into_iter()
            .map(|reason| {
                let serial = Serial::from_bytes(&[0x80, reason.code()]);
                (serial.unwrap(), Revocation { at: now(), reason })
            })
            .collect()
    }

    fn list(signer: &LocalSigner, revoked: BTreeMap<Serial, Revocation>) -> Crl {
        match signer.sign_now(SignRequest::Crl(request(revoked))) {
            Ok(SignAnswer::Crl(der)) => Crl::from_der(&der).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn request(revoked: BTreeMap<Serial, Revocation>) -> CrlRequest {
        let next_update = now().after(CRL_LIFETIME);
        CrlRequest { number: 41, this_update: now(), next_update, revoked }
    }

    fn signer() -> LocalSigner {
        let serial = Serial::from_random([7; 16]);
        let new = NewCa { key_type: KeyType::P256, serial, now: now(), lifetime: CA_LIFETIME };
        LocalSigner::create(&new).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_secs(1_800_000_000)
    }
}
