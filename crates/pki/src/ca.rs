//! A CA: its certificate, and a signer that keeps its key in this process.
//!
//! Each generation has a subject and a key id of its own, so that two generations can be trusted at
//! the same time and every certificate says which one issued it.

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::time::Duration;

use rcgen::Issuer;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::profile::{CertificateRequest, Validity, ca_params};
use crate::signer::{SignAnswer, SignError, SignRequest, Signer, Signing};
use crate::{
    CrlRequest, IssuerId, KeyError, KeyType, PrivateKey, PublicKey, Serial, Timestamp, pem,
};

/// What a new CA is made of.
#[derive(Clone, Debug)]
pub struct NewCa {
    /// Its key; RSA-3072 by default, because every client can read it.
    pub key_type: KeyType,
    /// Its serial number; [`Serial::from_random`] makes one.
    pub serial: Serial,
    /// The present moment.
    pub now: Timestamp,
    /// How long it shall be valid; [`crate::CA_LIFETIME`] by default.
    pub lifetime: Duration,
}

/// A CA's certificate, read and found to be one.
#[derive(Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    name: String,
    key_id: Vec<u8>,
    spki: Vec<u8>,
    validity: Validity,
    serial: Serial,
}

impl CaCertificate {
    /// Reads a version 3 CA certificate that may sign certificates and CRLs.
    pub fn from_der(der: &[u8]) -> Result<Self, CaError> {
        let (rest, cert) = X509Certificate::from_der(der).map_err(|_| CaError::Malformed)?;
        if !rest.is_empty() {
            return Err(CaError::Malformed);
        }
        let usage = cert.key_usage().map_err(|_| CaError::Malformed)?.map(|usage| usage.value);
        if !cert.is_ca() || usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(CaError::NotACa);
        }
        if usage.is_some_and(|usage| !usage.crl_sign()) {
            return Err(CaError::NotACrlSigner);
        }
        let common_name = cert.subject().iter_common_name().next();
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            subject: cert.subject().as_raw().to_vec(),
            name: common_name.and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned(),
            key_id: subject_key_id(&cert).ok_or(CaError::NoKeyId)?,
            spki: cert.public_key().raw.to_vec(),
            validity: Validity {
                not_before: Timestamp::from_asn1(cert.validity().not_before),
                not_after: Timestamp::from_asn1(cert.validity().not_after),
            },
            serial: Serial::from_bytes(cert.raw_serial()).map_err(|_| CaError::Malformed)?,
        })
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

    /// The subject key id.
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

/// Signs with a key that lies in this process' memory.
#[derive(Debug)]
pub struct LocalSigner {
    ca: CaCertificate,
    issuer: Issuer<'static, PrivateKey>,
}

impl LocalSigner {
    /// Makes a new CA.
    pub fn create(new: &NewCa) -> Result<Self, CaError> {
        let key = PrivateKey::generate(new.key_type).map_err(CaError::Key)?;
        let key_id = key.public_key().key_id();
        let name = format!("Handfast CA {}", tag_of(key_id));
        let validity = Validity::starting(new.now, new.lifetime);
        let params = ca_params(new.serial, &name, key_id, validity);
        let cert = params.self_signed(&key).map_err(|_| CaError::SigningFailed)?;
        Self::new(cert.der(), key)
    }

    /// A CA that exists already.
    pub fn new(certificate: &[u8], key: PrivateKey) -> Result<Self, CaError> {
        let ca = CaCertificate::from_der(certificate)?;
        if ca.spki() != key.public_key().spki() {
            return Err(CaError::KeyMismatch);
        }
        let issuer =
            Issuer::from_ca_cert_der(ca.der(), key).map_err(|_| CaError::UnsupportedSubject)?;
        Ok(Self { ca, issuer })
    }

    /// The CA's key, for whoever keeps it.
    pub fn key(&self) -> &PrivateKey {
        self.issuer.key()
    }

    /// Signs at once.
    pub fn sign_now(&self, request: SignRequest) -> Result<SignAnswer, SignError> {
        match request {
            SignRequest::Certificate(request) => {
                self.certificate(&request).map(SignAnswer::Certificate)
            }
            SignRequest::Crl(request) => self.crl(&request).map(SignAnswer::Crl),
        }
    }

    fn certificate(&self, request: &CertificateRequest) -> Result<Vec<u8>, SignError> {
        let params = request.to_params(self.ca.validity())?;
        let key = encoder_key(&request.public_key)?;
        let cert = params.signed_by(&key, &self.issuer).map_err(|_| SignError::SigningFailed)?;
        self.check_issuer(cert.der())?;
        Ok(cert.der().to_vec())
    }

    fn crl(&self, request: &CrlRequest) -> Result<Vec<u8>, SignError> {
        let params = request.to_params(self.ca.key_id())?;
        let crl = params.signed_by(&self.issuer).map_err(|_| SignError::SigningFailed)?;
        Ok(crl.der().to_vec())
    }

    /// Readers compare issuer names octet by octet, and rcgen writes the name anew from its parts.
    fn check_issuer(&self, der: &[u8]) -> Result<(), SignError> {
        let (_, cert) = X509Certificate::from_der(der).map_err(|_| SignError::SigningFailed)?;
        if cert.issuer().as_raw() == self.ca.subject() {
            Ok(())
        } else {
            Err(SignError::SigningFailed)
        }
    }
}

impl Signer for LocalSigner {
    fn ca(&self) -> &CaCertificate {
        &self.ca
    }

    fn sign(&self, request: SignRequest) -> Signing<'_> {
        Box::pin(ready(self.sign_now(request)))
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
    /// The subject is built in a way that cannot be written again.
    UnsupportedSubject,
    /// The key is not the certificate's.
    KeyMismatch,
    /// There is no key.
    Key(KeyError),
    /// The key did not sign the certificate.
    SigningFailed,
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the CA certificate cannot be read; restore it from the backup",
            Self::NotACa => "the certificate given as the CA's may not sign certificates",
            Self::NotACrlSigner => "the CA's certificate may not sign revocation lists",
            Self::NoKeyId => "the CA's certificate has no subject key identifier",
            Self::UnsupportedSubject => "the CA's subject has a form that is not supported",
            Self::KeyMismatch => {
                "the CA's key does not belong to its certificate; restore both from one backup"
            }
            Self::Key(error) => return write!(f, "the CA's key: {error}"),
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

fn tag_of(key_id: &[u8]) -> String {
    key_id.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

fn encoder_key(key: &PublicKey) -> Result<rcgen::SubjectPublicKeyInfo, SignError> {
    rcgen::SubjectPublicKeyInfo::from_der(key.spki())
        .map_err(|_| SignError::Key(crate::KeyRefused::Malformed))
}

fn subject_key_id(cert: &X509Certificate<'_>) -> Option<Vec<u8>> {
    cert.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}
