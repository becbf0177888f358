//! What a verifier wants to know of an end-entity certificate, beyond what webpki tells.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::der_parser::Oid;
use x509_parser::error::X509Error;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};
use x509_parser::nom::Parser as _;
use x509_parser::oid_registry::{OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE};
use x509_parser::prelude::{FromDer, X509Name};

use crate::{Purpose, Refusal, Serial, Timestamp, moment};

/// The end of a certificate's time, whoever signed it.
///
/// # Errors
/// [`Refusal::Malformed`], where it cannot be read.
pub fn leaf_not_after(end_entity: &CertificateDer<'_>) -> Result<Timestamp, Refusal> {
    Leaf::read(end_entity).map(|leaf| leaf.not_after)
}

/// The beginning of a certificate's time, whoever signed it.
///
/// # Errors
/// [`Refusal::Malformed`], where it cannot be read.
pub fn leaf_not_before(end_entity: &CertificateDer<'_>) -> Result<Timestamp, Refusal> {
    Leaf::read(end_entity).map(|leaf| leaf.not_before)
}

/// Whether a certificate names itself as its issuer. What it says of itself, and no more.
pub fn names_itself_as_issuer(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, read)| read.issuer().as_raw() == read.subject().as_raw())
}

/// Facts read from a certificate whose signature may be anyone's.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) serial: Serial,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    client_auth: bool,
    server_auth: bool,
    digital_signature: bool,
    names_uses: bool,
}

impl Leaf {
    pub(crate) fn read(der: &[u8]) -> Result<Self, Refusal> {
        // Only two of the extensions matter here.
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, cert) = parser.parse(der).map_err(|_| Refusal::Malformed)?;
        if !rest.is_empty() {
            return Err(Refusal::Malformed);
        }
        let eku: Option<ExtendedKeyUsage<'_>> = extension(&cert, &OID_X509_EXT_EXTENDED_KEY_USAGE)?;
        let usage: Option<KeyUsage> = extension(&cert, &OID_X509_EXT_KEY_USAGE)?;
        Ok(Self {
            serial: Serial::from_bytes(cert.raw_serial()).map_err(|_| Refusal::Malformed)?,
            issuer: cert.issuer().as_raw().to_vec(),
            not_before: moment::from_asn1(cert.validity().not_before),
            not_after: moment::from_asn1(cert.validity().not_after),
            client_auth: eku.as_ref().is_some_and(|eku| eku.client_auth),
            server_auth: eku.as_ref().is_some_and(|eku| eku.server_auth),
            digital_signature: usage.is_none_or(|usage| usage.digital_signature()),
            names_uses: eku.is_some(),
        })
    }

    /// As RFC 5280 (section 4.2.1.12) reads one without an extended key usage, and browsers do: it is for everything.
    pub(crate) fn for_every_use_if_it_names_none(self) -> Self {
        match self.names_uses {
            true => self,
            false => Self { client_auth: true, server_auth: true, ..self },
        }
    }

    /// Both an extended key usage that says so and, where a key usage is present, the right to sign
    /// a handshake. webpki takes the absence of an extended key usage for consent; here it is not.
    pub(crate) fn require(&self, needed: Purpose) -> Result<(), Refusal> {
        let meant = match needed {
            Purpose::Client => self.client_auth,
            Purpose::Server => self.server_auth,
        };
        if meant && self.digital_signature { Ok(()) } else { Err(Refusal::WrongUsage { needed }) }
    }
}

/// The extension's value, where there is one.
fn extension<'a, T: FromDer<'a, X509Error>>(
    certificate: &X509Certificate<'a>,
    oid: &Oid<'_>,
) -> Result<Option<T>, Refusal> {
    let found = certificate.get_extension_unique(oid).map_err(|_| Refusal::Malformed)?;
    let Some(found) = found else { return Ok(None) };
    match T::from_der(found.value) {
        Ok(([], value)) => Ok(Some(value)),
        _ => Err(Refusal::Malformed),
    }
}

/// Whom a certificate names, for those who compare it.
#[derive(Clone, Debug)]
pub(crate) struct LeafName {
    /// As OpenVPN prints it: `C=KG, ST=NA, CN=x`.
    pub(crate) subject: String,
    /// The last commonName, which is the one that OpenVPN compares.
    pub(crate) common_name: Option<String>,
}

impl LeafName {
    pub(crate) fn read(der: &[u8]) -> Result<Self, Refusal> {
        let (_, cert) = X509Certificate::from_der(der).map_err(|_| Refusal::Malformed)?;
        Ok(Self {
            subject: openvpn_subject(cert.subject()),
            common_name: last_common_name(cert.subject()),
        })
    }
}

fn last_common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().last().map(attribute_text)
}

fn openvpn_subject(name: &X509Name<'_>) -> String {
    let rdns: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let parts: Vec<String> = rdn
                .iter()
                .map(|attribute| {
                    let oid = attribute.attr_type().to_id_string();
                    format!("{}={}", short_name(&oid), attribute_text(attribute))
                })
                .collect();
            parts.join(" + ")
        })
        .collect();
    rdns.join(", ")
}

fn attribute_text(attribute: &x509_parser::x509::AttributeTypeAndValue<'_>) -> String {
    attribute
        .as_str()
        .map_or_else(|_| String::from_utf8_lossy(attribute.as_slice()).into_owned(), str::to_owned)
}

/// The names that OpenSSL prints for attribute types.
fn short_name(oid: &str) -> &str {
    match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.46" => "dnQualifier",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        other => other,
    }
}
