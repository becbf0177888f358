//! What is published at a moment: for every CA its certificate, its CRL and who signs its answers.

use std::fmt::Debug;
use std::sync::Arc;

use pki::ocsp::{OcspAuthority, OcspRecords, OcspSigner};
use pki::{CaCertificate, Crl};

use crate::document::Document;

/// What the records say, and when they say something else.
pub trait Records: OcspRecords + Send + Sync + Debug {
    /// A number that is higher after each change.
    fn revision(&self) -> u64;
}

/// Everything that is published.
#[derive(Debug, Default)]
pub struct Publication {
    issuers: Vec<IssuerPublication>,
}

/// What is published of one CA.
#[derive(Debug)]
pub struct IssuerPublication {
    tag: String,
    certificate: Document,
    crl: Option<Document>,
    ocsp: Option<[OcspAuthority; 1]>,
}

impl Publication {
    /// Of these CAs.
    pub fn new(issuers: Vec<IssuerPublication>) -> Self {
        Self { issuers }
    }

    pub(crate) fn issuer(&self, tag: &str) -> Option<&IssuerPublication> {
        self.issuers.iter().find(|issuer| issuer.tag == tag)
    }
}

impl IssuerPublication {
    /// Of this CA; what can't be had at present is left out.
    pub fn new(ca: &CaCertificate, crl: Option<&Crl>, signer: Option<Arc<OcspSigner>>) -> Self {
        let validity = ca.validity();
        let crl = crl.map(|crl| {
            let (from, until) = (crl.this_update(), crl.next_update());
            Document::new("application/pkix-crl", crl.der().to_vec(), from, until)
        });
        Self {
            tag: ca.tag(),
            certificate: Document::new(
                "application/pkix-cert",
                ca.der().to_vec(),
                validity.not_before,
                validity.not_after,
            ),
            crl,
            ocsp: signer.map(|signer| [OcspAuthority { ca: ca.clone(), signer }]),
        }
    }

    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    pub(crate) fn certificate(&self) -> &Document {
        &self.certificate
    }

    pub(crate) fn crl(&self) -> Option<&Document> {
        self.crl.as_ref()
    }

    pub(crate) fn ocsp(&self) -> &[OcspAuthority] {
        self.ocsp.as_ref().map_or(&[], |one| one)
    }
}
