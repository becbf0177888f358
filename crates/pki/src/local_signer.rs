//! A signer that keeps the CA's key in this process, and makes new CAs.

use std::future::ready;
use std::time::Duration;

use rcgen::Issuer;

use crate::ca::tag_of;
use crate::cross::{CrossRequest, cross_params};
use crate::profile::{Validity, ca_params};
use crate::signer::{SignAnswer, SignRequest, Signer, Signing};
use crate::{
    CaCertificate, CaError, CertificateRequest, CrlRequest, KeyType, NameConstraints, PrivateKey,
    PublicKey, Serial, SignError, Timestamp, lint,
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

/// Signs with a key that lies in this process' memory.
#[derive(Debug)]
pub struct LocalSigner {
    ca: CaCertificate,
    issuer: Issuer<'static, PrivateKey>,
}

impl LocalSigner {
    /// Makes a new CA, which may certify any name.
    pub fn create(new: &NewCa) -> Result<Self, CaError> {
        Self::create_within(new, &NameConstraints::default())
    }

    /// Makes a new CA, which may certify these names.
    pub fn create_within(new: &NewCa, names: &NameConstraints) -> Result<Self, CaError> {
        let key = PrivateKey::generate(new.key_type).map_err(CaError::Key)?;
        let key_id = key.public_key().key_id();
        let name = format!("Handfast CA {}", tag_of(key_id));
        let validity = Validity::starting(new.now, new.lifetime);
        let mut params = ca_params(new.serial, &name, key_id, validity);
        names.write(&mut params);
        let cert = params.self_signed(&key).map_err(|_| CaError::SigningFailed)?;
        let own = Self::new(cert.der(), key)?;
        lint::certificate(cert.der(), lint::Role::Ca, &own.ca).map_err(CaError::Rule)?;
        Ok(own)
    }

    /// A CA that exists already.
    pub fn new(certificate: &[u8], key: PrivateKey) -> Result<Self, CaError> {
        let ca = CaCertificate::from_der(certificate)?;
        ca.is_complete()?;
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
            SignRequest::Cross(request) => self.cross(&request).map(SignAnswer::Certificate),
        }
    }

    fn certificate(&self, request: &CertificateRequest) -> Result<Vec<u8>, SignError> {
        request.profile.check_names(&self.ca.constraints())?;
        let params = request.to_params(self.ca.validity())?;
        let key = encoder_key(&request.public_key)?;
        let cert = params.signed_by(&key, &self.issuer).map_err(|_| SignError::SigningFailed)?;
        lint::certificate(cert.der(), (&request.profile).into(), &self.ca)
            .map_err(SignError::Rule)?;
        Ok(cert.der().to_vec())
    }

    fn cross(&self, request: &CrossRequest) -> Result<Vec<u8>, SignError> {
        let other = CaCertificate::from_der(&request.other).map_err(|_| SignError::NotACa)?;
        let params = cross_params(request, &other, self.ca.validity())?;
        let key = rcgen::SubjectPublicKeyInfo::from_der(other.spki())
            .map_err(|_| SignError::Key(crate::KeyRefused::Malformed))?;
        let cert = params.signed_by(&key, &self.issuer).map_err(|_| SignError::SigningFailed)?;
        lint::certificate(cert.der(), lint::Role::Ca, &self.ca).map_err(SignError::Rule)?;
        // Its subject is written anew as well, and has to be the other CA's to the octet.
        let written = CaCertificate::from_der(cert.der()).map_err(|_| SignError::SigningFailed)?;
        match written.subject() == other.subject() && written.spki() == other.spki() {
            true => Ok(cert.der().to_vec()),
            false => Err(SignError::SigningFailed),
        }
    }

    fn crl(&self, request: &CrlRequest) -> Result<Vec<u8>, SignError> {
        let params = request.to_params(self.ca.key_id())?;
        let crl = params.signed_by(&self.issuer).map_err(|_| SignError::SigningFailed)?;
        lint::crl(crl.der(), &self.ca).map_err(SignError::Rule)?;
        Ok(crl.der().to_vec())
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

fn encoder_key(key: &PublicKey) -> Result<rcgen::SubjectPublicKeyInfo, SignError> {
    rcgen::SubjectPublicKeyInfo::from_der(key.spki())
        .map_err(|_| SignError::Key(crate::KeyRefused::Malformed))
}
