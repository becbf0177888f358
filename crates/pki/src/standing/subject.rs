//! The certificate that is asked about: who issued it, and where it says that its standing is published.
//!
//! Addresses stand inside what the CA has signed, so that nobody who shows a certificate can take them out.
//! Read with bounds all the same: a few of each kind, none of them long, plain HTTP alone.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::extensions::{
    AuthorityInfoAccess, DistributionPointName, GeneralName, ParsedExtension,
};
use x509_parser::prelude::FromDer;

use crate::verify::leaf::LeafName;
use crate::{CaCertificate, CertificateId, Refusal, signature};

/// A certificate whose standing is in question.
#[derive(Clone, Debug)]
pub struct Subject {
    id: CertificateId,
    name: String,
    issuer: Option<CaCertificate>,
    sources: Sources,
}

/// Where a certificate says that its CA can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// OCSP responders, as AIA names them.
    pub ocsp: Vec<String>,
    /// CRLs, as the distribution points name them.
    pub crl: Vec<String>,
    named: bool,
}

impl Subject {
    /// This certificate, with the one among `candidates` that signed it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], where it cannot be read.
    pub fn of<'a>(
        certificate: &CertificateDer<'_>,
        candidates: impl IntoIterator<Item = &'a CaCertificate>,
    ) -> Result<Self, Refusal> {
        let id = CertificateId::of(certificate)?;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Refusal::Malformed)?;
        let issuer = candidates.into_iter().find(|ca| is_signed_by(&parsed, ca)).cloned();
        let name = LeafName::read(certificate)?.subject;
        Ok(Self { id, name, issuer, sources: Sources::of(&parsed) })
    }

    /// Who issued it, and its number.
    pub fn id(&self) -> CertificateId {
        self.id
    }

    /// Its subject, as OpenVPN prints it: `C=KG, ST=NA, CN=x`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who issued it, where that CA's certificate is at hand and may sign what is asked for.
    pub fn issuer(&self) -> Option<&CaCertificate> {
        self.issuer.as_ref()
    }

    /// Where to ask.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }
}

impl Sources {
    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.ocsp.is_empty() && self.crl.is_empty()
    }

    /// Whether the CA promised to say it somewhere, be it where nobody here can ask: over LDAP, for instance.
    pub fn names_some(&self) -> bool {
        self.named
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut sources = Self::default();
        for extension in certificate.extensions() {
            sources.named |= extension.oid == CRL_POINTS;
            match extension.parsed_extension() {
                ParsedExtension::AuthorityInfoAccess(access) => {
                    sources.named |= access.accessdescs.iter().any(|one| one.access_method == OCSP);
                    sources.ocsp.extend(ocsp(access));
                }
                ParsedExtension::CRLDistributionPoints(points) => {
                    let names =
                        points.points.iter().filter_map(|point| match &point.distribution_point {
                            Some(DistributionPointName::FullName(names)) => Some(names),
                            _ => None,
                        });
                    sources.crl.extend(names.flatten().filter_map(address));
                }
                _ => {}
            }
        }
        sources.ocsp.truncate(MOST_ADDRESSES);
        sources.crl.truncate(MOST_ADDRESSES);
        sources
    }
}

fn ocsp(access: &AuthorityInfoAccess<'_>) -> impl Iterator<Item = String> {
    let at_responder = access.accessdescs.iter().filter(|one| one.access_method == OCSP);
    at_responder.filter_map(|one| address(&one.access_location))
}

fn address(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(uri) = name else { return None };
    let plain = uri.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    (plain && uri.len() <= LONGEST_ADDRESS).then(|| (*uri).to_owned())
}

fn is_signed_by(certificate: &X509Certificate<'_>, ca: &CaCertificate) -> bool {
    certificate.issuer().as_raw() == ca.subject()
        && signature::verify(
            &certificate.signature_algorithm,
            ca.spki(),
            certificate.tbs_certificate.as_ref(),
            &certificate.signature_value,
        )
        .is_ok()
}

const SCHEME: &str = "http://";
/// id-ad-ocsp.
const OCSP: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1);
/// id-ce-cRLDistributionPoints.
const CRL_POINTS: Oid<'static> = oid!(2.5.29.31);
const MOST_ADDRESSES: usize = 4;
const LONGEST_ADDRESS: usize = 1024;
