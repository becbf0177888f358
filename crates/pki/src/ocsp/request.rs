//! A question for a responder: which certificates, and whether the answer has to be a fresh one.

use std::error::Error;
use std::fmt;

use der::{Decode, Encode};

use super::asn1;
use super::cert_id::CertId;
use super::nonce::Nonce;

/// The longest request that is read, in octets: dozens of certificates by SHA-256, and a signature
/// with its certificate.
pub const LONGEST_REQUEST: usize = 16 * 1024;
/// How many certificates one request may ask for.
pub const MOST_CERTIFICATES: usize = 64;

/// A request. Its signature and the name of who asks are read over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    ids: Vec<CertId>,
    nonce: Option<Nonce>,
}

impl OcspRequest {
    /// Asks for one certificate.
    pub fn new(id: CertId, nonce: Option<Nonce>) -> Self {
        Self { ids: vec![id], nonce }
    }

    /// Asks for several, which the same CA has to have issued.
    pub fn of_many(ids: Vec<CertId>) -> Self {
        Self { ids, nonce: None }
    }

    /// Reads a request in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > LONGEST_REQUEST {
            return Err(RequestError::TooLong);
        }
        let request = asn1::OcspRequest::from_der(der).map_err(|_| RequestError::Malformed)?;
        let tbs = request.tbs_request;
        if tbs.version != asn1::V1 {
            return Err(RequestError::UnsupportedVersion);
        }
        if tbs.request_list.is_empty() || tbs.request_list.len() > MOST_CERTIFICATES {
            return Err(RequestError::BadCount);
        }
        let of_one = tbs.request_list.iter().flat_map(|one| one.extensions.iter().flatten());
        refuse_critical(of_one)?;
        let nonce = read_nonce(&tbs.extensions.unwrap_or_default())?;
        let ids = tbs.request_list.into_iter().map(|one| CertId::from_asn1(one.cert_id)).collect();
        Ok(Self { ids, nonce })
    }

    /// The request in DER.
    pub fn to_der(&self) -> Vec<u8> {
        let request = |id: &CertId| asn1::Request { cert_id: id.to_asn1(), extensions: None };
        let request = asn1::OcspRequest {
            tbs_request: asn1::TbsRequest {
                version: asn1::V1,
                requestor_name: None,
                request_list: self.ids.iter().map(request).collect(),
                extensions: self.nonce.as_ref().map(|nonce| vec![nonce.to_extension()]),
            },
            signature: None,
        };
        request.to_der().expect("a request of bounded parts can be written")
    }

    /// Which certificates are asked for; one at least.
    pub fn ids(&self) -> &[CertId] {
        &self.ids
    }

    /// What a fresh answer has to repeat.
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

/// The nonce among these extensions; none of the others may be one that has to be understood.
fn read_nonce(extensions: &[asn1::Extension]) -> Result<Option<Nonce>, RequestError> {
    refuse_critical(extensions.iter().filter(|extension| extension.id != asn1::NONCE))?;
    let mut nonces = extensions.iter().filter(|extension| extension.id == asn1::NONCE);
    let nonce = nonces.next();
    if nonces.next().is_some() {
        return Err(RequestError::BadNonce);
    }
    let read = |one: &asn1::Extension| Nonce::read(one.value.as_bytes());
    nonce.map(|one| read(one).ok_or(RequestError::BadNonce)).transpose()
}

fn refuse_critical<'a>(
    mut extensions: impl Iterator<Item = &'a asn1::Extension>,
) -> Result<(), RequestError> {
    if extensions.any(|extension| extension.critical) {
        return Err(RequestError::UnsupportedExtension);
    }
    Ok(())
}

/// Why a request is not understood. All are the asker's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// It is longer than [`LONGEST_REQUEST`].
    TooLong,
    /// It is no OCSP request in DER.
    Malformed,
    /// It is of a later version.
    UnsupportedVersion,
    /// It asks for no certificate, or for more than [`MOST_CERTIFICATES`].
    BadCount,
    /// Its nonce has no octet or more than 128, or there are two.
    BadNonce,
    /// It has an extension that is critical and not known.
    UnsupportedExtension,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "the OCSP request is longer than {LONGEST_REQUEST} octets")
            }
            Self::Malformed => f.write_str("that is no OCSP request in DER"),
            Self::UnsupportedVersion => f.write_str("the OCSP request is of a version after 1"),
            Self::BadCount => write!(
                f,
                "an OCSP request asks for at least one certificate and at most {MOST_CERTIFICATES}"
            ),
            Self::BadNonce => f.write_str("a nonce has between 1 and 128 octets"),
            Self::UnsupportedExtension => {
                f.write_str("the OCSP request has a critical extension that is not known")
            }
        }
    }
}

impl Error for RequestError {}
