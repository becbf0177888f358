//! A CA's certificate.
//!
//! Each generation has a subject and a key id of its own, so that two generations can be trusted at
//! the same time and every certificate says which one issued it.

use std::error::Error;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::constraints::{Found, NameConstraints};
use crate::profile::Validity;
use crate::{IssuerId, KeyError, Serial, moment, pem};

/// A CA's certificate, read and found to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    name: String,
    key_id: Vec<u8>,
    names_its_key: bool,
    signs_lists: bool,
    spki: Vec<u8>,
    validity: Validity,
    serial: Serial,
    constraints: Found,
}

impl CaCertificate {
    /// Reads a version 3 CA certificate that may sign certificates. Others' may say less than ours: whether it may
    /// sign CRLs is known, and a key id that is missing is made as ours are.
    pub fn from_der(der: &[u8]) -> Result<Self, CaError> {
        let (rest, cert) = X509Certificate::from_der(der).map_err(|_| CaError::Malformed)?;
        if !rest.is_empty() {
            return Err(CaError::Malformed);
        }
        let usage = cert.key_usage().map_err(|_| CaError::Malformed)?.map(|usage| usage.value);
        if !cert.is_ca() || usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(CaError::NotACa);
        }
        let key_id = subject_key_id(&cert);
        let common_name = cert.subject().iter_common_name().next();
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            subject: cert.subject().as_raw().to_vec(),
            name: common_name.and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned(),
            names_its_key: key_id.is_some(),
            signs_lists: usage.is_none_or(|usage| usage.crl_sign()),
            key_id: key_id.unwrap_or_else(|| made_key_id(&cert)),
            spki: cert.public_key().raw.to_vec(),
            validity: Validity {
                not_before: moment::from_asn1(cert.validity().not_before),
                not_after: moment::from_asn1(cert.validity().not_after),
            },
            serial: Serial::from_bytes(cert.raw_serial()).map_err(|_| CaError::Malformed)?,
            constraints: NameConstraints::found(&cert),
        })
    }

    /// Whether it may sign CRLs.
    pub fn signs_lists(&self) -> bool {
        self.signs_lists
    }

    /// Whether it can be put to work here: whoever reads what it signs finds it by its key id, its lists count, and
    /// it is known what it may certify.
    pub(crate) fn is_complete(&self) -> Result<(), CaError> {
        match (self.signs_lists, self.names_its_key, &self.constraints) {
            (false, _, _) => Err(CaError::NotACrlSigner),
            (_, false, _) => Err(CaError::NoKeyId),
            (_, _, Found::Other) => Err(CaError::OtherConstraints),
            (true, true, Found::Known(_)) => Ok(()),
        }
    }

    /// Which names it may certify. Of another's, what is said of other kinds of names than hosts' is left out.
    pub fn constraints(&self) -> NameConstraints {
        match &self.constraints {
            Found::Known(constraints) => constraints.clone(),
            Found::Other => NameConstraints::default(),
        }
    }

    /// The certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate as PEM text.
    pub fn to_pem(&self) -> String {
        pem::certificate_to_pem(&self.der)
    }

    /// The common name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four octets of the key id, in hexadecimal: what tells generations apart where
    /// room is short, as in URLs and in our own CAs' names.
    pub fn tag(&self) -> String {
        tag_of(&self.key_id)
    }

    /// When it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Its own serial number.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// What certificates that it issues are known by, beside their serial numbers.
    pub fn issuer_id(&self) -> IssuerId {
        IssuerId::of_name(&self.subject)
    }

    /// The subject, in DER.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The subject key id, or one that was made in its place.
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The SubjectPublicKeyInfo, in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaCertificate")
            .field("name", &self.name)
            .field("serial", &self.serial)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// Why a CA cannot be made or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaError {
    /// The certificate cannot be read.
    Malformed,
    /// The certificate is not a CA's.
    NotACa,
    /// The certificate may not sign CRLs.
    NotACrlSigner,
    /// The certificate has no subject key id.
    NoKeyId,
    /// The certificate binds names of other kinds than hosts' and addresses.
    OtherConstraints,
    /// The subject is built in a way that cannot be written again.
    UnsupportedSubject,
    /// The key is not the certificate's.
    KeyMismatch,
    /// There is no key.
    Key(KeyError),
    /// The key did not sign the certificate.
    SigningFailed,
    /// The new certificate breaks a rule.
    Rule(crate::lint::Rule),
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the CA certificate cannot be read; restore it from the backup",
            Self::NotACa => "the certificate given as the CA's may not sign certificates",
            Self::NotACrlSigner => "the CA's certificate may not sign revocation lists",
            Self::NoKeyId => "the CA's certificate has no subject key identifier",
            Self::OtherConstraints => {
                "the CA's certificate has name constraints of a kind that is not supported"
            }
            Self::UnsupportedSubject => "the CA's subject has a form that is not supported",
            Self::KeyMismatch => {
                "the CA's key does not belong to its certificate; restore both from one backup"
            }
            Self::Key(error) => return write!(f, "the CA's key: {error}"),
            Self::Rule(rule) => {
                return write!(f, "internal error: no CA was made, since {rule}; please report it");
            }
            Self::SigningFailed => "the new CA's key did not sign its certificate",
        })
    }
}

impl Error for CaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Key(error) => Some(error),
            _ => None,
        }
    }
}

/// The beginning of a key id, as people write it.
pub(crate) fn tag_of(key_id: &[u8]) -> String {
    key_id.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

fn subject_key_id(cert: &X509Certificate<'_>) -> Option<Vec<u8>> {
    cert.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

/// RFC 7093 method 1.
fn made_key_id(cert: &X509Certificate<'_>) -> Vec<u8> {
    let bits = &cert.public_key().subject_public_key.data;
    digest(&SHA256, bits).as_ref().iter().take(KEY_ID_OCTETS).copied().collect()
}

const KEY_ID_OCTETS: usize = 20;
